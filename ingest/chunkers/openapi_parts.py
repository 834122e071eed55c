"""What an API description is cut into: units, and the parts that a long unit is cut between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of a unit that were read at one pointer of the document; `label` says which part it is: `response 200`."""

    pointer: str
    lines: tuple[str, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """What becomes a chunk, or several: where it is, the names it stands under, its parts, what is known beside.

    `headed`: the first part says what the whole is, and has a chunk of its own where the unit takes several.
    """

    kind: str
    pointer: str
    headings: tuple[str, ...]
    parts: list[Part]
    meta: Mapping[str, Any] = field(default_factory=dict)
    headed: bool = False
