"""A server that answers as Google's references of the Sheets API v4, the Drive API v3 and OAuth say, over real HTTP.

Field masks, ranges, quotas and errors are in the shapes that are published there; nothing of it has met Google.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

ACCOUNT: Final = "reader@project.iam.gserviceaccount.com"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_RANGE: Final = re.compile(r"^(?:'((?:[^']|'')+)'|([^'!]+))(?:!(\d+):(\d+))?$")
_JWT: Final[Any] = jwt
_EPOCH: Final = datetime(2026, 11, 20, tzinfo=UTC)

CellData = dict[str, Any]


def cell(text: str, *, number: float | None = None, **more: Any) -> CellData:
    """Return a `CellData`; `bold`, `background`, `hyperlink` and `note` as a person would set them."""
    value: dict[str, Any] = {"stringValue": text} if number is None else {"numberValue": number}
    data: CellData = {"formattedValue": text, "effectiveValue": value, "userEnteredValue": value}
    style: dict[str, Any] = {"textFormat": {"bold": bool(more.pop("bold", False)), "fontFamily": "Arial"}}
    style["backgroundColor"] = more.pop("background", {"red": 1, "green": 1, "blue": 1})
    return data | {"effectiveFormat": style} | more


@dataclass
class FakeTab:
    """One sheet: `cells` by (row, column), 0-based as the API counts."""

    sheet_id: int
    title: str
    cells: dict[tuple[int, int], CellData] = field(default_factory=dict)
    merges: list[dict[str, int]] = field(default_factory=list)
    hidden_rows: dict[int, str] = field(default_factory=dict)
    hidden: bool = False
    sheet_type: str = "GRID"
    rows: int = 1_000
    columns: int = 26
    pixels: int = 100

    def write(self, *rows: Sequence[str | float | CellData | None], top: int = 0, left: int = 0) -> None:
        """Set cells from the top left."""
        for row, values in enumerate(rows, start=top):
            for column, value in enumerate(values, start=left):
                if value is None:
                    self.cells.pop((row, column), None)
                elif isinstance(value, dict):
                    self.cells[row, column] = value
                else:
                    number = None if isinstance(value, str) else value
                    self.cells[row, column] = cell(str(value), number=number)

    def describe(self) -> dict[str, Any]:
        """Return the `SheetProperties`; what is false is left out, as the API does."""
        facts: dict[str, Any] = {"sheetId": self.sheet_id, "title": self.title, "sheetType": self.sheet_type}
        if self.sheet_type == "GRID":
            facts["gridProperties"] = {"rowCount": self.rows, "columnCount": self.columns}
        return facts | ({"hidden": True} if self.hidden else {})

    def data(self, first: int, last: int) -> dict[str, Any]:
        """Return the `GridData` of rows, 0-based and both included; blank cells at the end of rows are left out."""
        used = [place for place in self.cells if first <= place[0] <= last]
        rows = []
        for row in range(first, max((row for row, _ in used), default=first - 1) + 1):
            width = max((column for other, column in used if other == row), default=-1) + 1
            values = [self.cells.get((row, column), {}) for column in range(width)]
            rows.append({"values": values} if values else {})
        metadata = [
            {"pixelSize": 21, **({self.hidden_rows[row]: True} if row in self.hidden_rows else {})}
            for row in range(first, last + 1)
        ]
        columns = [{"pixelSize": self.pixels} for _ in range(self.columns)]
        start = {"startRow": first} if first else {}
        return start | {"rowData": rows, "rowMetadata": metadata, "columnMetadata": columns}


@dataclass
class FakeSpreadsheet:
    """A spreadsheet and what Drive says of it."""

    title: str
    tabs: list[FakeTab]
    version: int = 1
    trashed: bool = False
    shared: bool = True

    def touch(self) -> None:
        """Count a change, as Drive does for every edit, rename and move."""
        self.version += 1

    def tab(self, title: str) -> FakeTab:
        """Return the sheet of a title."""
        return next(tab for tab in self.tabs if tab.title == title)


@dataclass
class FakeGoogle:
    """The server. `faults` are answers to give first; `reads` counts what the Sheets API was asked."""

    url: str = ""
    # Of this server alone: the port may be that of one before, whose tokens are not good here.
    key_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    spreadsheets: dict[str, FakeSpreadsheet] = field(default_factory=dict)
    faults: deque[web.Response] = field(default_factory=deque)
    paths: list[str] = field(default_factory=list)
    tokens: dict[str, float] = field(default_factory=dict)
    reads_per_minute: int = 60_000
    clock: Callable[[], float] = time.monotonic
    reads: int = 0
    _window: deque[float] = field(default_factory=deque)

    def key(self) -> str:
        """Return the JSON key of the service account, as the console hands it out."""
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "project",
                "private_key_id": self.key_id,
                "private_key": _private_key(),
                "client_email": ACCOUNT,
                "token_uri": f"{self.url}/token",
            }
        )

    def options(self, **more: Any) -> dict[str, Any]:
        """Return the options of a source here, its key in the environment variable `GOOGLE_KEY`."""
        return {
            "service_account": {"env": "GOOGLE_KEY"},
            "sheets_url": self.url,
            "drive_url": self.url,
            "allow_private": True,
            "requests_per_minute": 60_000,
            **more,
        }

    async def token(self, request: web.Request) -> web.Response:
        """`POST /token`: a token for an assertion that is signed, for this address, and not outdated."""
        form = await request.post()
        try:
            claims = _JWT.decode(str(form["assertion"]), certs=_public_key(), audience=f"{self.url}/token")
            right = (
                form["grant_type"] == _GRANT and claims["iss"] == ACCOUNT and "spreadsheets.readonly" in claims["scope"]
            )
        except (ValueError, KeyError):
            right = False
        if not right:
            body = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return web.json_response(body, status=400)
        name = f"ya29.{len(self.tokens)}"
        self.tokens[name] = 3_599.0
        return web.json_response({"access_token": name, "expires_in": 3_599, "token_type": "Bearer"})

    async def file(self, request: web.Request) -> web.Response:
        """`GET /drive/v3/files/{id}`."""
        if refused := self._refused(request):
            return refused
        name = request.match_info["id"]
        found = self.spreadsheets.get(name)
        if found is None or not found.shared:
            reason = {"domain": "global", "reason": "notFound", "message": f"File not found: {name}."}
            message = f"File not found: {name}."
            return web.json_response({"error": {"errors": [reason], "code": 404, "message": message}}, status=404)
        modified = _EPOCH + timedelta(minutes=found.version)
        facts = {
            "kind": "drive#file",
            "id": name,
            "name": found.title,
            "version": str(found.version),
            "modifiedTime": modified.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "trashed": found.trashed,
        }
        return web.json_response(_masked(facts, _mask(request.query["fields"])))

    async def spreadsheet(self, request: web.Request) -> web.Response:
        """`GET /v4/spreadsheets/{id}`."""
        if refused := self._refused(request):
            return refused
        self.reads += 1
        now = self.clock()
        while self._window and self._window[0] <= now - 60:
            self._window.popleft()
        if len(self._window) >= self.reads_per_minute:
            return quota_exceeded()
        self._window.append(now)
        found = self.spreadsheets.get(request.match_info["id"])
        if found is None:
            return _error(404, "NOT_FOUND", "Requested entity was not found.")
        if not found.shared:
            return _error(403, "PERMISSION_DENIED", "The caller does not have permission")
        wanted: dict[str, list[tuple[int, int]]] = {}
        for name in request.query.getall("ranges", []):
            match = _RANGE.match(name)
            tab = found_tab(found, match) if match else None
            if match is None or tab is None:
                return _error(400, "INVALID_ARGUMENT", f"Unable to parse range: {name}")
            rows = (int(match[3]) - 1, int(match[4]) - 1) if match[3] else (0, tab.rows - 1)
            if rows[1] >= tab.rows:
                message = f"Range ({name}) exceeds grid limits. Max rows: {tab.rows}, max columns: {tab.columns}"
                return _error(400, "INVALID_ARGUMENT", message)
            wanted.setdefault(tab.title, []).append(rows)
        sheets = [
            {
                "properties": tab.describe(),
                "merges": tab.merges,
                "data": [tab.data(*rows) for rows in wanted.get(tab.title, [(0, tab.rows - 1)])],
            }
            for tab in found.tabs
            if not wanted or tab.title in wanted
        ]
        answer = {
            "spreadsheetId": request.match_info["id"],
            "properties": {"title": found.title, "locale": "ja_JP", "timeZone": "Asia/Tokyo"},
            "sheets": sheets,
        }
        return web.json_response(_masked(answer, _mask(request.query["fields"])))

    def _refused(self, request: web.Request) -> web.Response | None:
        self.paths.append(request.path)
        if self.faults:
            return self.faults.popleft()
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or token not in self.tokens:
            message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            return _error(401, "UNAUTHENTICATED", message)
        return None


def found_tab(spreadsheet: FakeSpreadsheet, match: re.Match[str]) -> FakeTab | None:
    """Return the sheet that a range names; a quote in its title is written twice."""
    title = match[1].replace("''", "'") if match[1] else match[2]
    return next((tab for tab in spreadsheet.tabs if tab.title == title), None)


def quota_exceeded() -> web.Response:
    """Return what the Sheets API answers above its quota; it says not when to come back."""
    message = (
        "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user' "
        "of service 'sheets.googleapis.com' for consumer 'project_number:123456789012'."
    )
    return _error(429, "RESOURCE_EXHAUSTED", message)


def drive_limit_exceeded() -> web.Response:
    """Return what the Drive API answers above its quota."""
    reason = {"domain": "usageLimits", "reason": "userRateLimitExceeded", "message": "User Rate Limit Exceeded"}
    body = {"error": {"code": 403, "message": "User Rate Limit Exceeded", "errors": [reason]}}
    return web.json_response(body, status=403)


@asynccontextmanager
async def fake_google() -> AsyncIterator[FakeGoogle]:
    """Serve the three APIs at one address."""
    google = FakeGoogle()
    app = web.Application()
    app.router.add_post("/token", google.token)
    app.router.add_get("/drive/v3/files/{id}", google.file)
    app.router.add_get("/v4/spreadsheets/{id}", google.spreadsheet)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    google.url = f"http://127.0.0.1:{port}"
    try:
        yield google
    finally:
        await runner.cleanup()


def _error(status: int, name: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": status, "message": message, "status": name}}, status=status)


def _mask(fields: str) -> dict[str, Any]:
    """Return a field mask as nested names: `a(b,c/d)` is {a: {b: {}, c: {d: {}}}}."""
    tokens = iter(re.findall(r"[A-Za-z]+|[(),/]", fields))
    return _names(tokens)


def _names(tokens: Iterator[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    inner = found
    for token in tokens:
        if token == ")":
            break
        if token == ",":
            inner = found
        elif token == "(":
            inner.update(_names(tokens))
        elif token != "/":
            inner[token] = {}
            inner = inner[token]
    return found


def _masked(value: Any, mask: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_masked(item, mask) for item in value]
    if not mask or not isinstance(value, dict):
        return value
    return {name: _masked(value[name], inner) for name, inner in mask.items() if name in value}


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def _private_key() -> str:
    none = serialization.NoEncryption()
    return _key().private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none).decode()


def _public_key() -> bytes:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return _key().public_key().public_bytes(serialization.Encoding.PEM, kind)
