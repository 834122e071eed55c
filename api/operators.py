"""What developers type among words: `sym:NAME`, `file:PATH`, `lang:NAME`, "exact text", /regular expression/. Pure.

Something is an operator only where a word begins and its value follows at once, so `error: file: not found`,
`std::vector` and `file:///etc` are words. Slashes and quotes are common in prose, so they ask for lines in mode `code`
alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from shirabe.conditions import matcher
from shirabe.errors import InvalidInput
from shirabe.languages import CODE_LANGUAGES, PROSE_LANGUAGES, language_named
from shirabe.types import Condition, Query, Target

MAX_CONDITIONS: Final = 16
MAX_PATTERN_CHARS: Final = 250

_QUOTED: Final = r'"(?P<{}>(?:[^"\\]|\\.)+)"'
_NAMED: Final = re.compile(
    rf"(?P<not>-?)(?P<name>sym|file|lang):(?!//)(?:{_QUOTED.format('quoted')}|(?P<value>\S+))(?!\S)"
)
_ON_LINES: Final = re.compile(
    rf"(?P<not>-?)(?:{_QUOTED.format('quoted')}|/(?P<regex>(?![/*])(?:[^\\]|\\.)+?)/)(?!\S)", re.DOTALL
)
_WORD: Final = re.compile(r"\S+")
_SPECIAL: Final = re.compile(r"[\\^|?*+()\[\]{}]|\$$")
_BETWEEN_SLASHES: Final = re.compile(r"/(.+)/", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\[pP]\{[^}]*\}|\\x\{[^}]*\}|\\x..|\\.", re.DOTALL)
_SCOPE: Final = re.compile(r"::|#")
_SCOPED: Final = re.compile(r"\\\.|::")
_IGNORE_CASE: Final = "(?i)"


@dataclass(frozen=True, slots=True)
class _Token:
    """An operator as it was typed, where it begins (characters, from 1), and what it asks for."""

    typed: str
    place: int
    name: str
    value: str
    is_quoted: bool
    is_negated: bool


def asked(query: Query) -> Query:
    """Return a query with its operators as conditions, and its text without them.

    Raises: InvalidInput naming an operator, and where it stands.
    """
    words: list[str] = []
    conditions: list[Condition] = []
    at = 0
    while (word := _WORD.search(query.text, at)) is not None:
        token = _token(query.text, word.start(), on_lines=query.mode == "code")
        if token is None:
            words.append(word.group())
            at = word.end()
        else:
            conditions.append(_condition(token))
            at = word.start() + len(token.typed)
    if not conditions:
        return query
    if len(conditions) > MAX_CONDITIONS:
        raise InvalidInput(f"{len(conditions)} operators, at most {MAX_CONDITIONS}", "query")
    return replace(query, text=" ".join(words), conditions=tuple(conditions))


def _token(text: str, at: int, *, on_lines: bool) -> _Token | None:
    if (named := _NAMED.match(text, at)) is not None:
        quoted = named["quoted"]
        value = named["value"] if quoted is None else quoted.replace('\\"', '"')
        return _Token(named.group(), at + 1, named["name"], value, quoted is not None, bool(named["not"]))
    if on_lines and (line := _ON_LINES.match(text, at)) is not None:
        quoted = line["quoted"]
        value = line["regex"] if quoted is None else quoted.replace('\\"', '"')
        return _Token(line.group(), at + 1, "line", value, quoted is not None, bool(line["not"]))
    return None


def _condition(token: _Token) -> Condition:
    if not token.is_quoted and token.name != "line" and token.value.startswith('"'):
        raise _refusal(token, "a quote without its end, or with more behind it")
    if len(token.value) > MAX_PATTERN_CHARS:
        raise _refusal(token, f"{len(token.value)} characters, at most {MAX_PATTERN_CHARS}")
    if token.name == "lang":
        return _language(token)
    text, is_literal = _pattern(token)
    ignore_case = text.startswith(_IGNORE_CASE) and not is_literal
    text = text.removeprefix(_IGNORE_CASE) if ignore_case else text
    target: Target = "line"
    if token.name == "file":
        target = "path"
    elif token.name == "sym":
        target, text = _scoped(text, is_literal=is_literal)
    named = text if is_literal else _ESCAPED.sub("", text)
    ignore_case = ignore_case or not any(char.isupper() for char in named)
    try:
        matcher(text, literal=is_literal, ignore_case=ignore_case)
    except InvalidInput as error:
        hint = r"; for all files of a suffix: file:\.py$" if token.name == "file" and text.startswith("*") else ""
        raise _refusal(token, error.message + hint) from None
    return Condition(target, text, is_literal, ignore_case, token.is_negated)


def _language(token: _Token) -> Condition:
    language = language_named(token.value)
    if language is None:
        known = ", ".join((*CODE_LANGUAGES, *PROSE_LANGUAGES))
        raise _refusal(token, f"unknown language; there are {known}. A file is found by its suffix too: file:\\.toml$")
    return Condition("lang", token.value, negated=token.is_negated, values=(language,))


def _pattern(token: _Token) -> tuple[str, bool]:
    """Return the text of a pattern, and whether it stands for itself: a name or a path without special characters."""
    if token.is_quoted:
        return token.value, True
    if token.name == "line":
        return token.value, False
    if _SPECIAL.search(token.value) is None and (token.name == "file" or not token.value.startswith("/")):
        return token.value, True
    between = _BETWEEN_SLASHES.fullmatch(token.value)
    return (between[1] if between else token.value), False


def _scoped(text: str, *, is_literal: bool) -> tuple[Target, str]:
    """Return what a symbol is compared with: with its scope when the pattern has a dot that stands for itself."""
    if is_literal:
        text = _SCOPE.sub(".", text)
        return ("qualified" if "." in text.strip(".") else "symbol"), text
    return ("qualified" if _SCOPED.search(text) else "symbol"), text.replace("::", r"\.")


def _refusal(token: _Token, reason: str) -> InvalidInput:
    return InvalidInput(f"{token.typed} at character {token.place}: {reason}", "query")
