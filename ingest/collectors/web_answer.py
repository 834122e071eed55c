"""What a web server answered: the body within its bounds, and the error that a status means."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, ShirabeError, Unavailable

_MAX_TOLD_CHARS: Final = 300
_ERROR_BYTES: Final = 65_536
_DEFAULT_WAIT_S: Final = 5.0
_COME_BACK: Final = (429, 503)
# What GitHub says of a limit that no header tells of, and how long it wants to be left alone then.
_SECONDARY: Final = b"secondary rate limit"
_SECONDARY_WAIT_S: Final = 60.0
_MAY_PASS: Final = (408, 425, 500, 502, 504)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: `url` is where it came from in the end, the names in `headers` are in lower case."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON. Raises: Unavailable when it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            kind = self.headers.get("content-type", "no content type")
            raise Unavailable(f"{shown(self.url)} answered something that is not JSON ({kind})") from None


class MayPass(Exception):
    """A failure that may pass: `error` is told when it does not, `after_s` is when the server said to come back."""

    def __init__(self, error: ShirabeError, after_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after_s = after_s


def shown(url: str) -> str:
    """Return an address without what may be secret in it: user, password, query and fragment."""
    scheme, _, rest = url.partition("://")
    place = rest.partition("#")[0].partition("?")[0]
    host, slash, path = place.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


async def read_body(parts: AsyncIterable[bytes], headers: Mapping[str, str], max_bytes: int, url: str) -> bytes:
    """Return a body, unpacked when it is gzip.

    Raises: InvalidInput when it is more than `max_bytes` packed or unpacked, Unavailable when it cannot be unpacked.
    """
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(url, max_bytes)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise Unavailable(f"{shown(url)} answered in the encoding {encoding[:40]!r}, which was not asked for")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if "gzip" in encoding else None
    body, received = bytearray(), 0
    async for part in parts:
        received += len(part)
        try:
            body += part if unpack is None else unpack.decompress(part, max_bytes + 1 - len(body))
        except zlib.error:
            raise Unavailable(f"{shown(url)} answered gzip that cannot be unpacked") from None
        if max(len(body), received) > max_bytes:
            raise _too_large(url, max_bytes)
    if unpack is not None and received and not unpack.eof:
        raise MayPass(Unavailable(f"{shown(url)} broke its answer off"))
    return bytes(body)


async def read_beginning(parts: AsyncIterable[bytes]) -> bytes:
    """Return the beginning of a body that is only told of."""
    body = b""
    async for part in parts:
        body += part
        if len(body) >= _ERROR_BYTES:
            break
    return body[:_ERROR_BYTES]


def refuse(answer: Answer, secrets: tuple[str, ...]) -> None:
    """Return for a 2xx or 304 answer. `secrets` are never told.

    Raises: MayPass, Forbidden, NotFound, InvalidInput, Unavailable.
    """
    status, url = answer.status, shown(answer.url)
    if 200 <= status < 300 or status == 304:
        return
    after_s = _come_back_s(answer.headers)
    if after_s is None and _SECONDARY in answer.body.lower():
        after_s = _SECONDARY_WAIT_S
    if status in _COME_BACK or (status == 403 and after_s is not None):
        wait_s = _DEFAULT_WAIT_S if after_s is None else after_s
        raise MayPass(Overloaded(f"{url} answered {status}: too many requests for now", wait_s), after_s)
    if status in _MAY_PASS:
        raise MayPass(Unavailable(f"{url} answered {status}"))
    said = _said(answer.body, secrets)
    if status in (401, 403):
        raise Forbidden(f"{url} answered {status}: the credentials are wrong or may not read this{said}")
    if status in (404, 410):
        raise NotFound(f"{url} answered {status}{said}")
    if 400 <= status < 500:
        raise InvalidInput(f"{url} answered {status}{said}", "location")
    raise Unavailable(f"{url} answered {status}{said}")


def _come_back_s(headers: Mapping[str, str]) -> float | None:
    """Return in how many seconds the server wants to be asked again, None when it does not say."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value[:9])
    if value:
        return _seconds_until(value)
    # GitHub, Atlassian (`x-`) and GitLab tell when the window of their rate limit ends.
    for prefix in ("x-ratelimit", "ratelimit"):
        reset = headers.get(f"{prefix}-reset", "").strip()
        if headers.get(f"{prefix}-remaining", "").strip() == "0" and reset:
            return max(0.0, float(reset[:12]) - time.time()) if reset.isdigit() else _seconds_until(reset)
    return None


def _seconds_until(moment: str) -> float | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read(moment)
        except (ValueError, TypeError):
            continue
        aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.now(UTC)).total_seconds())
    return None


def _said(body: bytes, secrets: tuple[str, ...]) -> str:
    text = body[: 4 * _MAX_TOLD_CHARS].decode("utf-8", "replace")
    for secret in secrets:
        text = text.replace(secret, "[secret]")
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return f": {line[:_MAX_TOLD_CHARS]}" if line and not line.startswith("<") else ""


def _too_large(url: str, max_bytes: int) -> InvalidInput:
    return InvalidInput(f"{shown(url)} answered more than the {max_bytes} bytes allowed", "location")
