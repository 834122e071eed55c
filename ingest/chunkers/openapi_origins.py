"""Where the parts of an API description were written: file, JSON pointer, lines."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import yaml

from ingest.openapi_files import Target

Severity = Literal["error", "warning"]

_FILES_KEPT: Final = 16
_MAX_MESSAGE_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a description. `pointer` is into the joined document; `place` is set where that says less.

    An error is a breach of the standard or a part that is missing; a warning is a value that does not fit its schema.
    """

    pointer: str
    message: str
    severity: Severity = "error"
    place: str = ""


class Origins:
    """Finds the source of every pointer of a joined document. Lines are 1-based."""

    def __init__(self, root: str, texts: Mapping[str, str], joined: Mapping[str, Target]) -> None:
        self.root = root
        self._texts = texts
        self._joined = joined
        self._parsed: OrderedDict[str, _Nodes] = OrderedDict()

    def target(self, pointer: str) -> Target:
        """Return the file and the pointer in it at which a pointer of the joined document was written."""
        above = pointer
        while above and above not in self._joined:
            above = above.rpartition("/")[0]
        origin = self._joined.get(above, Target(self.root, ""))
        return Target(origin.file, origin.pointer + pointer[len(above) :])

    def lines(self, target: Target) -> tuple[int, int] | None:
        """Return the first and the last line of a place, its key included; None when it cannot be told."""
        return self._nodes(target.file).lines(pointer_keys(target.pointer))

    def place(self, pointer: str) -> str:
        """Return `file:line:column#/pointer` of a pointer of the joined document, or of what there is on the way."""
        target = self.target(pointer)
        line, column = self._nodes(target.file).mark(pointer_keys(target.pointer))
        return f"{target.file}:{line}:{column}#{target.pointer}"

    def told(self, problem: Problem) -> tuple[str, str]:
        """Return a problem's place, and its message in one line."""
        short = " ".join(problem.message.split())
        if len(short) > _MAX_MESSAGE_CHARS:
            short = f"{short[: _MAX_MESSAGE_CHARS // 2]} … {short[-_MAX_MESSAGE_CHARS // 2 :]}"
        return problem.place or self.place(problem.pointer), short

    def _nodes(self, file: str) -> _Nodes:
        """Return a file's nodes. Those of a few files are kept: units of one file come one after the other."""
        nodes = self._parsed.pop(file, None)
        if nodes is None:
            nodes = _Nodes(self._texts.get(file, ""))
            kept = [name for name in self._parsed if name != self.root]
            if len(kept) >= _FILES_KEPT:
                del self._parsed[kept[0]]
        self._parsed[file] = nodes
        return nodes


class _Nodes:
    """One file's YAML nodes with their marks; JSON is read as the YAML that it is."""

    def __init__(self, text: str) -> None:
        self._children: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = {}
        self._lines = text.count("\n") + 1
        try:
            self._root: yaml.Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
        except yaml.YAMLError:
            self._root = None

    def mark(self, keys: Iterable[str]) -> tuple[int, int]:
        """Return the line and column of the deepest node on the way along keys that there is."""
        start, _, _ = self._walk(keys)
        return (start.start_mark.line + 1, start.start_mark.column + 1) if start else (1, 1)

    def lines(self, keys: Iterable[str]) -> tuple[int, int] | None:
        """Return the lines of the node at the end of keys."""
        start, node, found = self._walk(keys)
        if start is None or node is None or not found:
            return None
        last = node.end_mark
        # A block ends where the next token begins.
        end = last.line if last.column == 0 and last.line > node.start_mark.line else last.line + 1
        return start.start_mark.line + 1, max(start.start_mark.line + 1, min(end, self._lines))

    def _walk(self, keys: Iterable[str]) -> tuple[yaml.Node | None, yaml.Node | None, bool]:
        """Return where the last node begins (at its key, if it has one), the node, and whether all keys were there."""
        start = node = self._root
        for key in keys:
            pair = self._under(node).get(key) if node is not None else None
            if pair is None:
                return start, node, False
            start, node = pair
        return start, node, True

    def _under(self, node: yaml.Node) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        found = self._children.get(id(node))
        if found is None:
            found = {}
            if isinstance(node, yaml.MappingNode):
                found = {str(key.value): (key, value) for key, value in node.value}
            elif isinstance(node, yaml.SequenceNode):
                found = {str(index): (item, item) for index, item in enumerate(node.value)}
            self._children[id(node)] = found
        return found


def pointer_text(parts: Iterable[str | int]) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def pointer_keys(pointer: str) -> list[str]:
    """Return the keys of a JSON pointer."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def look_up(root: object, pointer: str) -> object:
    """Return the node at a JSON pointer, None where there is none."""
    node = root
    for key in pointer_keys(pointer):
        if isinstance(node, Mapping):
            node = node.get(key)
        elif isinstance(node, list) and key.isdigit() and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
    return node
