"""Plans are packed into batches, and a document is settled when every part of it was acknowledged, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ingest_fakes import CountingEmbedder, FailingStore, Killed, Repository, job_in

from ingest.batch import MAX_DELETES, MAX_PARTS, Batch, Packer
from ingest.ledger import Ledger
from ingest.ledger_rows import Failed
from ingest.models import Models
from ingest.pipeline import embed_batch, write_batch
from ingest.plan import Plan, Tally
from ingest.settlement import Settlement, intents_of
from shirabe.types import Document, Source, document_id, make_chunk

VERSION = 7


def plan(path: str, chunks: int, orphans: int = 0, *, gone: bool = False) -> Plan:
    document = Document(
        doc_id=document_id("docs", path),
        source_id="docs",
        path=path,
        uri=path,
        title=path,
        content=b"",
        media_type="text/plain",
        revision="r1",
        updated_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    made = [
        make_chunk(document, number, kind="text", text=f"{path} {number}", locator=path, lang="en")
        for number in range(chunks)
    ]
    names = tuple(f"{document.doc_id}-old{number:05d}" for number in range(orphans))
    return Plan(path, document.doc_id, None if gone else document, f"hash of {path}", tuple(made), names)


def packed(plans: list[Plan], batch_chunks: int) -> list[Batch]:
    packer = Packer(batch_chunks)
    return [*(batch for item in plans for batch in packer.add(item)), *packer.rest()]


def one(embedder: CountingEmbedder) -> Models:
    return Models(embedder, embedder)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def test_batches_hold_at_most_so_many_chunks_and_every_part_once() -> None:
    plans = [plan("a", 3), plan("b", 10), plan("c", 0), plan("d", 1)]
    batches = packed(plans, 4)
    assert max(len(batch.chunks) for batch in batches) == 4
    assert [chunk.embedded_text for batch in batches for chunk in batch.chunks] == [
        chunk.embedded_text for item in plans for chunk in item.chunks
    ]
    for item in plans:
        parts = [part for batch in batches for part in batch.parts if part.path == item.path]
        assert [part.number for part in parts] == list(range(len(parts)))
        assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]


def test_what_is_new_goes_in_before_what_is_old_goes_out() -> None:
    batches = packed([plan("a", 5, MAX_DELETES + 1)], 2)
    assert [(len(batch.chunks), len(batch.orphans)) for batch in batches] == [(2, 0), (2, 0), (1, MAX_DELETES), (0, 1)]


def test_many_documents_without_chunks_do_not_wait_for_ever() -> None:
    batches = packed([plan(str(number), 0) for number in range(MAX_PARTS + 1)], 64)
    assert [len(batch.parts) for batch in batches] == [MAX_PARTS, 1]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (2, 1, 0)])
async def test_a_document_is_settled_with_its_last_part(ledger: Ledger, order: tuple[int, ...]) -> None:
    store, embedder, tally = FailingStore(), CountingEmbedder(), Tally()
    scope = ledger.scope("docs", "index").scope
    settlement = Settlement(ledger, scope, "stamp", tally)
    batches = packed([plan("a", 5)], 2)
    work = await settlement.begin("a", batches[0].parts[0].doc_id, batches[0].parts[0].document)
    assert (work.held, settlement.open) == ((), 1)
    for batch in batches:
        await settlement.intend(intents_of(batch))
    written = [await write_batch(batch, await embed_batch(batch, one(embedder)), store, VERSION) for batch in batches]
    done = [await settlement.acknowledge(written[number]) for number in order]
    assert done == [[], [], ["a"]]
    assert (settlement.open, tally.documents, tally.chunks) == (0, 1, 5)
    assert not ledger.entries(scope)["a"].pending
    assert ledger.intended(scope) == set()
    assert set(ledger.chunks(scope)) == set(await store.held("docs"))


async def test_a_part_that_is_missing_leaves_the_document_pending_and_its_chunks_known(ledger: Ledger) -> None:
    store, embedder, tally = FailingStore(), CountingEmbedder(), Tally()
    scope = ledger.scope("docs", "index").scope
    settlement = Settlement(ledger, scope, "stamp", tally)
    batches = packed([plan("a", 5)], 2)
    await settlement.intend(intents_of(batches[0]))
    written = await write_batch(batches[0], await embed_batch(batches[0], one(embedder)), store, VERSION)
    assert await settlement.acknowledge(written) == []
    assert ledger.entries(scope)["a"].pending
    assert ledger.chunk_ids(scope, "a") == set(await store.held("docs"))


async def test_refused_parts_fail_the_document_and_it_is_tried_again(ledger: Ledger) -> None:
    store, embedder, tally = FailingStore(), CountingEmbedder(), Tally()
    scope = ledger.scope("docs", "index").scope
    settlement = Settlement(ledger, scope, "stamp", tally)
    batches = packed([plan("a", 3), plan("b", 1)], 2)
    store.refused = {batches[1].parts[0].chunks[0].chunk_id}
    for batch in batches:
        await settlement.intend(intents_of(batch))
        await settlement.acknowledge(await write_batch(batch, await embed_batch(batch, one(embedder)), store, VERSION))
    assert [failure.path for failure in tally.failures] == ["a"]
    assert (tally.documents, tally.chunks) == (1, 3)
    assert ledger.failures(scope)["a"].retry


async def test_failed_documents_are_no_longer_open(ledger: Ledger) -> None:
    tally = Tally()
    settlement = Settlement(ledger, ledger.scope("docs", "index").scope, "stamp", tally)
    await settlement.begin("a", "id", None)
    await settlement.fail([Failed("a", "broken")])
    assert (settlement.open, [failure.reason for failure in tally.failures]) == (0, ["broken"])


def pages(repository: Repository, number: int) -> None:
    text = "# {0}\n\n## One\n\n{0} says this.\n\n## Two\n\n{0} says that.\n"
    repository.commit({f"{name:02d}.md": text.format(f"page{name}") for name in range(number)})


async def test_a_full_run_that_was_killed_is_continued_and_a_new_one_starts_over(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repo")
    pages(repository, 12)
    store = FailingStore()
    job = job_in(tmp_path, store, CountingEmbedder())
    await job.add(Source("docs", "git", str(repository.path)))
    whole = await job.sync("docs")
    before = store.bulks
    await job.sync("docs", full=True)
    bulks = store.bulks - before
    store.dies_at = store.bulks + bulks // 2 + 1
    with pytest.raises(Killed):
        await job.sync("docs", full=True)
    held = await store.held("docs")
    store._written.clear()  # whatever is written again can be told from what is not
    continued = await job.sync("docs")
    assert 0 < continued.documents < whole.documents
    assert set(await store.held("docs")) < set(held)
    again = await job.sync("docs", full=True)
    assert again.documents == whole.documents
    assert await store.held("docs") == held
    await job.close()
