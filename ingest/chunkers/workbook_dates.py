"""Serial numbers of days as the dates, times and durations that a format code shows, Japanese eras included."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

_EPOCH_1900: Final = datetime(1899, 12, 30)
_EPOCH_1904: Final = datetime(1904, 1, 1)
_PHANTOM_DAY: Final = 60  # the 29 February 1900 that never was
_LAST_DAY: Final = 2_958_466  # the year 10000
_DAY_S: Final = 86_400
_MAX_ELAPSED_DAYS: Final = 1e8
_ERAS: Final = (
    (datetime(2019, 5, 1), "令和", "R"),
    (datetime(1989, 1, 8), "平成", "H"),
    (datetime(1926, 12, 25), "昭和", "S"),
    (datetime(1912, 7, 30), "大正", "T"),
    (datetime(1868, 9, 8), "明治", "M"),
)
_WEEKDAYS: Final = "月火水木金土日"
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


class FormatToken(Protocol):
    """A part of a format code."""

    @property
    def kind(self) -> str:
        """What it is: `date`, `elapsed`, `ampm`, `digit`, `literal`, `other`."""

    @property
    def text(self) -> str:
        """What it says."""


def moment(serial: float, *, decimals: int = 0, epoch_1904: bool = False) -> datetime | None:
    """Return the moment that a serial number of days means, its seconds rounded to `decimals`; None: it has no date."""
    if not 0 <= serial < _LAST_DAY:
        return None
    days = int(serial)
    time = timedelta(seconds=round((serial - days) * _DAY_S, min(decimals, 6)))
    if epoch_1904:
        return _EPOCH_1904 + timedelta(days=days) + time
    return _EPOCH_1900 + timedelta(days=days + (days < _PHANTOM_DAY)) + time


def shown_date(serial: float, tokens: Sequence[FormatToken], *, epoch_1904: bool = False) -> str:
    """Return a serial number as the tokens of a format code show it; empty when it is no date."""
    if any(token.kind == "elapsed" for token in tokens):
        return _elapsed(serial, tokens)
    decimals = sum(token.kind == "digit" for token in tokens)
    found = moment(serial, decimals=decimals, epoch_1904=epoch_1904)
    if found is None:
        return ""
    noon = any(token.kind == "ampm" for token in tokens)
    out: list[str] = []
    for index, token in enumerate(tokens):
        if token.kind == "date":
            out.append(_date_part(found, token.text, _is_minute(tokens, index), noon))
        elif token.kind == "ampm":
            out.append(_half_of_day(found, token.text))
        elif token.kind == "digit":
            out.append(f"{found.microsecond:06d}"[_nth_digit(tokens, index) :][:1])
        elif token.kind != "other" or token.text != "@":
            out.append(token.text)
    return "".join(out).strip()


def _date_part(found: datetime, code: str, minute: bool, noon: bool) -> str:
    letter, width = code[0], len(code)
    match letter:
        case "y":
            return f"{found.year:04d}" if width > 2 else f"{found.year % 100:02d}"
        case "m" if minute:
            return f"{found.minute:0{min(width, 2)}d}"
        case "m":
            return _month(found, width)
        case "d":
            return _padded(found.day, width) if width < 3 else _DAYS[found.weekday()][: 3 if width == 3 else None]
        case "h":
            return _padded((found.hour % 12 or 12) if noon else found.hour, width)
        case "s":
            return _padded(found.second, width)
        case "a":
            return _WEEKDAYS[found.weekday()] + ("曜日" if width > 3 else "")
        case _:
            return _era_part(found, letter, width)


def _month(found: datetime, width: int) -> str:
    name = _MONTHS[found.month - 1]
    if width == 5:
        return name[0]
    return _padded(found.month, width) if width < 3 else (name[:3] if width == 3 else name)


def _era_part(found: datetime, letter: str, width: int) -> str:
    start, name, short = next((era for era in _ERAS if found >= era[0]), _ERAS[-1])
    year = found.year - start.year + 1
    if letter == "g":
        return {1: short, 2: name[0]}.get(width, name)
    if letter == "r":
        return f"{name if width > 1 else ''}{year:02d}"
    return _padded(year, width)


def _half_of_day(found: datetime, code: str) -> str:
    before, _, after = code.partition("/")
    return before if found.hour < 12 else after


def _padded(number: int, width: int) -> str:
    return f"{number:02d}" if width > 1 else str(number)


def _is_minute(tokens: Sequence[FormatToken], index: int) -> bool:
    """Tell whether an `m` means minutes: it follows hours, or seconds follow it."""
    kinds = ("date", "elapsed")
    before = next((t for t in reversed(tokens[:index]) if t.kind in kinds), None)
    after = next((t for t in tokens[index + 1 :] if t.kind in kinds), None)
    return (before is not None and before.text[0] == "h") or (after is not None and after.text[0] == "s")


def _nth_digit(tokens: Sequence[FormatToken], index: int) -> int:
    return sum(token.kind == "digit" for token in tokens[:index])


def _elapsed(serial: float, tokens: Sequence[FormatToken]) -> str:
    """Return a duration: the unit in brackets is not carried over into a larger one."""
    if abs(serial) > _MAX_ELAPSED_DAYS:
        return ""
    left = round(abs(serial) * _DAY_S)
    out = ["-"] if serial < 0 else []
    for index, token in enumerate(tokens):
        if token.kind in ("elapsed", "date") and token.text[0] in "hms":
            letter = token.text[0]
            unit = {"h": 3_600, "m": 60, "s": 1}[letter if letter != "m" or _is_minute(tokens, index) else "m"]
            number, left = divmod(left, unit)
            out.append(f"{number:0{len(token.text)}d}")
        elif token.kind in ("literal", "other") and token.text != "@":
            out.append(token.text)
    return "".join(out)
