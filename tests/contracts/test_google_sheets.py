"""The Google Sheets collector against a server that answers as Google's references say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from fake_clock import FakeClock
from fake_google_sheets import (
    ACCOUNT,
    FakeGoogle,
    FakeSpreadsheet,
    FakeTab,
    cell,
    drive_limit_exceeded,
    fake_google,
    quota_exceeded,
)
from fake_store import InMemoryStore
from ingest_fakes import CountingEmbedder, job_in

from ingest.chunkers.sheet_grid import Grid
from ingest.collectors.glossary import GlossaryCollector
from ingest.collectors.google_api import ReadQuota
from ingest.collectors.google_sheets import GoogleSheetsCollector
from ingest.collectors.tables import open_tables
from ingest.job import SyncJob
from ingest.locations import configured_source, guess_kind, name_of, require_readable, spreadsheet_id_of
from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, Unavailable
from shirabe.types import Acl, Change, Delete, Document, Failure, Skip, Source, Upsert

ID = "1AbCdEfGhIjKlMnOpQrStUvWxYz"
LOCATION = f"https://docs.google.com/spreadsheets/d/{ID}/edit#gid=0"
MAX_BYTES = 1_000_000


@pytest_asyncio.fixture
async def google(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeGoogle]:
    async with fake_google() as server:
        monkeypatch.setenv("GOOGLE_KEY", server.key())
        server.spreadsheets[ID] = FakeSpreadsheet("受注台帳", [FakeTab(0, "エラー"), FakeTab(77, "出荷")])
        server.spreadsheets[ID].tab("エラー").write(
            ["エラー一覧"],
            [None],
            [cell(text, bold=True) for text in ("No.", "コード", "意味")],
            [1, "E1", "空"],
            [2, "E2", cell("満", note="上限", hyperlink="https://example.org/e2")],
        )
        yield server


def source_of(google: FakeGoogle, **options: Any) -> Source:
    return Source("s", "sheet", LOCATION, Acl(False, ("staff",)), google.options(**options))


def collector_of(google: FakeGoogle, clock: FakeClock | None = None, **options: Any) -> GoogleSheetsCollector:
    return GoogleSheetsCollector(source_of(google, **options), MAX_BYTES, (clock or FakeClock()).sleep)


async def read(collector: GoogleSheetsCollector) -> list[Change]:
    return [change async for change in collector.changes(None, await collector.head())]


def documents(changes: list[Change]) -> list[Document]:
    return [change.document for change in changes if isinstance(change, Upsert)]


def grid_of(document: Document) -> Grid:
    return Grid.of_plain(json.loads(document.content))


async def test_every_sheet_with_something_in_it_is_a_document(google: FakeGoogle) -> None:
    google.spreadsheets[ID].tabs += [FakeTab(5, "裏", hidden=True), FakeTab(6, "グラフ", sheet_type="OBJECT")]
    google.spreadsheets[ID].tab("裏").write(["秘密"])
    [document] = documents(await read(collector_of(google)))
    assert (document.path, document.title, document.acl) == (f"{ID}/0", "受注台帳", Acl(False, ("staff",)))
    assert document.uri == f"https://docs.google.com/spreadsheets/d/{ID}/edit#gid=0"
    assert document.updated_at.isoformat() == "2026-11-20T00:01:00+00:00"
    grid = grid_of(document)
    assert grid.name == "エラー"
    assert [cell.text for cell in grid.cells.values()] == [
        "エラー一覧",
        "No.",
        "コード",
        "意味",
        "1",
        "E1",
        "空",
        "2",
        "E2",
        "満",
    ]
    assert (grid.cells[5, 3].note, grid.cells[5, 3].link) == ("上限", "https://example.org/e2")
    assert (grid.cells[4, 1].typed, grid.cells[4, 2].typed) == (True, False)
    assert grid.cells[3, 1].look == grid.cells[3, 3].look != grid.cells[4, 1].look == 0


async def test_what_is_merged_hidden_and_narrow_is_told(google: FakeGoogle) -> None:
    tab = google.spreadsheets[ID].tab("出荷")
    tab.write(*[[f"{row}-{column}" for column in range(9)] for row in range(6)])
    tab.merges = [{"sheetId": 77, "startRowIndex": 0, "endRowIndex": 1, "startColumnIndex": 0, "endColumnIndex": 3}]
    tab.hidden_rows = {2: "hiddenByUser", 4: "hiddenByFilter"}
    tab.pixels = 21
    tab.cells[0, 0] = cell("x", background={"red": 0.8, "green": 0.9})
    grid = grid_of(documents(await read(collector_of(google)))[1])
    assert [area.cells for area in grid.merged] == ["A1:C1"]
    assert grid.hidden_rows == {3}
    assert {row for row, _ in grid.cells} == {1, 2, 4, 5, 6}
    assert grid.squared
    assert grid.cells[1, 1].look != grid.cells[1, 2].look


async def test_small_sheets_are_read_together_and_large_ones_in_parts(google: FakeGoogle) -> None:
    found = google.spreadsheets[ID]
    found.tabs += [FakeTab(100 + number, f"it's {number}!", rows=10) for number in range(20)]
    for tab in found.tabs:
        tab.write(["a", "b"], ["c", "d"])
    large = FakeTab(500, "大きい", rows=12_000)
    for row in range(0, 12_000, 1_000):
        large.write([f"行{row}", "値"], top=row)
    found.tabs.append(large)
    grids = {document.path: grid_of(document) for document in documents(await read(collector_of(google)))}
    assert len(grids) == 23
    assert [row for row, column in grids[f"{ID}/500"].cells if column == 1] == list(range(1, 12_001, 1_000))
    # The properties; two default sheets, which are too large together; twenty small ones; seven parts.
    assert google.reads <= 12


async def test_nothing_changed_asks_the_sheets_api_nothing(google: FakeGoogle) -> None:
    collector = collector_of(google)
    head = await collector.head()
    assert await collector.knows(head)
    assert [change async for change in collector.changes(head, head)] == []
    assert google.reads == 0
    assert len(google.tokens) == 1


async def test_one_token_is_enough_for_many_openings(google: FakeGoogle) -> None:
    for _ in range(3):
        await collector_of(google).head()
    assert list(google.tokens) == ["ya29.0"]
    google.tokens.clear()
    with pytest.raises(Forbidden, match="401"):
        await collector_of(google).head()
    await collector_of(google).head()


async def test_a_token_may_be_given(google: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    google.tokens["given"] = 1
    monkeypatch.setenv("TOKEN", "given")
    options = {key: value for key, value in google.options().items() if key != "service_account"}
    source = Source("s", "sheet", LOCATION, options={**options, "access_token": {"env": "TOKEN"}})
    assert documents(await read(GoogleSheetsCollector(source, MAX_BYTES)))


async def test_a_key_that_was_deleted_is_forbidden(google: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    key = json.loads(google.key())
    monkeypatch.setenv("GOOGLE_KEY", json.dumps({**key, "client_email": "other@example.org"}))
    with pytest.raises(Forbidden, match=r"the service account other@example\.org is refused") as error:
        await collector_of(google).head()
    assert "assertion" not in str(error.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"service_account": "the key itself"},
        {"service_account": {"env": "NOT_SET"}},
        {"service_account": {"env": "BAD_KEY"}},
        {"service_account": {"env": "EMPTY_KEY"}},
        {"service_account": None},
        {"access_token": {"env": "GOOGLE_KEY"}},
        {"requests_per_minute": 0},
        {"requests_per_minute": True},
        {"allow_private": "yes"},
        {"sheets_url": 5},
    ],
)
def test_options_are_checked_and_never_told(changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    google = FakeGoogle(url="http://127.0.0.1:1")
    monkeypatch.setenv("GOOGLE_KEY", google.key())
    monkeypatch.setenv("BAD_KEY", google.key().replace("BEGIN", "BEGUN"))
    monkeypatch.setenv("EMPTY_KEY", "{}")
    with pytest.raises(InvalidInput) as error:
        collector_of(google, **changed)
    assert error.value.place.startswith("options.")
    assert "PRIVATE" not in str(error.value)


async def test_a_private_address_is_refused_unless_allowed(google: FakeGoogle) -> None:
    with pytest.raises(InvalidInput, match="https"):
        await collector_of(google, allow_private=False).head()


async def test_the_quota_of_the_sheets_api_is_waited_out(google: FakeGoogle) -> None:
    clock = FakeClock()
    collector = collector_of(google, clock)
    head = await collector.head()
    google.faults.extend([quota_exceeded(), quota_exceeded(), quota_exceeded()])
    google.faults.appendleft(web.json_response({"version": "1", "modifiedTime": "2026-11-20T00:01:00.000Z"}))
    assert [document.path for document in documents([c async for c in collector.changes(None, head)])] == [f"{ID}/0"]
    assert len(clock.slept) == 3
    assert clock.slept == sorted(clock.slept)


async def test_a_quota_that_stays_used_up_ends_the_run(google: FakeGoogle) -> None:
    clock = FakeClock()
    google.reads_per_minute = 0
    google.clock = clock.now
    with pytest.raises(Overloaded):
        await read(collector_of(google, clock))
    # Long enough for the minute that Google counts.
    assert sum(clock.slept) > 30


async def test_the_quota_of_the_drive_api_is_told_from_a_refusal(google: FakeGoogle) -> None:
    google.faults.append(drive_limit_exceeded())
    with pytest.raises(Overloaded):
        await collector_of(google).head()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda: web.Response(text="<html>", content_type="text/html"), Unavailable),
        (lambda: web.json_response(["no object"]), Unavailable),
        (
            lambda: web.json_response(
                {"error": {"code": 403, "message": "The caller does not have permission"}}, status=403
            ),
            Forbidden,
        ),
    ],
)
async def test_answers_that_are_none(google: FakeGoogle, answer: Any, error: type[Exception]) -> None:
    google.faults.append(answer())
    with pytest.raises(error):
        await collector_of(google).head()


async def test_reads_are_spaced_before_google_refuses() -> None:
    clock = FakeClock()
    quota = ReadQuota(3, clock.now, clock.sleep)
    for _ in range(3):
        await quota.take()
    assert clock.slept == []
    clock.time += 20
    await quota.take()
    assert clock.slept == [40.0]
    await quota.take()
    assert clock.slept == [40.0]


async def test_a_spreadsheet_that_is_not_there_or_not_shared(google: FakeGoogle) -> None:
    google.spreadsheets[ID].shared = False
    with pytest.raises(NotFound, match=f"shared with {ACCOUNT}"):
        await read(collector_of(google))
    del google.spreadsheets[ID]
    with pytest.raises(NotFound):
        await read(collector_of(google))


async def test_a_sheet_that_is_too_large_fails_alone(google: FakeGoogle) -> None:
    google.spreadsheets[ID].tabs.append(FakeTab(9, "巨大", rows=1_000_000, columns=10))
    google.spreadsheets[ID].tabs.append(FakeTab(10, "長い"))
    google.spreadsheets[ID].tab("長い").write(["あ" * 500_000])
    changes = await read(collector_of(google))
    assert [(type(change), getattr(change, "path", ID)) for change in changes] == [
        (Upsert, ID),
        (Failure, f"{ID}/9"),
        (Skip, f"{ID}/10"),
    ]


async def test_one_sheet_can_be_asked_for(google: FakeGoogle) -> None:
    collector = collector_of(google)
    head = await collector.head()
    assert isinstance(await collector.get(f"{ID}/0", head), Upsert)
    for path in (f"{ID}/77", f"{ID}/123", "other/0", ""):
        assert await collector.get(path, head) == Delete(path)


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest_asyncio.fixture
async def job(tmp_path: Path, store: InMemoryStore) -> AsyncIterator[tuple[SyncJob, CountingEmbedder]]:
    embedder = CountingEmbedder()
    made = job_in(tmp_path, store, embedder)
    yield made, embedder
    await made.close()


async def test_a_row_that_changes_costs_its_own_chunk(
    google: FakeGoogle, job: tuple[SyncJob, CountingEmbedder], store: InMemoryStore
) -> None:
    syncing, embedder = job
    found = google.spreadsheets[ID]
    rows = [(number, f"便{number}", f"{number}時") for number in range(1, 40)]
    found.tab("出荷").write(["No.", "便", "時刻"], *rows)
    await syncing.add(source_of(google))
    first = await syncing.sync("s")
    assert (first.documents, first.failures) == (2, ())
    before = len(embedder.texts)
    found.tab("出荷").write([None, "新しい便", "25時"], top=39)
    for row in range(20, 39):
        found.tab("出荷").write([row + 1, f"便{row}", f"{row}時"], top=row + 1)
    found.tab("出荷").write([20, "割り込んだ便", "20時半"], top=20)
    found.touch()
    second = await syncing.sync("s")
    assert (second.documents, second.embedded) == (1, 1)
    assert [text.rpartition("\n")[0].split("便=")[1] for text in embedder.texts[before:]] == ["割り込んだ便"]
    found.touch()
    third = await syncing.sync("s")
    assert (third.documents, third.embedded) == (0, 0)


async def test_what_is_gone_is_taken_out(
    google: FakeGoogle, job: tuple[SyncJob, CountingEmbedder], store: InMemoryStore
) -> None:
    syncing, _ = job
    found = google.spreadsheets[ID]
    found.tab("出荷").write(["便", "時刻"], ["朝", "9時"])
    await syncing.add(source_of(google))
    await syncing.sync("s")
    assert len(await store.chunk_hashes("s")) == 3
    found.tabs = [tab for tab in found.tabs if tab.title != "出荷"]
    found.touch()
    assert (await syncing.sync("s")).deleted == 1
    assert len(await store.chunk_hashes("s")) == 2
    found.shared = False
    assert (await syncing.sync("s")).deleted == 1
    assert await store.chunk_hashes("s") == {}
    found.shared = True
    assert (await syncing.sync("s")).documents == 1
    found.trashed = True
    found.touch()
    assert (await syncing.sync("s")).deleted == 1
    assert await store.chunk_hashes("s") == {}


async def test_a_renamed_sheet_is_the_same_document(
    google: FakeGoogle, job: tuple[SyncJob, CountingEmbedder], store: InMemoryStore
) -> None:
    syncing, _ = job
    await syncing.add(source_of(google))
    await syncing.sync("s")
    before = set(await store.chunk_hashes("s"))
    google.spreadsheets[ID].tab("エラー").title = "障害"
    google.spreadsheets[ID].touch()
    await syncing.sync("s")
    assert set(await store.chunk_hashes("s")) == before
    assert (await syncing.drift("s")).outdated == ()


def test_the_address_of_a_spreadsheet_says_what_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert guess_kind(LOCATION) == "sheet"
    assert name_of(LOCATION) == "sheet-1AbCdEfGhIjK"
    assert configured_source(LOCATION, None, None, []).kind == "sheet"
    assert spreadsheet_id_of("https://docs.google.com/spreadsheets/u/0/d/1AbCdEfGhIjK") == "1AbCdEfGhIjK"
    for other in (
        "https://docs.google.com/document/d/1AbCdEfGhIjK",
        "https://evil.example.org/spreadsheets/d/1AbCdEfGhIjK",
    ):
        assert spreadsheet_id_of(other) is None
    with pytest.raises(Forbidden, match="own configuration"):
        require_readable(Source("s", "sheet", LOCATION, options={"service_account": {"file": "/etc/key"}}), [])
    monkeypatch.setenv("GOOGLE_KEY", FakeGoogle(url="https://oauth2.example.org").key())
    options = {"service_account": {"env": "GOOGLE_KEY"}, "columns": {"ja": "用語"}}
    glossary = open_tables(Source("s", "sheet", LOCATION, options=options), tmp_path, MAX_BYTES)
    assert isinstance(glossary, GlossaryCollector)
    with pytest.raises(InvalidInput, match="must be"):
        GoogleSheetsCollector(Source("s", "sheet", "https://example.org/x", options=options), MAX_BYTES)
