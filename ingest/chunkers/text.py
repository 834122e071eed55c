"""Plain text, configuration and code without a grammar: windows of lines, cut at blank lines where there are any."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from ingest.chunkers.draft import Draft, Drafts, trail
from ingest.chunkers.language import language_of
from ingest.chunkers.split import Boundaries, Splitter

_CODE_PREFIX: Final = "text/x-"
_CONFIGURATION_TYPES: Final = ("application/yaml", "application/json")
_CONFIGURATION_SUFFIXES: Final = frozenset({".toml", ".ini", ".cfg", ".conf", ".properties"})
_AFTER_BLANK_LINE: Final = re.compile(r"^[^\S\n]*\n(?=[^\n]*\S)", re.MULTILINE)
_UNINDENTED: Final = re.compile(r"^(?=[^\s#)\]}])", re.MULTILINE)


def chunk_text(path: str, title: str, text: str, media_type: str, splitter: Splitter) -> Drafts:
    """Return the windows of a text, kind `code`, `config` or `text`; the `lang` of code is its programming language."""
    source = splitter.read(text)
    kind, language = _kind(path, media_type)
    default = language_of(source.text)
    context = splitter.shorten(trail(title if kind == "text" else PurePosixPath(path).name))
    boundaries = Boundaries(
        [match.end() for match in _AFTER_BLANK_LINE.finditer(source.text)],
        [match.start() for match in _UNINDENTED.finditer(source.text)] if kind != "text" else (),
    )
    everything = source.lines_span(1, source.line_count)
    whole = source.trimmed(everything) if kind == "text" and splitter.takes_whole(context, source) else None
    drafts = []
    for piece in [whole] if whole else splitter.pieces(source, everything, context, boundaries):
        place = source.place(piece)
        drafts.append(
            Draft(
                kind=kind,
                text=source.slice(piece),
                context=context,
                locator=f"{path}#L{place['start_line']}-L{place['end_line']}",
                lang=language or language_of(source.slice(piece), default),
                meta=place,
            )
        )
    return Drafts(title if kind == "text" else path, tuple(drafts))


def _kind(path: str, media_type: str) -> tuple[str, str | None]:
    suffix = PurePosixPath(path).suffix.lower()
    if media_type.startswith(_CODE_PREFIX):
        return "code", media_type.removeprefix(_CODE_PREFIX)
    if media_type in _CONFIGURATION_TYPES or suffix in _CONFIGURATION_SUFFIXES:
        return "config", None
    return "text", None
