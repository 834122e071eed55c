"""What a vendor's refusal means: the one place where its HTTP becomes `shirabe.errors`."""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from ray_app.problems import TooLong
from ray_app.providers.dialects import Dialect
from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, ShirabeError, Timeout, Unavailable

_MAX_MESSAGE: Final = 300
# Both vendors' own clients send again after exactly these and 5xx.
_AGAIN: Final = frozenset({408, 409, 429})
_TERMINAL_CODES: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_TOO_LONG: Final = re.compile(r"maximum (context|input) length|must have less than \d+ tokens|too many tokens")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error, whether sending the same again may help, and when, seconds, where the vendor says so."""

    error: ShirabeError
    again: bool
    after_s: float | None


def read_refusal(response: httpx.Response, dialect: Dialect, who: str, key_place: str) -> Refusal:
    """Return what an answer other than 200 means. `who` is the vendor; `key_place` is where its key is from."""
    message, code, place = _said(response, dialect)
    status = response.status_code
    after_s = retry_after_s(response.headers)
    spent = status == httpx.codes.PAYMENT_REQUIRED or code in _TERMINAL_CODES
    error = _error(status, f"{who} says: {message}", place, spent=spent, after_s=after_s)
    if status == httpx.codes.UNAUTHORIZED:
        # What a vendor says of a key may quote it.
        error = Forbidden(f"{who} does not take the key from {key_place}; correct that and restart the model server")
    elif isinstance(error, Forbidden):
        error = Forbidden(f"{error.message}; see to the account of the key from {key_place}, asking again is no use")
    return Refusal(error, not spent and (status in _AGAIN or status >= 500), after_s)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long the vendor asks to wait, seconds: `retry-after-ms`, or `Retry-After` in seconds or as a date."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            asked_s = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        return max(0.0, asked_s) if math.isfinite(asked_s) else None
    until = _seconds(headers.get("retry-after", ""))
    if until is None:
        return None
    # The vendor's own clock, where it tells the time: ours may be wrong.
    now = _seconds(headers.get("date", ""))
    return max(0.0, until - (time.time() if now is None else now))


def _error(status: int, message: str, place: str, *, spent: bool, after_s: float | None) -> ShirabeError:
    match status:
        case 429 if not spent:
            return Overloaded(message, 1.0 if after_s is None else after_s)
        case 402 | 403 | 429 | 498:
            return Forbidden(message)
        case 404:
            return NotFound(message)
        case 408 | 504:
            return Timeout(message)
        case 400 | 413 | 422 if _TOO_LONG.search(message):
            return TooLong(message, "texts")
        case _ if status == 409 or status >= 500:
            return Unavailable(message)
        case _ if status < 400:
            return InvalidInput(f"{message}: not the address of this API", "models.provider_url")
        case _:
            return InvalidInput(message, place)


def _said(response: httpx.Response, dialect: Dialect) -> tuple[str, str, str]:
    try:
        answer = json.loads(response.content)
    except ValueError:
        answer = None
    message, code, place = dialect.refusal(answer) if isinstance(answer, Mapping) else ("", "", "")
    text = message[:_MAX_MESSAGE] or response.reason_phrase
    return f"{text} (HTTP {response.status_code})", code, place


def _seconds(date: str) -> float | None:
    parsed = email.utils.parsedate_tz(date)
    try:
        return None if parsed is None else float(email.utils.mktime_tz(parsed))
    except (ValueError, OverflowError):
        return None
