import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.ledger import Ledger
from ingest.ledger_following import behind, held_of
from ingest.ledger_rows import Failed, Settled
from ingest.locks import SourceLocks
from shirabe.errors import Overloaded, Unavailable
from shirabe.types import Acl, Source


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def settled(path: str, *chunks: str) -> Settled:
    return Settled(path, f"doc-{path}", "hash", "r1", "stamp", dict.fromkeys(chunks, "h"))


def test_the_file_is_its_owners_only(ledger: Ledger, tmp_path: Path) -> None:
    ledger.put_source(Source("docs", "git", "https://user:secret@example.org/r"))
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_sources_come_back_as_they_were_put(ledger: Ledger) -> None:
    source = Source("docs", "git", "/repo", Acl(False, ("staff",)), {"branch": "main", "exclude": ["a/**"]})
    ledger.put_source(source)
    ledger.put_source(Source("api", "openapi", "/api.yaml"))
    assert [item.source_id for item in ledger.sources()] == ["api", "docs"]
    assert ledger.sources()[1] == source


def test_intended_chunks_are_known_until_their_document_is_settled(ledger: Ledger) -> None:
    scope = ledger.scope("docs", "index").scope
    ledger.settle(scope, [settled("a.md", "a-0", "a-1")], [], [])
    ledger.intend(scope, [("a.md", "doc-a.md", ["a-0", "a-2"])])
    assert ledger.chunk_ids(scope, "a.md") == {"a-0", "a-1", "a-2"}
    assert ledger.entries(scope)["a.md"].pending
    ledger.settle(scope, [settled("a.md", "a-0")], [], [])
    assert ledger.chunk_ids(scope, "a.md") == {"a-0"}
    assert not ledger.entries(scope)["a.md"].pending
    assert ledger.intended(scope) == set()


def test_all_of_it_survives_the_process(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "ledger.sqlite")
    scope = first.scope("docs", "index").scope
    first.intend(scope, [("a.md", "d", ["a-0"])])
    run, _ = first.begin_run(scope)
    first.succeed(run, scope, "c1", "stamp", compared=False)
    # Not closed: a killed process closes nothing.
    second = Ledger(tmp_path / "ledger.sqlite")
    assert second.scope("docs", "index").cursor == "c1"
    assert second.entries(scope)["a.md"].pending
    first.close()
    second.close()


def test_versions_only_grow_even_when_the_clock_does_not(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = ledger.scope("docs", "index").scope
    versions = [ledger.begin_run(scope)[1]]
    monkeypatch.setattr("ingest.ledger.time.time", lambda: 1.0)
    versions += [ledger.begin_run(scope)[1] for _ in range(3)]
    assert versions == sorted(set(versions))


def test_each_index_has_its_own_scope(ledger: Ledger) -> None:
    old, new = ledger.scope("docs", "old").scope, ledger.scope("docs", "new").scope
    ledger.settle(old, [settled("a.md", "a-0")], [], [])
    assert ledger.entries(new) == {}
    assert ledger.owners("doc-a.md", "old") == [("docs", "a.md")]
    assert ledger.owners("doc-a.md", "new") == []
    ledger.forget_scopes(index_id="old")
    assert ledger.entries(old) == {}
    assert ledger.scope("docs", "new").scope == new


def test_forgetting_everything_by_accident_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="name a source"):
        ledger.forget_scopes()


def test_a_failure_goes_when_its_document_is_settled(ledger: Ledger) -> None:
    scope = ledger.scope("docs", "index").scope
    ledger.settle(scope, [], [], [Failed("a.md", "bad", "r1", "print", retry=True)])
    assert ledger.failures(scope) == {"a.md": Failed("a.md", "bad", "r1", "print", True)}
    assert [failure.reason for failure in ledger.standing(scope).failures] == ["bad"]
    ledger.settle(scope, [settled("a.md", "a-0")], [], [])
    assert ledger.failures(scope) == {}


def test_standing_counts_and_remembers_successes_only(ledger: Ledger) -> None:
    scope = ledger.scope("docs", "index").scope
    ledger.settle(scope, [settled("a.md", "a-0", "a-1"), settled("b.md", "b-0")], [], [])
    run, _ = ledger.begin_run(scope)
    ledger.end_run(run, "Unavailable")
    assert ledger.standing(scope).last_sync is None
    run, _ = ledger.begin_run(scope)
    ledger.succeed(run, scope, "c", "s", compared=False)
    standing = ledger.standing(scope)
    assert (standing.documents, standing.chunks) == (2, 3)
    assert standing.last_sync is not None


