"""Joins an API description that is spread over files into one document.

What cannot be joined (a file that is not there or cannot be parsed, a reference that leaves the folder) stays the
reference it was and is told as a problem: one bad file of a thousand does not hide the others.
"""

from __future__ import annotations

import posixpath
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ingest.chunkers.openapi_origins import Problem, look_up
from ingest.chunkers.openapi_positions import LITERAL, ROOT, Family, child_kind, shared_kinds
from ingest.openapi_files import TEXT_SUFFIXES, ApiFiles, Target, is_remote, names_file, target_of
from ingest.safe_yaml import load_yaml
from shirabe.errors import InvalidInput

MAX_NODES: Final = 2_000_000
MAX_DEPTH: Final = 200

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Bundle:
    """One document out of many files.

    `origins` maps the pointer of each joined part to where it was written, `names` the pointers of shared parts to what
    they are called there (two files may call theirs the same).
    """

    root: Mapping[str, Any]
    origins: Mapping[str, Target]
    names: Mapping[str, str]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Position:
    """Where the walk stands: the kind, the file that relative `$ref`s start from, the pointer in the result."""

    kind: str
    file: str
    pointer: str
    depth: int = 0
    inlined: tuple[Target, ...] = ()

    def under(self, key: str) -> _Position:
        escaped = key.replace("~", "~0").replace("/", "~1")
        kind = child_kind(self.kind, key)
        return _Position(kind, self.file, f"{self.pointer}/{escaped}", self.depth + 1, self.inlined)


def bundle(files: ApiFiles, root: Mapping[str, Any], family: Family) -> Bundle:
    """Join the root document with everything it refers to. Raises: InvalidInput for documents beyond the caps."""
    return _Bundler(files, root, family).run()


