"""OpenAPI documents into one chunk per operation and per component schema, rendered as readable text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from ingest.chunkers.draft import Draft, Drafts, trail
from ingest.chunkers.language import language_of
from ingest.chunkers.openapi_document import OpenApiDocument, pointer_text, read_openapi
from ingest.chunkers.openapi_render import METHODS, Part, operation, operation_name, overview, schema
from ingest.chunkers.openapi_schema import one_line
from ingest.chunkers.split import Boundaries, Splitter


@dataclass(frozen=True, slots=True)
class _Unit:
    """What becomes a chunk, or several: its JSON pointer, the names it stands under, its parts."""

    kind: str
    pointer: str
    headings: tuple[str, ...]
    parts: list[Part]


def chunk_openapi(path: str, text: str, splitter: Splitter) -> Drafts:
    """Return the API's description of itself, its operations and its schemas; the title is `info.title`.

    The locator is the path and a JSON pointer; a unit too large for one chunk is cut between its parts, and the
    later chunks point at their own part.

    Raises: InvalidInput with the place in the file.
    """
    document = read_openapi(path, text)
    info = document.root.get("info")
    title = one_line(info.get("title")) if isinstance(info, Mapping) else ""
    title = title or PurePosixPath(path).name
    drafts: list[Draft] = []
    for unit in _units(document):
        drafts.extend(_drafts(path, title, unit, splitter))
    return Drafts(title, tuple(drafts))


def _units(document: OpenApiDocument) -> Iterator[_Unit]:
    about = overview(document)
    if about:
        yield _Unit("overview", "", (), about)
    for group in ("paths", "webhooks"):
        items = document.root.get(group)
        for route, item in items.items() if isinstance(items, Mapping) else ():
            node, _ = document.resolve(item)
            for method in METHODS:
                if isinstance(node.get(method), Mapping):
                    summary = one_line(document.resolve(node[method])[0].get("summary"))
                    headings = tuple(name for name in (operation_name(route, method), summary) if name)
                    pointer = pointer_text((group, route, method))
                    yield _Unit("operation", pointer, headings, operation(document, route, method, node))
    components = document.root.get("components")
    key: tuple[str, ...] = ("definitions",)
    schemas = document.root.get("definitions")
    if isinstance(components, Mapping):
        key, schemas = ("components", "schemas"), components.get("schemas")
    for name, node in schemas.items() if isinstance(schemas, Mapping) else ():
        yield _Unit("schema", pointer_text((*key, name)), (name,), schema(document, name, node))


def _drafts(path: str, title: str, unit: _Unit, splitter: Splitter) -> Iterator[Draft]:
    context = splitter.shorten(trail(title, *unit.headings))
    contexts = [splitter.shorten(trail(title, *unit.headings, part.label)) for part in unit.parts]
    lines = [line for part in unit.parts for line in part.lines]
    source = splitter.read("\n".join(lines))
    first_lines = _first_lines(unit.parts)
    boundaries = Boundaries([source.line_start(line) for line in first_lines[1:]])
    whole = source.lines_span(1, source.line_count)
    widest = context if splitter.fits(context, source.text) else max(contexts, key=splitter.tokens.count)
    language = language_of(source.text)
    for index, piece in enumerate(splitter.pieces(source, whole, widest, boundaries)):
        number = bisect_right(first_lines, source.line_of(piece.start)) - 1
        text = source.slice(piece)
        shown = contexts[number] if index else context
        yield Draft(
            kind=unit.kind,
            text=text,
            context=shown,
            locator=f"{path}#{unit.pointer}{unit.parts[number].key if index or not unit.pointer else ''}",
            headings=unit.headings,
            lang=language_of(f"{shown}\n{text}", language),
        )


def _first_lines(parts: list[Part]) -> list[int]:
    firsts, line = [], 1
    for part in parts:
        firsts.append(line)
        line += len(part.lines)
    return firsts
