"""The Sheets and Drive APIs: the few requests that a collector makes, within Google's quotas.

Reads of the Sheets API are counted by minute and account (60 are allowed, and 300 for all of a project); whoever asks
more often waits here first, and where Google still answers 429, with the client's growing waits.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

from ingest.collectors.google_auth import GoogleAccess
from ingest.collectors.google_grid import FIELDS
from ingest.collectors.web import WebClient, WebLimits, bearer
from shirabe.errors import Forbidden, Overloaded, Unavailable

SHEETS_URL: Final = "https://sheets.googleapis.com"
DRIVE_URL: Final = "https://www.googleapis.com"
READS_PER_MINUTE: Final = 60
Sleep = Callable[[float], Awaitable[None]]
_MINUTE_S: Final = 60.0
_MAX_ANSWER_BYTES: Final = 64_000_000
# Waits from half a second doubling to fifteen: together longer than the minute that a quota counts.
_ATTEMPTS: Final = 9
_TABS: Final = (
    "properties(title),sheets(properties(sheetId,title,sheetType,hidden,gridProperties(rowCount,columnCount)))"
)


class ReadQuota:
    """Spaces reads so that no more than `per_minute` begin within any minute."""

    def __init__(
        self,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._begun: deque[float] = deque(maxlen=per_minute)
        self._clock = clock
        self._sleep = sleep

    async def take(self) -> None:
        """Return when one more read may begin."""
        now = self._clock()
        full = len(self._begun) == self._begun.maxlen
        at = max(now, self._begun[0] + _MINUTE_S) if full else now
        # Taken before the wait, so that whoever asks next waits longer.
        self._begun.append(at)
        if at > now:
            await self._sleep(at - now)


_quotas: dict[tuple[str, str, int], ReadQuota] = {}


def quota_of(sheets_url: str, account: str, per_minute: int) -> ReadQuota:
    """Return the quota that all sources of one account share in this process."""
    return _quotas.setdefault((sheets_url, account, per_minute), ReadQuota(per_minute))


@dataclass(frozen=True, slots=True)
class DriveFile:
    """What Drive says of a file: `version` grows with every change, `modified` is when it was edited (RFC 3339)."""

    version: str
    modified: str
    trashed: bool


class GoogleClient:
    """Talks to both APIs: `async with GoogleClient(...) as google`."""

    def __init__(
        self, access: GoogleAccess, quota: ReadQuota, sheets_url: str, drive_url: str, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._access = access
        self._quota = quota
        self._sheets_url = sheets_url
        self._drive_url = drive_url
        self._sleep = sleep
        self._stack = AsyncExitStack()
        self._sheets: WebClient | None = None
        self._drive: WebClient | None = None

    async def __aenter__(self) -> Self:
        """Have a token, and open the connections. Raises: Forbidden, Unavailable, Overloaded, Timeout."""
        headers = bearer(await self._access.bearer())
        limits = WebLimits(max_bytes=_MAX_ANSWER_BYTES, attempts=_ATTEMPTS)
        private = self._access.allow_private
        self._sheets = await self._stack.enter_async_context(
            WebClient(self._sheets_url, secret_headers=headers, allow_private=private, limits=limits, sleep=self._sleep)
        )
        self._drive = await self._stack.enter_async_context(
            WebClient(self._drive_url, secret_headers=headers, allow_private=private, limits=limits, sleep=self._sleep)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._stack.aclose()

    async def file(self, spreadsheet_id: str) -> DriveFile:
        """Return what Drive says of a spreadsheet. Raises: NotFound, Forbidden, Unavailable, Overloaded, Timeout."""
        query = urlencode({"fields": "version,modifiedTime,trashed", "supportsAllDrives": "true"})
        answer = await self._get(self._drive, f"drive/v3/files/{quote(spreadsheet_id, safe='')}?{query}")
        return DriveFile(str(answer["version"]), str(answer.get("modifiedTime", "")), bool(answer.get("trashed")))

    async def tabs(self, spreadsheet_id: str) -> Mapping[str, Any]:
        """Return the title of a spreadsheet and the properties of its sheets. Raises: as `file` does."""
        return await self._spreadsheet(spreadsheet_id, {"fields": _TABS}, ())

    async def ranges(self, spreadsheet_id: str, ranges: Sequence[str]) -> Mapping[str, Any]:
        """Return the cells of ranges. Raises: as `file` does, InvalidInput when there are too many."""
        return await self._spreadsheet(spreadsheet_id, {"fields": FIELDS}, ranges)

    async def _spreadsheet(
        self, spreadsheet_id: str, parameters: Mapping[str, str], ranges: Sequence[str]
    ) -> Mapping[str, Any]:
        await self._quota.take()
        query = urlencode([*parameters.items(), *(("ranges", one) for one in ranges)])
        return await self._get(self._sheets, f"v4/spreadsheets/{quote(spreadsheet_id, safe='')}?{query}")

    async def _get(self, web: WebClient | None, path: str) -> Mapping[str, Any]:
        if web is None:
            raise RuntimeError("open the client first: `async with`")
        try:
            answer = await web.get_json(path)
        except Forbidden as error:
            # Drive answers 403 where Sheets answers 429.
            if "rate limit exceeded" in error.message.lower():
                raise Overloaded("Google's quota is used up for now", _MINUTE_S) from None
            self._access.forget_token()
            raise
        if not isinstance(answer, dict):
            raise Unavailable("Google answered something that is no object")
        return answer
