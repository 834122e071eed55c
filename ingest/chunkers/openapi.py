"""API descriptions into one unit per operation and per named schema, rendered as readable text.

What is no API description is refused. A description that breaks its standard here or there is not: what can be read of
it is, and what is wrong with it is told beside the chunks, in `meta["errors"]` and `meta["warnings"]` of the first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import PurePosixPath
from typing import Any, Final

from ingest.chunkers.asyncapi import asyncapi_units
from ingest.chunkers.draft import Draft, Drafts, trail
from ingest.chunkers.language import language_of
from ingest.chunkers.openapi_checks import (
    circle_problems,
    operation_problems,
    reference_problems,
    schema_problems,
)
from ingest.chunkers.openapi_document import ApiDocument, read_api
from ingest.chunkers.openapi_origins import Problem
from ingest.chunkers.openapi_parts import Part, Unit
from ingest.chunkers.openapi_render import operation_parts, overview, schema_parts
from ingest.chunkers.openapi_units import mapping, operations, schemas
from ingest.chunkers.openapi_usage import Usage, links, user_of
from ingest.chunkers.openapi_validation import structure_problems
from ingest.chunkers.openapi_words import one_line
from ingest.chunkers.split import Boundaries, Splitter
from ingest.openapi_files import ApiFiles
from shirabe.errors import InvalidInput

MAX_PROBLEMS: Final = 10
"""Problems of a kind that are told of one description; the number of the others is."""


def chunk_openapi(files: ApiFiles, splitter: Splitter, *, joined: bool) -> Drafts:
    """Return the API's description of itself, its operations and its schemas; the title is `info.title`.

    The locator is a file's path and a JSON pointer; a unit too large for one chunk is cut between its parts, and the
    later chunks point at their own part. Without `joined`, references to other files stay names.

    Raises: InvalidInput with the place in the file, for what is no description or has nothing that can be read.
    """
    document = read_api(files, joined=joined)
    found = list(units(document))
    errors = [problem for problem in document.problems if problem.severity == "error"]
    if errors and all(unit.kind == "overview" for unit in found):
        place, message = document.origins.told(errors[0])
        raise InvalidInput(message, place)
    title = one_line(mapping(document.root.get("info")).get("title")) or PurePosixPath(files.root).name
    drafts = [draft for unit in found for draft in _drafts(document, title, unit, splitter)]
    return Drafts(title, tuple(_with_problems(drafts, document)))


def units(document: ApiDocument) -> Iterator[Unit]:
    """Yield what a description is cut into; what is wrong with it is added to its problems on the way."""
    about = overview(document)
    if about:
        yield Unit("overview", about[0].pointer, (), about)
    if document.family in ("asyncapi-2", "asyncapi-3"):
        yield from asyncapi_units(document)
    else:
        yield from _openapi_units(document)
    if document.fields_left <= 0:
        message = "fields of schemas that are used often stay out of the operations: there are too many"
        document.problems.append(Problem("", message, "warning"))


def _openapi_units(document: ApiDocument) -> Iterator[Unit]:
    offered, named = list(operations(document)), list(schemas(document))
    document.problems += chain(
        structure_problems(document.root, document.family),
        reference_problems(document),
        operation_problems(document, offered),
        circle_problems(named),
        schema_problems(document),
    )
    for operation in offered:
        summary = one_line(operation.node.get("summary")) or one_line(operation.item.get("summary"))
        headings = tuple(name for name in (operation.name, summary) if name)
        old = {"deprecated": True} if operation.node.get("deprecated") is True else {}
        yield Unit("operation", operation.pointer, headings, operation_parts(document, operation), old, headed=True)
    usage = Usage(document, named, map(user_of, offered))
    for schema in named:
        users = usage.of(schema.pointer)
        yield Unit(
            "schema", schema.pointer, (schema.name,), schema_parts(document, schema, users), links(document, users)
        )


def _drafts(document: ApiDocument, title: str, unit: Unit, splitter: Splitter) -> Iterator[Draft]:
    context = splitter.shorten(trail(title, *unit.headings))
    source = splitter.read("\n".join(line for part in unit.parts for line in part.lines))
    first_lines = _first_lines(unit.parts)
    boundaries = Boundaries([source.line_start(line) for line in first_lines[1:]])
    pieces = splitter.pieces(source, source.lines_span(1, source.line_count), context, boundaries)
    contexts = [context]
    if len(pieces) > 1:
        contexts = [splitter.shorten(trail(title, *unit.headings, part.label)) for part in unit.parts]
        widest = max(contexts, key=splitter.tokens.count)
        second = first_lines[1] if unit.headed and len(first_lines) > 1 else 1
        spans = (source.lines_span(1, second - 1), source.lines_span(second, source.line_count))
        pieces = [piece for span in spans for piece in splitter.pieces(source, span, widest, boundaries)]
    language = language_of(source.text)
    for index, piece in enumerate(pieces):
        number = bisect_right(first_lines, source.line_of(piece.start)) - 1
        text = source.slice(piece)
        shown = contexts[number] if index else context
        pointer = document.settled(unit.parts[number].pointer) if index else unit.pointer
        yield Draft(
            kind=unit.kind,
            text=text,
            context=shown,
            locator=document.locator(pointer),
            headings=unit.headings,
            lang=language_of(f"{shown}\n{text}", language),
            meta={"unit": document.locator(unit.pointer), **unit.meta, **_place(document, pointer)},
        )


def _first_lines(parts: list[Part]) -> list[int]:
    firsts, line = [], 1
    for part in parts:
        firsts.append(line)
        line += len(part.lines)
    return firsts


def _place(document: ApiDocument, pointer: str) -> dict[str, Any]:
    """Return the lines that a pointer was read from, and their file where it is not the document's own."""
    target = document.origins.target(document.settled(pointer))
    place: dict[str, Any] = {} if target.file == document.origins.root else {"file": target.file}
    lines = document.origins.lines(target)
    return {**place, "start_line": lines[0], "end_line": lines[1]} if lines else place


def _with_problems(drafts: list[Draft], document: ApiDocument) -> Iterator[Draft]:
    """Yield the drafts, the first with what is wrong with the document."""
    for index, draft in enumerate(drafts):
        yield draft if index else replace(draft, meta={**draft.meta, **_told(document)})


def _told(document: ApiDocument) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for severity in ("error", "warning"):
        found = [problem for problem in document.problems if problem.severity == severity]
        if found:
            shown = [": ".join(document.origins.told(problem)) for problem in found[:MAX_PROBLEMS]]
            told[f"{severity}s"] = shown + (
                [f"and {len(found) - MAX_PROBLEMS} more"] if len(found) > MAX_PROBLEMS else []
            )
    return told
