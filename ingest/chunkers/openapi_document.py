"""An OpenAPI document: read, checked and its references followed, without network or files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from ingest.chunkers.openapi_validation import FAMILIES, first_error
from ingest.safe_yaml import load_yaml
from shirabe.errors import InvalidInput

Node = Mapping[str, Any]

_REMOTE: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:|//)")
_MAX_REFERENCE_STEPS: Final = 10
_CONTENT_KEYS: Final = ("paths", "webhooks", "components", "definitions")
_MAX_MESSAGE_CHARS: Final = 300


class OpenApiDocument:
    """A valid OpenAPI document of version 2.0, 3.0 or 3.1."""

    def __init__(self, root: Node, version: str) -> None:
        self.root = root
        self.version = version

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
            name = name or reference_name(target)
            node = look_up(self.root, target[1:]) if target.startswith("#") else None
        return {}, name


def read_openapi(path: str, text: str) -> OpenApiDocument:
    """Return the document in `text`.

    References to other files are not followed and what they stand for is not checked.

    Raises: InvalidInput with the place: `path:line:column#/json/pointer`.
    """
    root = load_yaml(text, path)
    if not isinstance(root, dict):
        raise InvalidInput("an OpenAPI document is a mapping", f"{path}:1:1")
    version = str(root.get("openapi") or root.get("swagger") or "")
    family = ".".join(version.split(".")[:2])
    if family not in FAMILIES:
        raise InvalidInput(f"OpenAPI version {version or 'missing'}: 2.0, 3.0 and 3.1 are read", f"{path}#/openapi")
    if not any(key in root for key in _CONTENT_KEYS):
        raise InvalidInput("neither paths nor components", f"{path}:1:1")
    opaque = False
    for pointer, target in _references(root):
        if _REMOTE.match(target):
            raise _at(path, text, pointer, f"reference to another host is not followed: {target[:200]}")
        if target.startswith("#"):
            _check_reference(root, path, text, pointer, target)
        else:
            opaque = True
    error = first_error(root, family, whole=not opaque)
    if error is not None:
        raise _at(path, text, error.pointer, error.message)
    return OpenApiDocument(root, version)


def pointer_text(parts: tuple[str | int, ...]) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def reference_name(target: str) -> str:
    """Return the last part of a reference: `#/components/schemas/Order` is `Order`, `models/order.yml` is `order`."""
    last = target.rstrip("/#").rsplit("/", 1)[-1]
    return re.sub(r"\.(?:ya?ml|json)$", "", last).replace("~1", "/").replace("~0", "~")


def look_up(root: object, pointer: str) -> object:
    """Return the node at a JSON pointer, None where there is none."""
    node = root
    for part in pointer.split("/")[1:]:
        key = _percent_decoded(part).replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping):
            node = node.get(key)
        elif isinstance(node, list) and key.isdigit() and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
    return node


def _percent_decoded(part: str) -> str:
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda code: chr(int(code[1], 16)), part)


def _references(root: object) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the pointer and the target of every reference; what stands in examples and enums is data."""
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), root)]
    while waiting:
        pointer, node = waiting.pop()
        if isinstance(node, Mapping):
            target = node.get("$ref")
            if isinstance(target, str):
                yield (*pointer, "$ref"), target
            named = bool(pointer) and pointer[-1] in ("properties", "schemas", "definitions", "patternProperties")
            for key, value in node.items():
                if named or (key not in ("example", "examples", "enum", "default", "const") and key[:2] != "x-"):
                    waiting.append(((*pointer, key), value))
        elif isinstance(node, list):
            waiting.extend(((*pointer, index), value) for index, value in enumerate(node))


def _check_reference(root: Node, path: str, text: str, pointer: tuple[str | int, ...], target: str) -> None:
    seen = {target}
    node = look_up(root, target[1:])
    while isinstance(node, Mapping) and isinstance(following := node.get("$ref"), str) and following.startswith("#"):
        if following in seen:
            raise _at(path, text, pointer, f"reference that leads back to itself: {target[:200]}")
        seen.add(following)
        node = look_up(root, following[1:])
    if node is None:
        raise _at(path, text, pointer, f"reference to nothing: {target[:200]}")


def _at(path: str, text: str, pointer: tuple[str | int, ...], message: str) -> InvalidInput:
    line, column = _mark(text, pointer)
    short = " ".join(message.split())
    if len(short) > _MAX_MESSAGE_CHARS:
        short = f"{short[: _MAX_MESSAGE_CHARS // 2]} … {short[-_MAX_MESSAGE_CHARS // 2 :]}"
    return InvalidInput(short, f"{path}:{line}:{column}#{pointer_text(pointer)}")


def _mark(text: str, pointer: tuple[str | int, ...]) -> tuple[int, int]:
    """Return the line and column (1-based) of the deepest node on the way to a pointer that there is."""
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return 1, 1
    if node is None:
        return 1, 1
    mark = node.start_mark
    for part in pointer:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if str(k.value) == str(part)), None)
            if pair is None:
                break
            mark, node = pair[0].start_mark, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            mark = node.start_mark
        else:
            break
    return mark.line + 1, mark.column + 1
