"""YAML into units: one per Kubernetes object, named kind/namespace/name; other files by their keys.

A key is a unit where its value takes some lines, and what it holds is cut out only where that is a collection of
things with names (`services:`, `jobs:`): the fields of one thing stay together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ingest.chunkers.code_units import Reading, Unit
from ingest.chunkers.draft import Drafts
from ingest.chunkers.source import SourceText
from ingest.chunkers.split import Splitter
from ingest.chunkers.text import chunk_text
from ingest.chunkers.unit_lines import Manner, cut_units
from ingest.media_types import YAML
from ingest.yaml_outline import Outline, read_outlines

_MAX_NESTING: Final = 4
_LEAST_LINES: Final = 4
_MOSTLY: Final = 0.8
_INDENTATION: Final = re.compile(r" *")
_MANNER: Final = Manner(
    "config",
    "yaml",
    None,
    re.compile(r"^\.\.\.\s*$"),
    re.compile(r"^\s*(?:#.*|---.*|\{\{.*\}\}|name:.*|[^\s:#][^:#]*:(?:\s+#.*)?)\s*$"),
)


def chunk_yaml(path: str, text: str, splitter: Splitter) -> Drafts:
    """Return the objects or keys of a YAML file, windows of lines where it cannot be read; its title is its path."""
    source = splitter.read(text)
    documents = read_outlines(source.text)
    if documents is None:
        return chunk_text(path, path, text, YAML, splitter)
    return Drafts(path, tuple(cut_units(path, source, Reading(tuple(_units(source, documents))), splitter, _MANNER)))


def _units(source: SourceText, documents: Sequence[Outline]) -> Iterator[Unit]:
    before = 0
    places = _places(source, [document.start for document in documents], source.line_count)
    for document, (first, last) in zip(documents, places, strict=True):
        for unit in _document(source, document, first, last):
            if unit.first > before:
                yield unit
                before = unit.last


def _document(source: SourceText, document: Outline, first: int, last: int) -> Iterator[Unit]:
    items = document.get("items")
    objects = items.items if items is not None and (_scalar(document, "kind") or "").endswith("List") else []
    if not _object_name(document):
        yield Unit("config", (), first, last, None, _lines(source, document), tuple(_keys(source, document, last, ())))
    elif not any(map(_object_name, objects)):
        yield Unit("manifest", (_object_name(document),), first, last, None, _lines(source, document))
    else:
        places = _places(source, [one.start for one in objects], last)
        for one, (start, end) in zip(objects, places, strict=True):
            yield Unit("manifest", (_object_name(one) or "?",), start, end, None, _lines(source, one))


def _object_name(outline: Outline) -> str:
    """Return `Deployment/shop/orders`, without the namespace where none is given; empty for what is no object."""
    kind = _scalar(outline, "kind")
    if not kind or not _scalar(outline, "apiVersion"):
        return ""
    metadata = outline.get("metadata") or Outline(0, 0)
    name = _scalar(metadata, "name") or _scalar(metadata, "generateName")
    return "/".join(part for part in (kind, _scalar(metadata, "namespace"), name) if part)


def _scalar(outline: Outline, name: str) -> str:
    value = outline.get(name)
    return " ".join(value.text.split()) if value is not None else ""


def _keys(source: SourceText, outline: Outline, last: int, scope: tuple[str, ...]) -> Iterator[Unit]:
    """Yield the keys of a mapping whose values take some lines; `last` is the line that the mapping ends on."""
    for key, (first, end) in zip(outline.keys, _places(source, [key.start for key in outline.keys], last), strict=True):
        if end > first if scope else end - first + 1 >= _LEAST_LINES:
            name = (*scope, key.name)
            members = tuple(_keys(source, key.value, end, name)) if _is_collection(key.value, name) else ()
            yield Unit("config", name, first, end, None, _lines(source, key.value), members)


def _is_collection(value: Outline, scope: tuple[str, ...]) -> bool:
    named = [key for key in value.keys if key.value.keys]
    return len(scope) < _MAX_NESTING and len(named) > 1 and len(named) >= _MOSTLY * len(value.keys)


def _places(source: SourceText, starts: Sequence[int], last: int) -> list[tuple[int, int]]:
    """Return the lines of what starts at ascending offsets, each up to the next one, the last up to line `last`."""
    firsts = [_first_line(source, start) for start in starts]
    return list(zip(firsts, [*(first - 1 for first in firsts[1:]), last], strict=False))


def _lines(source: SourceText, outline: Outline) -> tuple[int, ...]:
    """Return the lines that the keys or items of a value begin on."""
    starts = [key.start for key in outline.keys] or [item.start for item in outline.items]
    return tuple(_first_line(source, start) for start in starts)


def _first_line(source: SourceText, start: int) -> int:
    """Return the line at an offset, or that of the first comment right above it, indented as far."""
    line = source.line_of(start)
    indentation = _INDENTATION.match(source.text, source.line_start(line))
    while line > 1 and indentation is not None:
        above = source.line_start(line - 1)
        if not source.text.startswith(f"{indentation[0]}#", above):
            break
        line -= 1
    return line
