"""What a tracker held at one moment, without the words, and the words that were read since."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ingest.collectors.issues.content import Project, Remark, Row, Thread
from ingest.collectors.json_values import moment_of
from ingest.collectors.snapshot_files import SnapshotFiles, write_whole
from shirabe.types import Acl, digest

_FORMAT: Final = 1
READ_AGAIN: Final = timedelta(days=7)
"""How long words are taken for what the service holds when its list shows no change: a few changes it does not show."""


@dataclass(frozen=True, slots=True)
class Readers:
    """Who finds what: `source` what the source's rule says, `private` what everybody may not read, `confidential`."""

    source: Acl
    private: Acl
    confidential: Acl

    def of(self, row: Row, project: Project) -> Acl:
        """Return who may see an issue."""
        if row.confidential:
            return self.confidential
        return self.source if row.kind in project.public else self.private


@dataclass(slots=True)
class Snapshot:
    """Rows by their paths. `compared`: when all were last listed. `tags`: of lists since `newest`, as they were then.

    `scope` names the options that it was read with.
    """

    scope: str
    project: Project
    compared: datetime
    rows: dict[str, Row] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def newest(self) -> datetime:
        """When what changed last did, by the service's clock."""
        return max((moment_of(row.updated) for row in self.rows.values()), default=datetime.fromtimestamp(0, UTC))

    def digests(self, readers: Readers) -> dict[str, str]:
        """Return every document's path with a digest of all that decides what is indexed of it."""
        found: dict[str, str] = {}
        for path, row in self.rows.items():
            acl = readers.of(row, self.project)
            found[path] = digest(row.mark, self.project.name, str(acl.public), *acl.principals)
        return found

    def cursor(self, readers: Readers) -> str:
        """Return what names this state, times left out."""
        return digest(*(f"{path}={value}" for path, value in sorted(self.digests(readers).items())))


class SnapshotFolder(SnapshotFiles[Snapshot]):
    """The snapshots of one source, and threads that were read. Methods block for a file's time.

    A service lets only so much be asked in an hour: a run that it cut short goes on with what is here.
    """

    def keep(self, snapshot: Snapshot, readers: Readers) -> str:
        """Keep a snapshot and return its cursor."""
        cursor = snapshot.cursor(readers)
        self.write(cursor, {"format": _FORMAT, **asdict(snapshot), "compared": snapshot.compared.isoformat()})
        return cursor

    def thread(self, row: Row) -> Thread | None:
        """Return what was read of a row that is still as it was then; None when that is too long ago."""
        path = self._thread_path(row)
        try:
            if time.time() - path.stat().st_mtime > READ_AGAIN.total_seconds():
                return None
            return _thread(json.loads(path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_thread(self, row: Row, thread: Thread) -> None:
        """Keep what was read of a row."""
        path = self._thread_path(row)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        plain = {**asdict(thread), "written": thread.written.isoformat(), "updated": thread.updated.isoformat()}
        plain["remarks"] = [{**asdict(one), "written": one.written.isoformat()} for one in thread.remarks]
        write_whole(path, json.dumps(plain, ensure_ascii=False))

    def forget_threads(self, but: Iterable[Row]) -> None:
        """Forget what was read of rows that are no longer so."""
        kept = {self._thread_path(row).name for row in but}
        folder = self._folder / "threads"
        if folder.is_dir():
            for entry in list(os.scandir(folder)):
                if entry.name not in kept:
                    Path(entry.path).unlink(missing_ok=True)

    def _decoded(self, value: Any) -> Snapshot:
        if value["format"] != _FORMAT:
            raise ValueError("another version's snapshot")
        project = value["project"]
        return Snapshot(
            scope=value["scope"],
            project=Project(project["name"], tuple(project["public"]), tuple(project["kinds"])),
            compared=moment_of(value["compared"]),
            rows={path: Row(**row) for path, row in value["rows"].items()},
            tags=dict(value["tags"]),
        )

    def _thread_path(self, row: Row) -> Path:
        return self._folder / "threads" / f"{row.mark}.json"


def issues_folder(state_dir: Path, source_id: str, location: str) -> Path:
    """Return the folder of a source's snapshots."""
    return state_dir / "issues" / digest("issues", source_id, location)


def _thread(value: Mapping[str, Any]) -> Thread:
    tuples = {name: tuple(value[name]) for name in ("labels", "assignees", "branches", "files")}
    pairs = {name: tuple((first, second) for first, second in value[name]) for name in ("commits", "links")}
    remarks = tuple(Remark(**{**one, "written": moment_of(one["written"])}) for one in value["remarks"])
    moments = {name: moment_of(value[name]) for name in ("written", "updated")}
    return Thread(**{**value, **tuples, **pairs, **moments, "remarks": remarks})
