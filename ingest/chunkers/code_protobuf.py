"""Protocol Buffers: messages, enums, services and their methods.

The format is blocks with a name before them; no maintained parser keeps where they stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from ingest.chunkers.code_units import Reading, Unit, first_line_above
from ingest.chunkers.source import SourceText

_MAX_NESTING: Final = 5
_TOKEN: Final = re.compile(
    r"""(?P<skipped>//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?)|(?P<mark>[{};])|\S""",
    re.DOTALL,
)
_HEAD: Final = re.compile(r"(?P<kind>message|enum|service|rpc|extend)\s+\.?(?P<name>[A-Za-z_][\w.]*)")


@dataclass(slots=True)
class _Block:
    """A block that is still open, or a method; `name` is empty for those that are not units."""

    kind: str = ""
    name: str = ""
    first: int = 0
    signature: tuple[int, int] = (0, 0)
    body: list[int] = field(default_factory=list)
    members: list[Unit] = field(default_factory=list)


def read_protobuf(source: SourceText) -> Reading:
    """Return the definitions of a `.proto` file; a service's methods are chunks of their own."""
    blocks = [_Block()]
    after, start = 0, -1
    for token in _TOKEN.finditer(source.text):
        if token["skipped"] is not None and (start < 0 or token["skipped"].startswith("/")):
            continue
        if start < 0:
            start = token.start()
        if token["mark"] is None:
            continue
        if token["mark"] == "}":
            _close(source, blocks, token.start())
        else:
            block = _open(source, after, start, token.start())
            blocks[-1].body.append(block.first)
            blocks.append(block)
            if token["mark"] == ";":
                _close(source, blocks, token.start())
        after, start = token.end(), -1
    while len(blocks) > 1:
        _close(source, blocks, len(source.text.rstrip()))
    return Reading(blocks[0].members)


def _open(source: SourceText, after: int, start: int, end: int) -> _Block:
    first, line = first_line_above(source, after, start), source.line_of(start)
    head = _HEAD.match(source.text, start, end)
    if head is None:
        return _Block(first=first)
    return _Block(head["kind"], head["name"], first, (line, source.line_of(end)))


def _close(source: SourceText, blocks: list[_Block], end: int) -> None:
    """End the innermost block, which becomes a unit of the one around it where that may have one."""
    if len(blocks) == 1:
        return
    block = blocks.pop()
    around = blocks[-1]
    last = source.line_of(end)
    if not block.name or len(blocks) > _MAX_NESTING or (around.members and around.members[-1].last >= block.first):
        return
    scope = tuple(outer.name for outer in blocks if outer.name)
    around.members.append(
        Unit(
            block.kind,
            (*scope, block.name),
            block.first,
            last,
            block.signature,
            tuple(block.body),
            tuple(block.members),
            apart=block.kind == "service",
        )
    )
