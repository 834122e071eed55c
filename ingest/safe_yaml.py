"""YAML and JSON from strangers: plain values only, bounded in depth and in size after aliases are followed.

Two passes over YAML. The first reads parser events, which costs a quarter of a load, and refuses what would grow:
nested aliases ("billion laughs") are counted as if expanded, because every later walk would expand them. The second
loads with YAML 1.2's core types, so that `on`, `no`, dates and zero-padded numbers stay the text their authors wrote,
and keys are always text (`200:` under `responses`).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, ClassVar, Final, NoReturn

import yaml

from shirabe.errors import InvalidInput

MAX_NODES: Final = 2_000_000
MAX_DEPTH: Final = 100

_NULL: Final = re.compile(r"^(?:~|null|Null|NULL|)$")
_BOOL: Final = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INT: Final = re.compile(r"^[-+]?(?:0|[1-9][0-9]{0,300})$")
_FLOAT: Final = re.compile(
    r"^(?:[-+]?(?:\.[0-9]{1,300}|[0-9]{1,300}\.[0-9]{0,300})(?:[eE][-+]?[0-9]{1,3})?|[-+]?[0-9]{1,300}[eE][-+]?[0-9]{1,3})$"
)
_TAG: Final = "tag:yaml.org,2002:"


class _PlainLoader(yaml.CSafeLoader):
    """Builds dict (keys as text), list, str, int, float, bool and None; any other tag is an error."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's declaration)
    yaml_constructors: ClassVar[dict[str | None, Any]] = {}

    def mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        self.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", key.start_mark)
            result[key.value] = self.construct_object(value, deep=True)
        return result

    def sequence(self, node: yaml.SequenceNode) -> list[Any]:
        return [self.construct_object(item, deep=True) for item in node.value]

    def number(self, node: yaml.ScalarNode) -> int | float:
        try:
            number: int | float = int(node.value) if node.tag == f"{_TAG}int" else float(node.value)
        except ValueError:
            number = math.nan
        if isinstance(number, float) and not math.isfinite(number):
            raise yaml.constructor.ConstructorError(None, None, "not a number", node.start_mark)
        return number

    def undefined(self, node: yaml.Node) -> NoReturn:
        raise yaml.constructor.ConstructorError(None, None, f"tag {node.tag} is not allowed", node.start_mark)


_PlainLoader.add_constructor(f"{_TAG}map", _PlainLoader.mapping)
_PlainLoader.add_constructor(f"{_TAG}seq", _PlainLoader.sequence)
_PlainLoader.add_constructor(f"{_TAG}str", lambda _, node: node.value)
_PlainLoader.add_constructor(f"{_TAG}merge", lambda _, node: node.value)  # `<<` as a value is only text
_PlainLoader.add_constructor(f"{_TAG}null", lambda _, __: None)
_PlainLoader.add_constructor(f"{_TAG}bool", lambda _, node: node.value.lower() == "true")
_PlainLoader.add_constructor(f"{_TAG}int", _PlainLoader.number)
_PlainLoader.add_constructor(f"{_TAG}float", _PlainLoader.number)
_PlainLoader.add_constructor(None, _PlainLoader.undefined)
for _name, _pattern, _first in (
    ("null", _NULL, ["~", "n", "N", ""]),
    ("bool", _BOOL, list("tTfF")),
    ("int", _INT, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
    ("merge", re.compile(r"^<<$"), ["<"]),
):
    _PlainLoader.add_implicit_resolver(f"{_TAG}{_name}", _pattern, _first)


def load_yaml(text: str, place: str, max_nodes: int = MAX_NODES, max_depth: int = MAX_DEPTH) -> object:
    """Return the one document in `text`, YAML or JSON, as plain values; an empty text is None.

    Raises: InvalidInput with `place:line:column`.
    """
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        try:
            return _load_json(text, place, max_depth)
        except json.JSONDecodeError as error:
            json_error = error
    else:
        json_error = None
    try:
        _check_size(text, place, max_nodes, max_depth)
        return yaml.load(text, _PlainLoader)  # noqa: S506 (a subclass of CSafeLoader that builds less)
    except yaml.YAMLError as error:
        if json_error is not None:
            raise InvalidInput(json_error.msg, f"{place}:{json_error.lineno}:{json_error.colno}") from None
        raise _invalid(error, place) from None


def _load_json(text: str, place: str, max_depth: int) -> object:
    try:
        value = json.loads(text.lstrip("\ufeff"), parse_constant=_refuse_constant)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise InvalidInput(reason, place) from None
    level, depth = [value], 0
    while level:
        if depth > max_depth:
            raise InvalidInput(f"nested deeper than {max_depth} levels", place)
        children = [list(node.values()) if isinstance(node, dict) else node for node in level]
        level = [child for group in children for child in group if isinstance(child, dict | list)]
        depth += 1
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_size(text: str, place: str, max_nodes: int, max_depth: int) -> None:
    """Count nodes with every alias expanded.

    Raises: InvalidInput, yaml.YAMLError.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[str | None] = []
    starts: list[int] = []
    total = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, start = open_nodes.pop(), starts.pop()
            if anchor is not None:
                sizes[anchor] = total - start
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        at = _at(place, event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise InvalidInput(f"alias *{event.anchor} is inside its own anchor or unknown", at)
            total += sizes[event.anchor]
        else:
            total += 1
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append(event.anchor)
                starts.append(total - 1)
                # An anchor may be defined again; while it is open its old value must not answer for it.
                sizes.pop(event.anchor or "", None)
            elif event.anchor is not None:
                sizes[event.anchor] = 1
        if total > max_nodes:
            raise InvalidInput(f"more than {max_nodes} values, aliases expanded", at)
        if len(open_nodes) > max_depth:
            raise InvalidInput(f"nested deeper than {max_depth} levels", at)


def _invalid(error: yaml.YAMLError, place: str) -> InvalidInput:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        reason = " ".join(part for part in (error.context, error.problem) if part)
        return InvalidInput(reason, _at(place, error.problem_mark))
    return InvalidInput(str(error).splitlines()[0], place)


def _at(place: str, mark: Any) -> str:
    return f"{place}:{mark.line + 1}:{mark.column + 1}"