def test_a_failing_transaction_changes_nothing(ledger: Ledger) -> None:
    scope = ledger.scope("docs", "index").scope
    with pytest.raises(Unavailable):
        ledger.settle(scope, [settled("a.md", "a-0"), settled(None, "b-0")], [], [])  # type: ignore[arg-type]
    assert ledger.entries(scope) == {}
    ledger.settle(scope, [settled("a.md", "a-0")], [], [])
    assert set(ledger.entries(scope)) == {"a.md"}


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Unavailable, match="version 99"):
        Ledger(path)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database, and longer than a page header" * 100)
    with pytest.raises(Unavailable, match="cannot be opened"):
        Ledger(path)


async def test_one_holder_per_source(tmp_path: Path) -> None:
    locks, others = SourceLocks(tmp_path), SourceLocks(tmp_path)
    async with locks.hold("docs"):
        assert others.held("docs")
        async with others.hold("api"):
            pass
        with pytest.raises(Overloaded, match="already syncing"):
            async with others.hold("docs", wait_s=0):
                pass
    assert not others.held("docs")
    async with others.hold("docs"):
        pass


def test_totals_add_up_and_go_with_their_scope(ledger: Ledger) -> None:
    scope = ledger.scope("a", "i").scope
    ledger.add_totals(scope, {"chunks_written": 3, "chunks_deleted": 0})
    ledger.add_totals(scope, {"chunks_written": 2})
    assert ledger.totals(scope) == {"chunks_written": 5}
    ledger.forget_scopes(source_id="a")
    ledger.add_totals(scope, {"chunks_deleted": 5})
    assert ledger.totals(scope) == {}
    assert ledger.standing(ledger.scope("b", "i").scope).totals == {}


def test_a_ledger_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    first = Ledger(path)
    scope = first.scope("docs", "index").scope
    first.settle(scope, [settled("a.md", "a-0")], [], [])
    first.close()
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE documents DROP COLUMN facts")
    connection.execute("DROP TABLE ahead")
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    ledger = Ledger(path)
    assert ledger.entries(scope)["a.md"].content_hash == "hash"
    assert [held.facts for held in held_of(ledger, scope, ["a.md"])] == [""]
    other = ledger.scope("docs", "other").scope
    assert behind(ledger, scope, other, chunks=True).changed == ("a.md",)


def test_one_scope_is_behind_another_by_path(ledger: Ledger) -> None:
    there, here = (ledger.scope("docs", index).scope for index in ("one", "two"))
    ledger.settle(there, [settled("same.md", "s-0"), settled("new.md", "n-0"), settled("cut.md", "c-0", "c-1")], [], [])
    ledger.settle(here, [settled("same.md", "s-0"), settled("gone.md", "g-0"), settled("cut.md", "c-0")], [], [])
    ledger.intend(there, [("begun.md", "doc", ["b-0"])])
    found = behind(ledger, there, here, chunks=True)
    assert (found.changed, found.gone, found.unsure) == (("cut.md", "new.md"), ("gone.md",), ("begun.md",))
    assert behind(ledger, there, here, chunks=False).changed == ("new.md",)
    for other in (replace(settled("same.md", "s-0"), **{part: "else"}) for part in ("content_hash", "facts")):  # type: ignore[arg-type]
        ledger.settle(here, [other], [], [])
        assert behind(ledger, there, here, chunks=False).changed == ("new.md", "same.md")
    ledger.settle(here, [settled("same.md", "s-0")], [], [])
    for path in (*found.paths, "same.md"):
        assert behind(ledger, there, here, chunks=True, path=path) == found.among({path})
    assert len(found.without(found.paths)) == 0


async def test_who_holds_a_source_for_a_moment_is_waited_out_and_a_sync_is_not(tmp_path: Path) -> None:
    locks = SourceLocks(tmp_path)
    entered = asyncio.Event()

    async def moment() -> None:
        async with locks.hold_briefly("docs", 1.0):
            entered.set()
            await asyncio.sleep(0.4)

    held = asyncio.create_task(moment())
    await entered.wait()
    async with locks.hold("docs", 0.1):
        assert held.done()
        with pytest.raises(Overloaded):
            async with locks.hold_briefly("docs", 0.1):
                raise AssertionError("a sync holds it")
    async with locks.hold_generations():
        with pytest.raises(Overloaded, match="another"):
            async with locks.hold_generations():
                raise AssertionError("two at once")
