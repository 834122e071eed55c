import json
import os
from pathlib import Path
from typing import Any

import pytest
from ingest_fakes import settings_in

from ingest.ledger import Ledger
from ingest.locations import require_readable
from ingest.secrets import has_reference, secret_option, secret_text_option
from shirabe.errors import Forbidden, InvalidInput
from shirabe.types import Source

TOKEN = "ATATT3xFfGF0-secret-value"


def test_a_secret_is_read_where_its_reference_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIKI_TOKEN", TOKEN)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    for reference in ({"env": "WIKI_TOKEN"}, {"file": str(tmp_path / "token")}):
        secret = secret_option({"token": reference}, "token")
        assert secret is not None
        assert secret.get_secret_value() == TOKEN
        assert TOKEN not in f"{secret} {secret!r}"
    assert secret_option({}, "token") is None


@pytest.mark.parametrize(
    "value", [TOKEN, "", 3, ["env"], {}, {"env": ""}, {"env": 1}, {"env": "A", "file": "b"}, {"value": TOKEN}]
)
def test_a_secret_written_out_is_refused_and_not_repeated(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"options\.token.*\{env: NAME\}") as refused:
        secret_option({"token": value}, "token")
    assert TOKEN not in str(refused.value)


def test_a_reference_to_nothing_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WIKI_TOKEN", raising=False)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (tmp_path / "latin").write_bytes(b"\xe9")
    (tmp_path / "blank").write_text(" \n")
    for reference, message in (
        ({"env": "WIKI_TOKEN"}, "no variable WIKI_TOKEN"),
        ({"file": str(tmp_path / "none")}, "No such file"),
        ({"file": str(tmp_path / "pipe")}, "not a regular file"),
        ({"file": str(tmp_path)}, "Is a directory|not a regular file"),
        ({"file": str(tmp_path / "large")}, "larger"),
        ({"file": str(tmp_path / "latin")}, "UTF-8"),
        ({"file": str(tmp_path / "blank")}, "nothing"),
    ):
        with pytest.raises(InvalidInput, match=message):
            secret_option({"token": reference}, "token")
    (tmp_path / "lines").write_text(f"{TOKEN}\nX-Evil: 1")
    with pytest.raises(InvalidInput, match="one line") as refused:
        secret_text_option({"token": {"file": str(tmp_path / "lines")}}, "token")
    assert TOKEN not in str(refused.value)


def test_the_ledger_holds_the_reference_and_not_the_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIKI_TOKEN", TOKEN)
    settings = settings_in(tmp_path)
    ledger = Ledger(settings.state_dir / "ledger.sqlite")
    source = Source("wiki", "confluence", "https://wiki.example.org", options={"token": {"env": "WIKI_TOKEN"}})
    ledger.put_source(source)
    assert ledger.sources() == [source]
    ledger.close()
    stored = b"".join(path.read_bytes() for path in settings.state_dir.iterdir())
    assert b"WIKI_TOKEN" in stored
    assert TOKEN.encode() not in stored


@pytest.mark.parametrize(
    "options",
    [{"token": {"env": "HOME"}}, {"token": {"file": "/etc/passwd"}}, {"deep": [{"x": {"env": "A"}}]}],
)
def test_over_the_network_no_secret_of_this_machine_can_be_named(options: dict[str, Any]) -> None:
    assert has_reference(json.loads(json.dumps(options)))
    with pytest.raises(Forbidden, match="secrets"):
        require_readable(Source("a", "confluence", "https://93.184.216.34", options=options), [])
    with pytest.raises(Forbidden, match="allow_private"):
        require_readable(Source("a", "confluence", "https://93.184.216.34", options={"allow_private": True}), [])
    require_readable(Source("a", "confluence", "https://93.184.216.34", options={"allow_private": False}), [])
