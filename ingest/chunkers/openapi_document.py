"""An API description: read, joined, and its references followed, without network or files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from ingest.chunkers.openapi_bundle import bundle
from ingest.chunkers.openapi_origins import Origins, Problem, look_up, pointer_keys, pointer_text
from ingest.chunkers.openapi_positions import Family
from ingest.openapi_files import ApiFiles
from ingest.safe_yaml import load_yaml
from shirabe.errors import InvalidInput

Node = Mapping[str, Any]

MAX_FIELDS: Final = 500_000
"""Lines that fields may take in all units of a description together."""

_FAMILIES: Final[Mapping[str, Family]] = {
    "swagger 2.0": "2.0",
    "openapi 3.0": "3.0",
    "openapi 3.1": "3.1",
    "openapi 3.2": "3.2",
    "asyncapi 2": "asyncapi-2",
    "asyncapi 3": "asyncapi-3",
}
_READ: Final = "OpenAPI 2.0 and 3.0 to 3.2 and AsyncAPI 2 and 3 are read"
_CONTENT_KEYS: Final = ("paths", "webhooks", "components", "definitions", "channels", "operations")
_MAX_REFERENCE_STEPS: Final = 10
_NAMED: Final = frozenset(
    ("properties", "schemas", "definitions", "patternProperties", "$defs", "messages", "channels")
)
_DATA: Final = frozenset(("example", "examples", "enum", "default", "const"))


class ApiDocument:
    """A description of a version that is read, as one document."""

    def __init__(self, root: Node, family: Family, files: ApiFiles, *, joined: bool) -> None:
        joint = bundle(files, root, family) if joined else None
        self.root: Node = joint.root if joint else root
        self.family = family
        self.joined = joined
        self.problems: list[Problem] = list(joint.problems) if joint else []
        self.origins = Origins(files.root, files.texts, joint.origins if joint else {})
        self.fields_left = MAX_FIELDS
        self._names = joint.names if joint else {}
        self._found: dict[str, object] = {}
        self._anchors: dict[str, object] | None = None

    def resolve(self, node: object) -> tuple[Node, str]:
        """Return what a node stands for and the name it is referred to by (empty: it is no reference).

        A reference to another file, or to nothing, gives an empty node and its name.
        """
        name = ""
        for _ in range(_MAX_REFERENCE_STEPS):
            if not isinstance(node, Mapping):
                return {}, name
            target = node.get("$ref")
            if not isinstance(target, str):
                return node, name
            name = name or self.name_of(target)
            node = self.at(target)
        return {}, name

    def at(self, reference: str) -> object:
        """Return the node that a reference in this document points at, None for what is elsewhere or nowhere."""
        if reference not in self._found:
            self._found[reference] = self._look_up(reference)
        return self._found[reference]

    def name_of(self, reference: str) -> str:
        """Return what a reference is called: `#/components/schemas/Order` is `Order`, `models/order.yml` is `order`."""
        return self._names.get(reference[1:]) or reference_name(reference)

    def called(self, pointer: str) -> str:
        """Return the name under which the author knows the component at a pointer."""
        return self._names.get(pointer) or reference_name(pointer)

    def settled(self, pointer: str) -> str:
        """Return the pointer of the same node with the references on the way followed."""
        node: object = self.root
        settled = ""
        for key in pointer_keys(pointer):
            for _ in range(_MAX_REFERENCE_STEPS):
                target = node.get("$ref") if isinstance(node, Mapping) and key not in node else None
                if not isinstance(target, str) or not target.startswith("#/"):
                    break
                node, settled = self.at(target), unquote(target[1:])
            node = look_up(node, pointer_text((key,)))
            settled += pointer_text((key,))
        return settled

    def locator(self, pointer: str) -> str:
        """Return what opens a pointer: the document itself, or the file of a part that only that file has."""
        keys = pointer.split("/")
        if any("/".join(keys[:count]) in self._names for count in (3, 4)):
            return str(self.origins.target(pointer))
        return f"{self.origins.root}#{pointer}"

    def _look_up(self, reference: str) -> object:
        if reference == "#":
            return self.root
        if reference.startswith("#/"):
            node = look_up(self.root, reference[1:])
            return look_up(self.root, unquote(reference[1:])) if node is None else node
        if self._anchors is None:
            self._anchors = dict(_anchored(self.root))
        return self._anchors.get(reference)


def read_api(files: ApiFiles, *, joined: bool) -> ApiDocument:
    """Return the description whose text `files` has; without `joined`, references to other files stay names.

    Raises: InvalidInput with the place, `path:line:column#/json/pointer`, for what is no description that is read.
    """
    path = files.root
    root = load_yaml(files.texts[path], path)
    if not isinstance(root, dict):
        raise InvalidInput("an API description is a mapping", f"{path}:1:1")
    origins = Origins(path, files.texts, {})
    key = next((name for name in ("openapi", "swagger", "asyncapi") if name in root), "openapi")
    version = str(root.get(key) or "")
    family = _family(key, version)
    if family is None:
        raise InvalidInput(f"{key} version {version or 'missing'}: {_READ}", origins.place(pointer_text((key,))))
    content = [name for name in _CONTENT_KEYS if name in root]
    if not content:
        raise InvalidInput("neither paths nor components nor channels", f"{path}:1:1")
    for name in (*content, "info"):
        if not isinstance(root.get(name), dict | None):
            raise InvalidInput(f"{name} must be a mapping", origins.place(pointer_text((name,))))
    return ApiDocument(root, family, files, joined=joined)


def reference_name(target: str) -> str:
    """Return the last part of a reference."""
    last = target.rstrip("/#").rsplit("/", 1)[-1]
    return unquote(re.sub(r"\.(?:ya?ml|json)$", "", last)).replace("~1", "/").replace("~0", "~")


def references(root: object) -> Iterator[tuple[str, str]]:
    """Yield the pointer and the target of every reference; what stands in examples and enums is data."""
    waiting: list[tuple[str, str, object]] = [("", "", root)]
    while waiting:
        pointer, last, node = waiting.pop()
        if isinstance(node, Mapping):
            target = node.get("$ref")
            if isinstance(target, str):
                yield f"{pointer}/$ref", target
            for key, value in node.items():
                if isinstance(value, Mapping | list) and (last in _NAMED or (key not in _DATA and key[:2] != "x-")):
                    waiting.append((pointer + pointer_text((key,)), key, value))
        elif isinstance(node, list):
            waiting.extend((f"{pointer}/{index}", "", value) for index, value in enumerate(node))


def _family(key: str, version: str) -> Family | None:
    parts = version.split(".")
    return _FAMILIES.get(f"{key} {parts[0]}" if key == "asyncapi" else f"{key} {'.'.join(parts[:2])}")


def _anchored(root: Node) -> Iterator[tuple[str, object]]:
    """Yield what schemas of JSON Schema 2020-12 can be referred to by beside pointers: `#anchor` and `$id`."""
    waiting: list[object] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            for key, prefix in (("$anchor", "#"), ("$dynamicAnchor", "#"), ("$id", "")):
                if isinstance(node.get(key), str):
                    yield f"{prefix}{node[key]}", node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
