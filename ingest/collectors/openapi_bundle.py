"""Joins an OpenAPI document that is spread over files into one, without leaving its folder or the machine."""

from __future__ import annotations

import json
import posixpath
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from ingest.collectors.openapi_positions import LITERAL, ROOT, SHARED_KINDS, child_kind, shared_under
from ingest.decoding import decode_text
from ingest.safe_yaml import load_yaml
from shirabe.errors import InvalidInput

MAX_FILES: Final = 20_000
MAX_NODES: Final = 2_000_000
MAX_DEPTH: Final = 200

_FILE_REF = re.compile(rb"""["']?\$ref["']?\s*:\s*["']?(?!["'#\s])""")
_NAMED_FILE = re.compile(r"\.(?:ya?ml|json)(?:#|$)")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")

Read = Callable[[str], bytes]
"""Returns a file's bytes by its path relative to the folder. Raises: InvalidInput."""


@dataclass(frozen=True, slots=True)
class Bundled:
    """One OpenAPI document as JSON, and the file that each joined part came from, by JSON pointer."""

    content: bytes
    places: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Target:
    """A place in a file: `pointer` starts with `/` or is empty."""

    file: str
    pointer: str


@dataclass(frozen=True, slots=True)
class _Position:
    """Where the walk stands: the kind, the file that relative `$ref`s start from, the pointer in the result."""

    kind: str
    file: str
    pointer: str
    depth: int = 0
    inlined: tuple[_Target, ...] = ()

    def under(self, key: str) -> _Position:
        escaped = key.replace("~", "~0").replace("/", "~1")
        kind = child_kind(self.kind, key)
        return _Position(kind, self.file, f"{self.pointer}/{escaped}", self.depth + 1, self.inlined)


def has_file_refs(content: bytes) -> bool:
    """Tell whether a document may refer to other files."""
    return _FILE_REF.search(content) is not None


def bundle(file: str, read: Read) -> Bundled:
    """Join `file` with everything it refers to.

    Raises: InvalidInput naming the file for remote references, ones that leave the folder, are missing, or run in
    circles where nothing can be shared, and for documents beyond the caps.
    """
    return _Bundler(file, read).run()


