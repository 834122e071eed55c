"""What a tracker holds: rows that tell whether something changed, threads with all that was said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shirabe.types import digest

ISSUES: Final = "issues"
PULLS: Final = "pulls"
MERGE_REQUESTS: Final = "merge_requests"
KINDS: Final = (ISSUES, PULLS, MERGE_REQUESTS)


@dataclass(frozen=True, slots=True)
class Row:
    """An issue, pull request or merge request in a list. `updated` is as the service writes it.

    `state` is whatever else there is that its last change does not tell of, such as how many comments it has.
    """

    kind: str
    number: int
    updated: str
    state: str
    confidential: bool = False

    @property
    def path(self) -> str:
        """The id of its document."""
        return f"{self.kind}/{self.number}"

    @property
    def mark(self) -> str:
        """What names its content as far as a list tells."""
        return digest(self.path, self.updated, self.state, str(self.confidential))


@dataclass(frozen=True, slots=True)
class Project:
    """A repository or project: its name with its owner's, and the kinds that everybody may read."""

    name: str
    public: tuple[str, ...] = ()
    kinds: tuple[str, ...] = KINDS


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment or review; `about`: the place in a file, or the verdict, that it is about; `anchor`: on its page."""

    anchor: str
    author: str
    written: datetime
    text: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Thread:
    """An issue or pull request with all that was said, in order.

    `branches` are from and to. `commits` are pairs of an id and the first line of its message. `links` are pairs of
    a relation and what it is to (`closes`, `#12`).
    """

    kind: str
    number: int
    title: str
    text: str
    author: str
    written: datetime
    updated: datetime
    state: str
    url: str
    labels: tuple[str, ...] = ()
    milestone: str = ""
    assignees: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    files: tuple[str, ...] = ()
    commits: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    confidential: bool = False
