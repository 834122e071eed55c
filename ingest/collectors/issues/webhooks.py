"""What a webhook of GitHub or GitLab says is to be looked at again. The body is never believed beyond that.

A list of what changed does not tell of what was deleted; a webhook does, and need not wait for the next comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ingest.collectors.issues.content import ISSUES, MERGE_REQUESTS, PULLS
from ingest.collectors.issues.snapshot import SnapshotFolder, issues_folder
from ingest.collectors.json_values import at, event_in, whole
from shirabe.types import Source

_GITLAB: Final = {"issue": ISSUES, "work_item": ISSUES, "merge_request": MERGE_REQUESTS}


def events_of(body: bytes) -> frozenset[str]:
    """Return the paths of the issues and pull requests that an event is about, which may be none.

    The caller has checked that the source's secret signed it.

    Raises: InvalidInput when the body is no event.
    """
    return frozenset(f"{kind}/{number}" for kind, number in _named(event_in(body)) if number > 0)


def remember(source: Source, state_dir: Path, paths: frozenset[str]) -> None:
    """Have the source's next sync look at what a webhook told of. Blocks for a file's time."""
    if paths:
        folder = SnapshotFolder(issues_folder(state_dir, source.source_id, source.location))
        folder.tell({"paths": sorted(paths)})


def _named(event: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    if kind := _GITLAB.get(str(event.get("object_kind"))):
        yield kind, whole(event, "object_attributes", "iid")
    for name, kind in _GITLAB.items():
        yield kind, whole(event, name, "iid")
    issue = at(event, "issue")
    is_pull = isinstance(issue, Mapping) and "pull_request" in issue
    yield PULLS if is_pull else ISSUES, whole(issue, "number")
    yield PULLS, whole(event, "pull_request", "number")