@dataclass(slots=True)
class _Bundler:
    root: str
    read: Read
    loaded: dict[str, object] = field(default_factory=dict)
    names: dict[tuple[_Target, str], str] = field(default_factory=dict)
    taken: dict[str, set[str]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    waiting: deque[tuple[_Target, str, str]] = field(default_factory=deque)
    nodes: int = 0
    swagger_2: bool = False

    def run(self) -> Bundled:
        document = self.load(self.root)
        if not isinstance(document, dict):
            raise InvalidInput("an OpenAPI document is a mapping", self.root)
        self.swagger_2 = "swagger" in document
        self.keep_names(document)
        result = self.walk(document, _Position(ROOT, self.root, ""))
        while self.waiting:
            target, kind, name = self.waiting.popleft()
            section = shared_under(kind, self.swagger_2)
            shared = result
            for key in section:
                shared = shared.setdefault(key, {})
            at = _Position(kind, target.file, "/" + "/".join((*section, name)))
            self.places[at.pointer] = _shown(target)
            shared[name] = self.walk(self.lookup(target), at)
        return Bundled(json.dumps(result, ensure_ascii=False, allow_nan=False).encode(), self.places)

    def keep_names(self, document: dict[str, Any]) -> None:
        """Let the root's own components keep their names, also those that are only references to files."""
        for kind in SHARED_KINDS:
            section: Any = document if shared_under(kind, self.swagger_2) else {}
            for key in shared_under(kind, self.swagger_2):
                section = section.get(key) if isinstance(section, dict) else None
            section = section if isinstance(section, dict) else {}
            self.taken[kind] = set(section)
            for name, value in section.items():
                if isinstance(value, dict) and isinstance(value.get("$ref"), str):
                    target = self.resolve(value["$ref"], self.root)
                    if target.file != self.root:
                        self.names.setdefault((target, kind), name)

    def walk(self, node: object, at: _Position) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or at.depth > MAX_DEPTH:
            raise InvalidInput("the joined document is too large or nested too deep", at.file)
        if isinstance(node, list):
            return [self.walk(item, at.under(str(index))) for index, item in enumerate(node)]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if isinstance(reference, str) and (at.kind != LITERAL or (len(node) == 1 and _NAMED_FILE.search(reference))):
            return self.follow(reference, node, at)
        result = {key: self.walk(value, at.under(key)) for key, value in node.items()}
        mapping = result.get("mapping") if at.pointer.endswith("/discriminator") else None
        if isinstance(mapping, dict):
            result["mapping"] = {key: self.mapped(value, at) for key, value in mapping.items()}
        return result

    def follow(self, reference: str, node: dict[str, Any], at: _Position) -> Any:
        target = self.resolve(reference, at.file)
        if target.file == self.root:
            return {**node, "$ref": f"#{target.pointer}"}
        if shared_under(at.kind, self.swagger_2):
            name = self.share(target, at.kind)
            here = "/" + "/".join((*shared_under(at.kind, self.swagger_2), name))
            if here != at.pointer:
                return {**node, "$ref": f"#{here}"}
        if target in at.inlined:
            raise InvalidInput(f"$ref {reference} runs in a circle", at.file)
        self.places[at.pointer] = _shown(target)
        inside = _Position(at.kind, target.file, at.pointer, at.depth + 1, (*at.inlined, target))
        return self.walk(self.lookup(target), inside)

    def mapped(self, value: object, at: _Position) -> object:
        """Return a discriminator's mapping value with a file reference made a shared schema."""
        if not isinstance(value, str) or value.startswith("#") or not _NAMED_FILE.search(value):
            return value
        name = self.share(self.resolve(value, at.file), "schema")
        return "#/" + "/".join((*shared_under("schema", self.swagger_2), name))

    def share(self, target: _Target, kind: str) -> str:
        if (target, kind) not in self.names:
            last = target.pointer.rpartition("/")[2] or posixpath.basename(target.file).rpartition(".")[0]
            base = _NOT_IN_NAMES.sub("_", last.replace("~1", "_").replace("~0", "_")) or kind
            name, number = base, 2
            while name in self.taken[kind]:
                name, number = f"{base}_{number}", number + 1
            self.taken[kind].add(name)
            self.names[(target, kind)] = name
            self.waiting.append((target, kind, name))
        return self.names[(target, kind)]

    def resolve(self, reference: str, file: str) -> _Target:
        path, _, fragment = reference.partition("#")
        pointer = unquote(fragment)
        if pointer and not pointer.startswith("/"):
            raise InvalidInput(f"$ref {reference} is not a JSON pointer", file)
        if not path:
            return _Target(file, pointer)
        if "://" in path or path.startswith("//"):
            raise InvalidInput(f"remote $ref {reference} is not followed", file)
        joined = posixpath.normpath(posixpath.join(posixpath.dirname(file), unquote(path)))
        if joined.startswith(("../", "/")) or joined == "..":
            raise InvalidInput(f"$ref {reference} leaves the folder", file)
        return _Target(joined, pointer)

    def load(self, file: str) -> object:
        if file not in self.loaded:
            if len(self.loaded) >= MAX_FILES:
                raise InvalidInput(f"more than {MAX_FILES} files", self.root)
            text = decode_text(self.read(file)).text
            self.loaded[file] = text if file.endswith((".md", ".txt")) else load_yaml(text, file)
        return self.loaded[file]

    def lookup(self, target: _Target) -> object:
        node = self.load(target.file)
        for part in target.pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isdigit() and int(key) < len(node):
                node = node[int(key)]
            else:
                raise InvalidInput(f"there is nothing at #{target.pointer}", target.file)
        return node


def _shown(target: _Target) -> str:
    return f"{target.file}#{target.pointer}" if target.pointer else target.file
