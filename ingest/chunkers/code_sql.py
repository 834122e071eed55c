"""SQL into statements, whatever the dialect: PostgreSQL, MySQL, SQLite, SQL Server or Oracle.

No grammar reads them all, and one that fails inside a procedure loses what follows it. All that is needed is where a
statement ends: strings, comments and quoted bodies are skipped, and a routine reaches to the END of its BEGIN.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from ingest.chunkers.code_units import Reading, Unit, first_line_above
from ingest.chunkers.source import SourceText

_HEAD_CHARS: Final = 1_000
_DOLLARS: Final = r"\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)"
_LEXEME: Final = r"""
    (?P<skipped>
        --[^\n]* | ^\#[^\n]* | /\*.*?(?:\*/|\Z)
      | '(?:[^'\\]|''|\\(?!'\s*[,;)]).|\\)*+(?:'|\Z) | "[^"]*(?:"|\Z) | `[^`]*(?:`|\Z) %s
    )
  | (?P<batch>^[ \t]*(?:GO|/)[ \t]*$)
  | ^[ \t]*DELIMITER[ \t]+(?P<delimiter>\S{1,8})[ \t]*$
  | (?P<end>%s)
  | \b(?P<word>BEGIN|END|CASE|IF|LOOP|WHILE|REPEAT|FOR)\b
"""
_FLAGS: Final = re.VERBOSE | re.MULTILINE | re.DOTALL | re.IGNORECASE
_BATCH: Final = re.compile(r"^[ \t]*(?:GO|/)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_BLANKS: Final = re.compile(r"(?:\s++|--[^\n]*+|\#[^\n]*+|/\*.*?(?:\*/|\Z))*+", re.DOTALL)
_CLOSED_APART: Final = ("IF", "LOOP", "WHILE", "REPEAT", "FOR")

_PART: Final = r'(?:[\w$#@]+|"[^"\n]+"|`[^`\n]+`|\[[^\]\n]+\])'
_NAME: Final = rf"(?P<name>{_PART}(?:\s*\.\s*{_PART})*)"
_WORDS: Final = r"(?:(?!AS\b)[^\s(;]+\s+){0,8}?"
_ROUTINE: Final = re.compile(
    rf"(?:CREATE|ALTER)\s+{_WORDS}(?:PROCEDURE|PROC|FUNCTION|TRIGGER|EVENT|PACKAGE|TYPE\s+BODY)\b", re.IGNORECASE
)
_OBJECT: Final = re.compile(
    rf"(?P<verb>CREATE|ALTER)\s+{_WORDS}(?P<kind>TABLE|VIEW|INDEX|PROCEDURE|PROC|FUNCTION|TRIGGER|EVENT|PACKAGE|TYPE|"
    r"DOMAIN|SEQUENCE|SCHEMA|DATABASE|POLICY|SYNONYM|MACRO|STREAM|TASK|STAGE|PIPE)\s+(?:BODY\s+)?"
    rf"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:CONCURRENTLY\s+)?(?:ONLY\s+)?{_NAME}",
    re.IGNORECASE,
)
_ON: Final = re.compile(
    rf"[^;]{{0,{_HEAD_CHARS}}}?\bON\s+(?:TABLE\s+|COLUMN\s+|VIEW\s+|FUNCTION\s+|TYPE\s+|ONLY\s+)?{_NAME}", re.IGNORECASE
)
_ABOUT_ANOTHER: Final = re.compile(r"(?:COMMENT|GRANT|REVOKE)\b", re.IGNORECASE)
_KINDS: Final = {"proc": "procedure"}


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement by its offsets, its terminator included; `after` is where the one before ended."""

    after: int
    start: int
    end: int


def read_sql(source: SourceText) -> Reading:
    """Return what a script creates or alters; indexes, comments, grants and changes right after a table are its own."""
    units: list[Unit] = []
    owner: tuple[str, ...] = ()
    before = 0
    for statement in _statements(source.text):
        first = first_line_above(source, statement.after, statement.start)
        line, last = source.line_of(statement.start), source.line_of(statement.end - 1)
        kind, name, subject = _read(source.text[statement.start : min(statement.end, statement.start + _HEAD_CHARS)])
        if units and owner and owner in (subject, subject[:-1]) and first > before:
            units[-1] = replace(units[-1], last=last, body=(*units[-1].body, first))
        elif name and first > before:
            units.append(Unit(kind, (".".join(name),), first, last, (line, line), (first,)))
            owner = name
        else:
            owner = ()
        before = last
    return Reading(units)


def _read(head: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return a statement's kind, the parts of the name it makes (none for most), and of the object it is about."""
    if _ABOUT_ANOTHER.match(head):
        about = _ON.match(head)
        return "", (), _parts(about) if about else ()
    made = _OBJECT.match(head)
    if made is None:
        return "", (), ()
    kind, name = made["kind"].lower(), _parts(made)
    if kind in ("index", "trigger", "policy"):
        about = _ON.match(head, made.end())
        return kind, name, _parts(about) if about else ()
    return _KINDS.get(kind, kind), name, name if made["verb"].upper() == "ALTER" else ()


def _parts(match: re.Match[str]) -> tuple[str, ...]:
    return tuple(part.strip('"`[]') for part in re.findall(_PART, match["name"]))


def _statements(text: str) -> Iterator[_Statement]:
    last_batch = max((match.start() for match in _BATCH.finditer(text)), default=-1)
    delimiter, after = ";", 0
    start, depth, is_routine, ended = _next(text, 0), 0, _is_routine(text, 0), False
    at = 0
    while (token := _tokens(delimiter).search(text, at)) is not None:
        at = token.end()
        word = (token["word"] or "").upper()
        if word and is_routine:
            # `END IF` closes what no BEGIN opened, and `END CASE` is one word in two.
            if ended and word in _CLOSED_APART:
                depth += 1
            elif word == "END":
                depth = max(0, depth - 1)
            elif word in ("BEGIN", "CASE") and not ended:
                depth += 1
            ended = word == "END"
            continue
        ended = ended and token["skipped"] is not None
        waits = is_routine and delimiter == ";" and (depth > 0 or last_batch > token.start())
        if token["batch"] or token["delimiter"] or (token["end"] and not waits):
            end = token.end() if token["end"] else token.start()
            if start < end and text[start:end].strip(delimiter + " \t\r\n"):
                yield _Statement(after, start, end)
            delimiter = token["delimiter"] or delimiter
            after = token.end()
            start, depth, is_routine = _next(text, after), 0, _is_routine(text, after)
    if text[start:].strip():
        yield _Statement(after, start, len(text.rstrip()))


def _next(text: str, after: int) -> int:
    blanks = _BLANKS.match(text, after)
    return blanks.end() if blanks else after


def _is_routine(text: str, after: int) -> bool:
    start = _next(text, after)
    return _ROUTINE.match(text, start, start + _HEAD_CHARS) is not None


@lru_cache(maxsize=16)
def _tokens(delimiter: str) -> re.Pattern[str]:
    quoted = "" if "$" in delimiter else f"| {_DOLLARS}"
    return re.compile(_LEXEME % (quoted, re.escape(delimiter)), _FLAGS)
