"""Dashboards' saved objects over its own API: imported, and every one read back.

An import may answer that it succeeded and have written nothing, when a reference of an object leads nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from opensearch.plugin.calls import Call
from opensearch.plugin.outcome import Outcome, Tell
from opensearch.tls import tls_context, tls_trouble
from shirabe.errors import Forbidden, InvalidInput, ShirabeError, Timeout, Unavailable
from shirabe.settings import OpenSearchSettings

_TIMEOUT_S: Final = 30.0
_HEADERS: Final = {"osd-xsrf": "true"}
_KIND: Final = "saved object"


@dataclass(frozen=True, slots=True)
class SavedObject:
    """One line of an export."""

    kind: str
    ident: str
    attributes: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Where Dashboards keeps it."""
        return f"/api/saved_objects/{self.kind}/{self.ident}"

    @property
    def name(self) -> str:
        """What people and outcomes call it."""
        return f"{self.kind} {self.ident}"


def read_objects(ndjson: bytes) -> list[SavedObject]:
    """Return the objects of an export; its last line only counts them."""
    rows = [json.loads(line) for line in ndjson.splitlines() if line.strip()]
    return [SavedObject(row["type"], row["id"], row["attributes"]) for row in rows if "type" in row]


class Dashboards:
    """A Dashboards at a URL, asked as the engine's user."""

    def __init__(self, url: str, settings: OpenSearchSettings) -> None:
        auth = None
        if settings.username is not None and settings.password is not None:
            auth = httpx.BasicAuth(settings.username, settings.password.get_secret_value())
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            auth=auth,
            headers=_HEADERS,
            timeout=_TIMEOUT_S,
            verify=tls_context(settings),
            trust_env=False,
        )

    async def taken(self, ndjson: bytes) -> list[str]:
        """Return the ids of ours that stand for something that is not. Raises: Forbidden, Unavailable, Timeout."""
        found = []
        for one in read_objects(ndjson):
            there = await self._get(one)
            if there is not None and not _named_alike(one, there):
                found.append(f"the {_KIND} {one.name} is there already as {there.get('title')!r} and is not ours")
        return found

    async def install(self, ndjson: bytes, tell: Tell, *, dry_run: bool = False) -> None:
        """Import the objects that are not there as they should be, and read each one back.

        Raises: InvalidInput when one is refused, or is not there afterwards; Forbidden, Unavailable, Timeout.
        """
        objects = read_objects(ndjson)
        missing = {one.name for one in objects if not _same(one, await self._get(one))}
        call = Call("POST", "/api/saved_objects/_import?overwrite=true")
        if missing and not dry_run:
            answer = await self._ask(call.method, call.path, files={"file": ("shirabe.ndjson", ndjson)})
            if not answer.get("success"):
                errors = [f"{row.get('type')} {row.get('id')}: {row.get('error')}" for row in answer.get("errors", ())]
                raise InvalidInput(f"Dashboards refuses {'; '.join(errors) or answer}")
            # Only that each is there: Dashboards may bring an object to the form of its own version.
            if lost := [one.name for one in objects if not _named_alike(one, await self._get(one))]:
                raise InvalidInput(f"Dashboards said that it imported {', '.join(lost)}, and does not have it")
        for one in objects:
            changed = one.name in missing
            calls = (call,) if changed else ()
            tell(Outcome("made" if changed else "unchanged", _KIND, one.name, calls=calls))

    async def remove(self, ndjson: bytes, tell: Tell, *, dry_run: bool = False) -> None:
        """Take the objects away, those that refer to others first. Raises: Forbidden, Unavailable, Timeout."""
        for one in reversed(read_objects(ndjson)):
            if not _named_alike(one, await self._get(one)):
                continue
            if not dry_run:
                await self._ask("DELETE", one.path)
            tell(Outcome("removed", _KIND, one.name, calls=(Call("DELETE", one.path),)))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _get(self, one: SavedObject) -> Mapping[str, Any] | None:
        answer = await self._ask("GET", one.path)
        return None if answer is None else answer["attributes"]

    async def _ask(self, method: str, path: str, **sent: Any) -> Any:
        try:
            response = await self._http.request(method, path, **sent)
        except httpx.TimeoutException as error:
            raise Timeout("Dashboards did not answer in time") from error
        except httpx.TransportError as error:
            raise Unavailable(f"Dashboards cannot be reached: {tls_trouble(error) or error}") from error
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if not response.is_success:
            raise _refused(response, f"{method} {path}")
        try:
            return response.json()
        except ValueError as error:
            raise Unavailable("what answers there is not Dashboards") from error


def _same(one: SavedObject, there: Mapping[str, Any] | None) -> bool:
    return there is not None and all(there.get(name) == value for name, value in one.attributes.items())


def _named_alike(one: SavedObject, there: Mapping[str, Any] | None) -> bool:
    return there is not None and there.get("title") == one.attributes.get("title")


def _refused(response: httpx.Response, what: str) -> ShirabeError:
    if response.status_code in (401, 403):
        return Forbidden(f"Dashboards does not let this user {what}")
    if response.status_code in (400, 413, 422):
        return InvalidInput(f"Dashboards refuses {what}: {response.text[:300]}")
    return Unavailable(f"Dashboards answered {response.status_code} to {what}")
