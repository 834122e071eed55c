"""Numbers and dates as a spreadsheet shows them: format codes such as `#,##0"円"`, `0%`, `yyyy/mm/dd`.

The codes are those of ECMA-376 part 1, 18.8.30. What no code should hold (a broken or endless one) shows the number as
it is. Formats without a code of their own are shown as a Japanese Excel shows them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Final

from ingest.chunkers.workbook_dates import shown_date

MAX_CODE_CHARS: Final = 255
_GENERAL_DIGITS: Final = 11
_LARGEST: Final = 1e15
_MAX_DECIMALS: Final = 30

_JAPANESE_DATE: Final = '[$-411]ggge"年"m"月"d"日"'
_JAPANESE_SHORT: Final = "[$-411]ge.m.d"
BUILT_IN: Final = {
    14: "yyyy/m/d",
    22: "yyyy/m/d h:mm",
    **dict.fromkeys((27, 36, 50, 57), _JAPANESE_SHORT),
    **dict.fromkeys((28, 29, 51, 54, 58), _JAPANESE_DATE),
    30: "m/d/yy",
    31: 'yyyy"年"m"月"d"日"',
    32: 'h"時"mm"分"',
    33: 'h"時"mm"分"ss"秒"',
    **dict.fromkeys((34, 52, 55), 'yyyy"年"m"月"'),
    **dict.fromkeys((35, 53, 56), 'm"月"d"日"'),
}
"""Codes of the numbered formats that differ by country."""

_TOKEN: Final = re.compile(
    r"""
    "(?P<quoted>[^"]*)"?            # a literal in quotes
    | \\(?P<escaped>.)              # one escaped character
    | _(?P<skipped>.)               # the width of a character
    | \*(?P<filled>.)               # a character that fills the column
    | \[(?P<bracket>[^\]]*)\]       # a colour, a condition, a currency, elapsed time
    | (?P<general>General|G/標準)
    | (?P<exponent>E[+-])
    | (?P<ampm>AM/PM|A/P|上午/下午|午前/午後)
    | (?P<date>y+|m+|d+|h+|s+|g+|e+|a{3,4}|r+)
    | (?P<digit>[0\#?])
    | (?P<other>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_CONDITION: Final = re.compile(r"^(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)$")
_CURRENCY: Final = re.compile(r"^\$([^-]*)(?:-[0-9A-Fa-f]+)?$")
_ELAPSED: Final = re.compile(r"^(h+|m+|s+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a format code: `kind` is a group of `_TOKEN`, `literal` or `elapsed`."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Section:
    tokens: tuple[Token, ...]
    condition: tuple[str, float] | None

    @property
    def is_date(self) -> bool:
        return any(token.kind in ("date", "elapsed", "ampm") for token in self.tokens)


def shown_number(value: float, code: str, *, epoch_1904: bool = False) -> str:
    """Return a number as it is shown under a format code."""
    if code in ("", "General", "@") or len(code) > MAX_CODE_CHARS:
        return general(value)
    try:
        sections = _sections(code)
        section, signed = _chosen(value, sections)
        if section is None:
            return general(value)
        if section.is_date:
            return shown_date(value, section.tokens, epoch_1904=epoch_1904) or general(value)
        if not any(token.kind in ("digit", "general") for token in section.tokens):
            return "".join(token.text for token in section.tokens if token.kind != "other" or token.text != "@")
        text = _shown(abs(value), section.tokens).strip()
    except (InvalidOperation, ValueError, OverflowError, ZeroDivisionError):
        return general(value)
    return f"-{text}" if signed and value < 0 and any(char in "123456789" for char in text) else text


def general(value: float) -> str:
    """Return a number as it is shown without a format."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < _LARGEST):
        return str(int(value))
    return f"{value:.{_GENERAL_DIGITS - 1}g}"


@lru_cache(maxsize=1024)
def _sections(code: str) -> tuple[_Section, ...]:
    sections: list[list[Token]] = [[]]
    conditions: list[tuple[str, float] | None] = [None]
    for match in _TOKEN.finditer(code):
        kind, text = match.lastgroup or "other", match[match.lastgroup or 0]
        if kind == "other" and text == ";":
            sections.append([])
            conditions.append(None)
        elif kind in ("quoted", "escaped"):
            sections[-1].append(Token("literal", text))
        elif kind == "bracket":
            if condition := _CONDITION.match(text):
                conditions[-1] = (condition[1], float(condition[2]))
            elif currency := _CURRENCY.match(text):
                sections[-1].append(Token("literal", currency[1]))
            elif _ELAPSED.match(text):
                sections[-1].append(Token("elapsed", text.lower()))
        elif kind == "filled":
            continue
        elif kind == "skipped":
            sections[-1].append(Token("literal", " "))
        else:
            sections[-1].append(Token(kind, text.lower() if kind == "date" else text))
    return tuple(_Section(tuple(tokens), condition) for tokens, condition in zip(sections, conditions, strict=True))


def _chosen(value: float, sections: Sequence[_Section]) -> tuple[_Section | None, bool]:
    """Return the section that shows a number, and whether the sign is to be written before it."""
    if any(section.condition for section in sections):
        for index, section in enumerate(sections[:3]):
            if section.condition is None or _holds(value, section.condition):
                return section, index == 0 or section.condition is None
        return None, False
    if len(sections) > 2 and value == 0:
        return sections[2], False
    if len(sections) > 1 and value < 0:
        return sections[1], False
    return sections[0], True


def _holds(value: float, condition: tuple[str, float]) -> bool:
    sign, bound = condition
    return {
        "<": value < bound,
        "<=": value <= bound,
        ">": value > bound,
        ">=": value >= bound,
        "=": value == bound,
        "<>": value != bound,
    }[sign]


def _shown(value: float, tokens: Sequence[Token]) -> str:
    """Return a number that is not negative under one section."""
    if any(token.kind == "general" for token in tokens):
        return "".join(general(value) if token.kind == "general" else _literal(token) for token in tokens)
    digits = [index for index, token in enumerate(tokens) if token.kind == "digit"]
    slash = next((i for i in range(digits[0], digits[-1]) if _is(tokens[i], "/")), None)
    if slash is not None:
        return _fraction(value, tokens, slash)
    exponent = next((i for i, token in enumerate(tokens) if token.kind == "exponent"), None)
    if exponent is not None:
        return _scientific(value, tokens, exponent)
    return _decimal(Decimal(repr(value)), tokens)


def _decimal(value: Decimal, tokens: Sequence[Token]) -> str:
    first = next(index for index, token in enumerate(tokens) if token.kind == "digit")
    last = max(index for index, token in enumerate(tokens) if token.kind == "digit")
    point = next((i for i, token in enumerate(tokens) if _is(token, ".") and i <= last + 1), None)
    whole_end = last if point is None or point > last else point
    # A comma between digits groups them by thousands; each one after the last digit divides by a thousand.
    grouped = any(_is(token, ",") for token in tokens[first:whole_end])
    scale = 0
    while last + 1 + scale < len(tokens) and _is(tokens[last + 1 + scale], ","):
        scale += 1
    percents = sum(_is(token, "%") for token in tokens)
    places = [] if point is None else [token.text for token in tokens[point:] if token.kind == "digit"]
    value = value.scaleb(2 * percents - 3 * scale)
    rounded = value.quantize(Decimal(1).scaleb(-min(len(places), _MAX_DECIMALS)), rounding=ROUND_HALF_UP)
    whole, _, rest = f"{rounded:f}".partition(".")
    decimals = _trimmed(rest, places)
    wanted = [token.text for token in tokens[: point if point is not None else len(tokens)] if token.kind == "digit"]
    return _laid_out(tokens, point, whole, decimals, wanted, grouped)


def _trimmed(digits: str, places: Sequence[str]) -> str:
    """Return decimals without the zeros at the end that `#` and `?` do not ask for."""
    while digits and digits[-1] == "0" and places[len(digits) - 1] != "0":
        digits = digits[:-1]
    return digits


def _laid_out(
    tokens: Sequence[Token], point: int | None, whole: str, decimals: str, wanted: Sequence[str], grouped: bool
) -> str:
    """Return the digits in the places that a code has for them, literals between them kept."""
    least = len(wanted) - next((i for i, mark in enumerate(wanted) if mark == "0"), len(wanted))
    whole = ("" if whole == "0" and least == 0 else whole).zfill(least)
    if grouped and whole:
        whole = _grouped(whole)
    split = _between(tokens, point)
    out: list[str] = []
    left, seen = whole, 0
    for index, token in enumerate(tokens):
        if token.kind == "digit" and (point is None or index < point):
            seen += 1
            # The first place takes all the digits that have no place of their own.
            take = len(left) - (len(wanted) - seen) if split else (len(left) if seen == 1 else 0)
            out.append(left[: max(take, 0)])
            left = left[max(take, 0) :]
        elif token.kind == "digit":
            out.append(decimals[:1])
            decimals = decimals[1:]
        elif index == point:
            out.append("." if decimals else "")
        elif not _is(token, ","):
            out.append(_literal(token))
    return "".join(out)


def _between(tokens: Sequence[Token], point: int | None) -> bool:
    """Tell whether literals stand between the digits before the point, as in `000-0000`."""
    places = [i for i, token in enumerate(tokens) if token.kind == "digit" and (point is None or i < point)]
    between = tokens[places[0] : places[-1]] if places else ()
    return any(token.kind != "digit" and not _is(token, ",") for token in between)


def _grouped(digits: str) -> str:
    head = len(digits) % 3
    parts = ([digits[:head]] if head else []) + [digits[i : i + 3] for i in range(head, len(digits), 3)]
    return ",".join(parts)


def _scientific(value: float, tokens: Sequence[Token], exponent: int) -> str:
    places = sum(token.kind == "digit" for token in tokens[:exponent])
    point = next((i for i, token in enumerate(tokens[:exponent]) if _is(token, ".")), None)
    decimals = 0 if point is None else sum(token.kind == "digit" for token in tokens[point:exponent])
    mantissa, _, power = f"{value:.{min(decimals, _MAX_DECIMALS)}E}".partition("E")
    if places == 0:
        return general(value)
    width = sum(token.kind == "digit" for token in tokens[exponent:])
    sign = "-" if power.startswith("-") else ("+" if tokens[exponent].text.endswith("+") else "")
    return f"{mantissa}E{sign}{power.lstrip('+-').lstrip('0').zfill(width)}"


def _fraction(value: float, tokens: Sequence[Token], slash: int) -> str:
    below = [token for token in tokens[slash + 1 :] if token.kind == "digit"]
    fixed = "".join(token.text for token in tokens[slash + 1 :] if token.text.isdigit())
    most = int(fixed) if fixed.strip("0") else 10 ** min(len(below), 4) - 1
    found = Fraction(Decimal(repr(value))).limit_denominator(most)
    digits_before = [i for i, token in enumerate(tokens[:slash]) if token.kind == "digit"]
    mixed = any(_is(tokens[i], " ") for i in range(digits_before[0], digits_before[-1]))
    whole, rest = divmod(found, 1) if mixed else (0, found)
    if rest == 0:
        return str(whole)
    part = f"{rest.numerator}/{rest.denominator}"
    return f"{whole} {part}" if whole else part


def _literal(token: Token) -> str:
    return "" if token.kind == "digit" or (token.kind == "other" and token.text == "@") else token.text


def _is(token: Token, text: str) -> bool:
    return token.kind == "other" and token.text == text
