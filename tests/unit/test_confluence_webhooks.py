"""What webhooks say, in the shapes that the vendor's documentation shows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.collectors.confluence import LookAgain, events_of, remember, snapshot_folder
from ingest.collectors.confluence.snapshot import SnapshotFolder
from shirabe.errors import Forbidden, InvalidInput
from shirabe.types import Source

SECRET = SecretStr("fake-webhook-secret")
NOW_S = 1_775_000_000.0


def signed(body: bytes, secret: str = "fake-webhook-secret") -> dict[str, str]:
    return {"X-Hub-Signature": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"}


def packed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def jwt(secret: str = "fake-webhook-secret", alg: str = "HS256", **claims: Any) -> dict[str, str]:
    said = {"iss": "client", "iat": NOW_S - 5, "exp": NOW_S + 175, "qsh": "0", **claims}
    start = f"{packed({'typ': 'JWT', 'alg': alg})}.{packed(said)}"
    mark = hmac.new(secret.encode(), start.encode(), hashlib.sha256).digest()
    return {"Authorization": f"JWT {start}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"}


def events(event: Any) -> LookAgain:
    body = json.dumps(event).encode()
    return events_of(signed(body), body, SECRET, NOW_S)


def looked(*contents: str, comments: Iterable[str] = (), attachments: Iterable[str] = ()) -> LookAgain:
    return LookAgain(frozenset(contents), frozenset(comments), frozenset(attachments))


DATA_CENTER = {"timestamp": 1775000000000, "userKey": "4028b881"}
CLOUD = {"timestamp": 1775000000000, "userAccountId": "5b10", "accountType": "customer"}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            {**DATA_CENTER, "event": "page_updated", "page": {"id": 98306}, "updateTrigger": "edit_page"},
            looked("98306"),
        ),
        ({**DATA_CENTER, "event": "page_created", "page": {"id": 1}}, looked("1")),
        ({**DATA_CENTER, "event": "page_trashed", "page": {"id": 2}}, looked("2")),
        ({**DATA_CENTER, "event": "page_removed", "page": {"id": 2}}, looked("2")),
        ({**DATA_CENTER, "event": "page_restored", "page": {"id": 2}}, looked("2")),
        (
            {**DATA_CENTER, "event": "page_moved", "page": {"id": 3}, "oldParent": {"id": 1}, "newParent": {"id": 2}},
            looked("3"),
        ),
        ({**DATA_CENTER, "event": "blog_updated", "blog": {"id": 4}}, looked("4")),
        ({**DATA_CENTER, "event": "content_permissions_updated", "content": {"id": 5}, "type": "View"}, looked("5")),
        ({**DATA_CENTER, "event": "label_added", "label": {"name": "x"}, "labeled": {"id": 6}}, looked("6")),
        ({**DATA_CENTER, "event": "comment_created", "comment": {"id": 7}}, looked(comments=["7"])),
        ({**DATA_CENTER, "event": "comment_removed", "comment": {"id": 7}}, looked(comments=["7"])),
        (
            {
                **DATA_CENTER,
                "event": "attachment_updated",
                "attachedTo": {"id": 8},
                "attachments": [{"id": 9}, {"id": 10}],
            },
            looked("8", attachments=["9", "10"]),
        ),
        ({**DATA_CENTER, "event": "space_permissions_updated", "space": {}}, LookAgain(everything=True)),
        ({**DATA_CENTER, "event": "space_removed", "space": {}}, LookAgain(everything=True)),
        ({**DATA_CENTER, "event": "space_logo_updated", "space": {}}, LookAgain()),
        ({**DATA_CENTER, "event": "group_removed", "group": "staff"}, LookAgain(everything=True)),
        ({**DATA_CENTER, "event": "user_deactivated"}, LookAgain(everything=True)),
        ({**DATA_CENTER, "event": "user_followed"}, LookAgain()),
        ({**CLOUD, "updateTrigger": "edit_page", "page": {"id": "11", "title": "t", "spaceKey": "D"}}, looked("11")),
        ({**CLOUD, "comment": {"id": "12", "parent": {"id": "13"}}}, looked("13", comments=["12"])),
        ({**CLOUD, "attachments": [{"id": "att14"}], "attachedTo": {"id": "15"}}, looked("15", attachments=["14"])),
        ({**CLOUD, "space": {"key": "D", "name": "n"}}, LookAgain(everything=True)),
        ({"test": True}, LookAgain()),
        ({"page": {"id": "../../etc"}}, LookAgain()),
        ({"page": {"id": ["1"]}, "attachments": "9", "comment": None}, LookAgain()),
        ({"attachments": [{"id": number} for number in range(2_000)]}, LookAgain(everything=True)),
    ],
)
def test_an_event_names_what_is_to_be_looked_at(event: dict[str, Any], expected: LookAgain) -> None:
    assert events(event) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature": ""},
        {"X-Hub-Signature": "sha256="},
        {"X-Hub-Signature": "sha1=0"},
        signed(b'{"page": {"id": 2}}'),
        signed(b'{"page": {"id": 1}}', "another"),
        jwt("another"),
        jwt(alg="none"),
        jwt(exp=NOW_S - 600),
        jwt(iat=NOW_S + 600),
        jwt(exp="soon"),
        {"Authorization": "JWT a.b.c"},
        {"Authorization": "JWT ..."},
        {"Authorization": "Bearer another"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic fake-webhook-secret"},
    ],
)
def test_who_does_not_know_the_secret_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden) as told:
        events_of(headers, b'{"page": {"id": 1}}', SECRET, NOW_S)
    assert SECRET.get_secret_value() not in str(told.value)


def test_an_empty_secret_opens_nothing() -> None:
    body = b'{"page": {"id": 1}}'
    with pytest.raises(Forbidden):
        events_of(signed(body, ""), body, SecretStr(""), NOW_S)
    with pytest.raises(Forbidden):
        events_of({"Authorization": "Bearer "}, body, SecretStr(""), NOW_S)


@pytest.mark.parametrize("headers", [jwt(), {"authorization": "Bearer fake-webhook-secret"}])
def test_cloud_shows_a_token_or_the_secret(headers: dict[str, str]) -> None:
    assert events_of(headers, b'{"page": {"id": 1}}', SECRET, NOW_S) == looked("1")


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b'"page"', b"[" * 100_000, b"\xff"])
def test_a_signed_body_that_is_no_event_is_told(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        events_of(signed(body), body, SECRET, NOW_S)


def test_what_was_told_waits_for_the_next_look(tmp_path: Path) -> None:
    source = Source("wiki", "confluence", "https://wiki.example.org")
    for again in (looked("1"), looked("1"), looked("2", comments=["3"]), LookAgain()):
        remember(source, tmp_path, again)
    folder = SnapshotFolder(snapshot_folder(tmp_path, "wiki", "https://wiki.example.org"))
    with pytest.raises(RuntimeError), folder.told() as notes:
        assert sorted(note["contents"] for note in notes) == [["1"], ["2"]]
        raise RuntimeError("the look failed")
    with folder.told() as notes:
        assert len(notes) == 2
    with folder.told() as notes:
        assert notes == []