@dataclass(slots=True)
class _Bundler:
    files: ApiFiles
    root: Mapping[str, Any]
    family: Family
    loaded: dict[str, object] = field(default_factory=dict)
    broken: dict[str, InvalidInput] = field(default_factory=dict)
    component: dict[tuple[Target, str], str] = field(default_factory=dict)
    taken: dict[str, set[str]] = field(default_factory=dict)
    origins: dict[str, Target] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    waiting: deque[tuple[Target, str, str]] = field(default_factory=deque)
    held: int = 0
    nodes: int = 0

    def run(self) -> Bundle:
        self.loaded[self.files.root] = self.root
        self.keep_names()
        result = self.walk(self.root, _Position(ROOT, self.files.root, ""))
        while self.waiting:
            target, kind, name = self.waiting.popleft()
            section = shared_kinds(self.family)[kind]
            shared = result
            for key in section:
                shared = shared.setdefault(key, {})
            at = _Position(kind, target.file, "/" + "/".join((*section, name)))
            self.origins[at.pointer] = target
            shared[name] = self.walk(self.found(target), at)
        return Bundle(result, self.origins, self.names, tuple(self.problems))

    def keep_names(self) -> None:
        """Let the root's own components keep their names, also those that are only references to files."""
        for kind, keys in shared_kinds(self.family).items():
            section: Any = self.root
            for key in keys:
                section = section.get(key) if isinstance(section, dict) else None
            section = section if isinstance(section, dict) else {}
            self.taken[kind] = set(section)
            for name, value in section.items():
                reference = value.get("$ref") if isinstance(value, dict) else None
                if isinstance(reference, str) and not is_remote(reference):
                    try:
                        target = target_of(reference, self.files.root)
                    except InvalidInput:
                        continue
                    if target.file != self.files.root:
                        self.component.setdefault((target, kind), name)

    def walk(self, node: object, at: _Position) -> Any:
        self.nodes += 1
        if max(self.nodes, self.held) > MAX_NODES or at.depth > MAX_DEPTH:
            raise InvalidInput("the joined document is too large or nested too deep", at.file)
        if isinstance(node, list):
            return [self.walk(item, at.under(str(index))) for index, item in enumerate(node)]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if isinstance(reference, str) and (at.kind != LITERAL or (len(node) == 1 and names_file(reference))):
            return self.follow(reference, node, at)
        result = {key: self.walk(value, at.under(key)) for key, value in node.items()}
        mapping = result.get("mapping") if at.pointer.endswith("/discriminator") else None
        if isinstance(mapping, dict):
            result["mapping"] = {key: self.mapped(value, at) for key, value in mapping.items()}
        return result

    def follow(self, reference: str, node: dict[str, Any], at: _Position) -> Any:
        if is_remote(reference) or (target := self.target(reference, at)) is None:
            return node
        if target.file == self.files.root:
            return {**node, "$ref": f"#{target.pointer}"}
        if (section := shared_kinds(self.family).get(at.kind)) is not None:
            here = "/" + "/".join((*section, self.share(target, at.kind)))
            if here != at.pointer:
                return {**node, "$ref": f"#{here}"}
        if target in at.inlined:
            self.problem(at, f"reference that leads back to itself: {reference}")
            return node
        self.origins[at.pointer] = target
        inside = replace(at, file=target.file, depth=at.depth + 1, inlined=(*at.inlined, target))
        return self.walk(self.found(target), inside)

    def mapped(self, value: object, at: _Position) -> object:
        """Return a discriminator's mapping value with a file reference made a shared schema."""
        if not isinstance(value, str) or value.startswith("#") or is_remote(value) or not names_file(value):
            return value
        if (target := self.target(value, at)) is None or target.file == self.files.root:
            return value
        section = shared_kinds(self.family)["schema"]
        return "#/" + "/".join((*section, self.share(target, "schema")))

    def share(self, target: Target, kind: str) -> str:
        """Return the name of the component that a target becomes."""
        if (target, kind) not in self.component:
            last = target.pointer.rpartition("/")[2] or posixpath.basename(target.file).rpartition(".")[0]
            base = _NOT_IN_NAMES.sub("_", last.replace("~1", "_").replace("~0", "_")) or kind
            name, number = base, 2
            while name in self.taken[kind]:
                name, number = f"{base}_{number}", number + 1
            self.taken[kind].add(name)
            self.component[(target, kind)] = name
            self.names["/" + "/".join((*shared_kinds(self.family)[kind], name))] = base
            self.waiting.append((target, kind, name))
        return self.component[(target, kind)]

    def target(self, reference: str, at: _Position) -> Target | None:
        """Return what a reference points at; None, and a problem, where there is nothing to point at."""
        try:
            target = target_of(reference, at.file)
            if target.file != self.files.root:
                self.found(target)
        except InvalidInput as error:
            self.problem(at, error.message)
            return None
        return target

    def found(self, target: Target) -> object:
        """Return the node at a target. Raises: InvalidInput when there is none."""
        node = look_up(self.load(target.file), target.pointer) if target.pointer else self.load(target.file)
        if node is None:
            raise InvalidInput(f"reference to nothing: {target}", target.file)
        return node

    def load(self, file: str) -> object:
        if file in self.broken:
            raise self.broken[file]
        if file not in self.loaded:
            text = self.files.texts.get(file)
            if text is None:
                raise InvalidInput(f"reference to {file}: {self.files.unread.get(file, 'there is no such file')}", file)
            self.loaded[file] = text if file.endswith(TEXT_SUFFIXES) else self.parsed(file, text)
        return self.loaded[file]

    def parsed(self, file: str, text: str) -> object:
        try:
            node = load_yaml(text, file)
        except InvalidInput as error:
            self.problems.append(Problem("", error.message, place=error.place))
            self.broken[file] = InvalidInput(f"reference to {file}, which cannot be read: {error.message}", file)
            raise self.broken[file] from None
        self.held += _size(node)
        return node

    def problem(self, at: _Position, message: str) -> None:
        self.problems.append(Problem(f"{at.pointer}/$ref", message))


def _size(node: object) -> int:
    """Return how many values a node holds, what aliases repeat counted once."""
    waiting, seen, size = [node], set[int](), 0
    while waiting:
        item = waiting.pop()
        size += 1
        if isinstance(item, dict | list) and id(item) not in seen:
            seen.add(id(item))
            waiting += item.values() if isinstance(item, dict) else item
    return size
