"""A local export: what the REST APIs of GitHub and GitLab give, in files of JSON, a row or a list of rows on a line."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ingest.collectors.issues import github, gitlab
from ingest.collectors.issues.api import Tags
from ingest.collectors.issues.content import ISSUES, KINDS, MERGE_REQUESTS, PULLS, Project, Row, Thread
from ingest.collectors.json_values import items, text, whole
from shirabe.errors import InvalidInput
from shirabe.types import digest

MAX_BYTES: Final = 500_000_000
_SUFFIXES: Final = frozenset({".json", ".jsonl", ".ndjson"})
_NUMBER: Final = re.compile(r"/(?:issues|pulls|merge_requests)/(\d{1,10})(?:/|$)")
_BLANK: Final = re.compile(r"\s*")
_DECODER: Final = json.JSONDecoder()
_NOTEABLE: Final = {"Issue": ISSUES, "MergeRequest": MERGE_REQUESTS}

Rows = list[Mapping[str, Any]]


@dataclass(slots=True)
class _Told:
    """What the files tell of one issue, in whatever order."""

    issue: dict[str, Any] = field(default_factory=dict)
    pull: Mapping[str, Any] | None = None
    comments: Rows = field(default_factory=list)
    review_comments: Rows = field(default_factory=list)
    reviews: Rows = field(default_factory=list)


class Export:
    """The issues in a folder or a file, read into memory when it is opened; that blocks."""

    def __init__(self, place: Path) -> None:
        self._told: dict[str, _Told] = {}
        self._names: set[str] = set()
        self._pulls: set[int] = set()
        read = 0
        for file in _files(place):
            read += file.stat().st_size
            if read > MAX_BYTES:
                raise InvalidInput(f"the files are larger than {MAX_BYTES} bytes together", "location")
            for row in _rows(file):
                self._take(row)
        self._join_pulls()
        self._told = {path: told for path, told in self._told.items() if told.issue}
        if len(self._names) > 1:
            raise InvalidInput(f"of several projects: {', '.join(sorted(self._names)[:5])}", "location")

    async def project(self) -> Project:
        """Return the project of the rows; whoever exported it says by the source's rule who may find it."""
        return Project(next(iter(self._names), ""), KINDS)

    async def rows(self, since: datetime | None, tags: Tags) -> AsyncIterator[Row]:  # noqa: ARG002 - all are at hand
        """Yield all issues."""
        for path in self._told:
            kind, _, number = path.partition("/")
            if row := await self.row(kind, int(number)):
                yield row

    async def row(self, kind: str, number: int) -> Row | None:
        """Return the row of one; all that is told of it is its state."""
        told = self._told.get(f"{kind}/{number}")
        if told is None:
            return None
        row = gitlab.row_of(kind, told.issue) if _is_gitlab(told.issue) else github.row_of(told.issue)
        state = digest(json.dumps([told.issue, told.pull, told.comments, told.review_comments, told.reviews]))
        return Row(kind, row.number, row.updated, state, row.confidential)

    async def thread(self, row: Row) -> Thread | None:
        """Return an issue."""
        told = self._told.get(row.path)
        if told is None:
            return None
        if _is_gitlab(told.issue):
            return gitlab.thread_of(row.kind, told.issue, gitlab.Parts(told.comments))
        parts = github.Parts(told.pull, told.comments, told.review_comments, told.reviews)
        return github.thread_of(told.issue, parts)

    def _take(self, row: Mapping[str, Any]) -> None:
        if "noteable_iid" in row:
            if kind := _NOTEABLE.get(text(row, "noteable_type")):
                self._of(kind, whole(row, "noteable_iid")).comments.append(row)
        elif "iid" in row and "title" in row:
            kind = MERGE_REQUESTS if "source_branch" in row else ISSUES
            self._names.add(gitlab.project_of(row))
            self._of(kind, whole(row, "iid")).issue = dict(row)
        elif "number" in row and "title" in row:
            self._take_github(row)
        elif "pull_request_url" in row:
            told = self._of(PULLS, _number_in(row, "pull_request_url"))
            (told.reviews if "submitted_at" in row else told.review_comments).append(row)
        elif "issue_url" in row:
            self._of(ISSUES, _number_in(row, "issue_url")).comments.append(row)

    def _take_github(self, row: Mapping[str, Any]) -> None:
        number = whole(row, "number")
        if "head" in row and "base" in row:
            name = text(row, "base", "repo", "full_name")
            told = self._of(PULLS, number)
            told.pull = row
            # A pull request is an issue in what both tell; where the list of issues tells it too, that is taken.
            facts = {"pull_request": {}, "repository_url": f"https://api.github.com/repos/{name}"}
            told.issue = told.issue or {**row, **facts}
        else:
            name = github.project_of(row)
            told = self._of(PULLS if "pull_request" in row else ISSUES, number)
            told.issue = dict(row)
        if name:
            self._names.add(name)
        if "pull_request" in told.issue:
            self._pulls.add(number)

    def _join_pulls(self) -> None:
        """Give pull requests their comments: these only tell the number, which issues and pull requests share."""
        for number in self._pulls:
            lone = self._told.pop(f"{ISSUES}/{number}", None)
            if lone is not None:
                self._of(PULLS, number).comments += lone.comments

    def _of(self, kind: str, number: int) -> _Told:
        return self._told.setdefault(f"{kind}/{number}", _Told())


def _is_gitlab(issue: Mapping[str, Any]) -> bool:
    return "iid" in issue


def _number_in(row: Mapping[str, Any], name: str) -> int:
    match = _NUMBER.search(text(row, name))
    return int(match[1]) if match else 0


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    found = sorted(path for path in place.rglob("*") if path.suffix.lower() in _SUFFIXES)
    return [path for path in found if path.is_file() and not path.is_symlink()]


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    with file.open("r", encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            try:
                values = _values(line)
            except (ValueError, RecursionError):
                if number == 1:
                    # Written over many lines, as a person would.
                    yield from _whole(file)
                    return
                raise InvalidInput("not JSON", f"{file.name}:{number}") from None
            yield from _objects(values)


def _whole(file: Path) -> list[Mapping[str, Any]]:
    try:
        return _objects(_values(file.read_text("utf-8-sig", "replace")))
    except (ValueError, RecursionError):
        raise InvalidInput("not JSON", f"{file.name}:1") from None


def _values(text: str) -> list[Any]:
    """Return the values of a text: `gh api --paginate` writes the pages of a list one behind the other."""
    found: list[Any] = []
    place = 0
    while (blank := _BLANK.match(text, place)) and blank.end() < len(text):
        value, place = _DECODER.raw_decode(text, blank.end())
        found.append(value)
    return found


def _objects(values: list[Any]) -> list[Mapping[str, Any]]:
    """Return the rows of values: objects, lists of them, or lists of the pages of such a list."""
    found: list[Mapping[str, Any]] = []
    for value in values:
        pages = value if isinstance(value, list) else [value]
        for page in pages:
            found += items(page if isinstance(page, list) else [page])
    return found
