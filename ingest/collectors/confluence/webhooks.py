"""What a webhook of Confluence says is to be looked at again. The body is never believed beyond that.

Data Center signs the body (`X-Hub-Signature`); a Connect app of Cloud signs a token (`Authorization: JWT`), which is
checked for its signature and its time; an automation rule of Cloud shows the secret itself (`Authorization: Bearer`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from ingest.collectors.confluence.content import number_of
from ingest.collectors.confluence.snapshot import SnapshotFolder, snapshot_folder
from ingest.collectors.json_values import at, event_in, items, text
from ingest.webhooks import require_authentic
from shirabe.errors import Forbidden
from shirabe.types import Source

_NUMBER: Final = re.compile(r"\d{1,19}")
_MAX_IDS: Final = 1_000
_LEEWAY_S: Final = 60.0
_PAGES: Final = ("page", "blog", "content", "labeled", "attachedTo")
# Who may see what hangs on spaces and on the members of groups.
_EVERYTHING: Final = re.compile(r"space_(?!logo)|group_|user_(?:removed|deactivated|reactivated)")


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Numbers of what is to be looked at again: pages and blog posts, comments, attachments; or all there is."""

    contents: frozenset[str] = frozenset()
    comments: frozenset[str] = frozenset()
    attachments: frozenset[str] = frozenset()
    everything: bool = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.contents or self.comments or self.attachments)


def events_of(headers: Mapping[str, str], body: bytes, secret: SecretStr, now_s: float | None = None) -> LookAgain:
    """Return what a webhook says is to be looked at again. `now_s`: in place of the time, seconds since the epoch.

    Raises: Forbidden when it is not signed with the secret, InvalidInput when the body is no event.
    """
    _require_signed({name.lower(): value for name, value in headers.items()}, body, secret, now_s or time.time())
    event = event_in(body)
    name = text(event, "event") or text(event, "webhookEvent")
    if _EVERYTHING.match(name) or (not name and isinstance(event.get("space"), Mapping)):
        return LookAgain(everything=True)
    found = LookAgain(
        contents=frozenset(_pages(event)),
        comments=frozenset(_numbers(text(event, "comment", "id"))),
        attachments=frozenset(_attachments(event)),
    )
    too_many = len(found.contents) + len(found.attachments) > _MAX_IDS
    return LookAgain(everything=True) if too_many else found


def remember(source: Source, state_dir: Path, again: LookAgain) -> None:
    """Have the source's next sync look at what a webhook told of. Blocks for a file's time."""
    if not again:
        return
    note = {
        "contents": sorted(again.contents),
        "comments": sorted(again.comments),
        "attachments": sorted(again.attachments),
        "everything": again.everything,
    }
    SnapshotFolder(snapshot_folder(state_dir, source.source_id, source.location)).tell(note)


def _pages(event: Mapping[str, Any]) -> Iterator[str]:
    for name in _PAGES:
        yield from _numbers(text(event, name, "id"))
    yield from _numbers(text(event, "comment", "pageId"))
    yield from _numbers(text(event, "comment", "parent", "id"))
    yield from _numbers(text(event, "attachment", "pageId"))


def _attachments(event: Mapping[str, Any]) -> Iterator[str]:
    for one in (*items(at(event, "attachments")), *items([at(event, "attachment")])):
        yield from _numbers(number_of(text(one, "id")))


def _numbers(identifier: str) -> Iterator[str]:
    if _NUMBER.fullmatch(identifier):
        yield identifier


def _require_signed(headers: Mapping[str, str], body: bytes, secret: SecretStr, now_s: float) -> None:
    key = secret.get_secret_value().encode()
    kind, _, token = headers.get("authorization", "").partition(" ")
    if "x-hub-signature" in headers or kind not in ("JWT", "Bearer"):
        require_authentic(headers, body, secret)
    elif kind == "JWT" and not _is_valid_jwt(token.strip(), key, now_s):
        raise Forbidden("the call's token is not signed with this source's secret, or not of this time")
    elif kind == "Bearer" and not hmac.compare_digest(token.strip().encode(), key):
        raise Forbidden("the call does not show this source's secret")
    if not key:
        raise Forbidden("this source has no secret that a call could know")


def _is_valid_jwt(token: str, key: bytes, now_s: float) -> bool:
    """Tell whether a token is signed with HMAC-SHA256 and in its time. No other algorithm is taken."""
    signed, _, signature = token.rpartition(".")
    head, _, claims = signed.partition(".")
    expected = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    try:
        if not hmac.compare_digest(_unpadded(signature), expected):
            return False
        header, said = json.loads(_unpadded(head)), json.loads(_unpadded(claims))
    except (ValueError, RecursionError, binascii.Error):
        return False
    if not isinstance(said, Mapping) or not isinstance(header, Mapping) or header.get("alg") != "HS256":
        return False
    until, begun = said.get("exp"), said.get("iat", 0)
    if not isinstance(until, int | float) or not isinstance(begun, int | float):
        return False
    return begun - _LEEWAY_S <= now_s <= until + _LEEWAY_S


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
