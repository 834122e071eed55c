"""Commits synced one by one leave what a fresh ingest leaves: not only ids and hashes, but the stored embeddings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ingest_fakes import Repository
from real_system import drop, own

from opensearch.documents import passage_weights
from opensearch.queries import MAX_QUERY_FEATURES
from shirabe.cli.compose import Parts, open_parts
from shirabe.settings import Settings
from shirabe.types import Bytes, Embedding, Floats, Principal, Query, Source, document_id

PROBES = 8
# The same text in another batch may differ in the last bits of a float, and so in a sign next to zero.
TOLERANCE = 1e-3

ORDERS = "# Orders\n\nAn order is placed once.\n\n## Cancelling\n\nAn order is cancelled before it ships.\n"
CODE = 'def allocate(stock, wanted):\n    """Reserve stock."""\n    return min(stock, wanted)\n'
GUIDE = (
    "# 受注\n\n受注番号は十二桁で、先頭の二桁は拠点を表す。\n\n## 取消\n\n出荷前に限る。\n\n## 返品\n\n三十日以内。\n"
)


@dataclass(frozen=True)
class Held:
    """What the index holds of a chunk: its hash, the dense and sparse vectors' products with probes, and its bits."""

    content_hash: str
    dense: Floats
    sparse: Floats
    bits: Bytes


@asynccontextmanager
async def opened(settings: Settings, url: str, models_url: str, checkpoint: Path) -> AsyncIterator[Parts]:
    """Give parts with an index, a ledger and an embedding cache of their own."""
    mine = own(settings)
    try:
        async with open_parts(mine, url, models_url, checkpoint) as parts:
            yield parts
    finally:
        await drop(url, mine.opensearch.alias)


async def held(parts: Parts, probes: list[Embedding]) -> dict[str, Held]:
    """Read back everything stored for the source. A vector's products with several random ones tell it from others."""
    hashes = await parts.store.chunk_hashes("docs")
    ids = sorted(hashes)
    query = Query("", principal=Principal())
    scores = [await parts.store.scores(ids, query, probe) for probe in probes]
    stored = await parts.store.fetch(ids, query, probes[0])
    assert [item.chunk.chunk_id for item in stored] == ids
    found = {}
    for item in stored:
        name = item.chunk.chunk_id
        assert item.bits is not None
        found[name] = Held(
            hashes[name],
            np.array([score["dense"][name] for score in scores], np.float32),
            np.array([score["sparse"].get(name, 0.0) for score in scores], np.float32),
            item.bits,
        )
    return found


async def probes_for(parts: Parts, texts: list[str]) -> list[Embedding]:
    """Return random dense directions, and random weights over the features that the texts have."""
    random = np.random.default_rng(7)
    dim = (await parts.models.info()).dim
    embeddings = await parts.models.embed(texts, "passage", ["sparse"])
    tokens = sorted({int(token) for one in embeddings for token in passage_weights(one.sparse or {})})
    probes = []
    for features in np.array_split(random.permutation(tokens), max(PROBES, len(tokens) // MAX_QUERY_FEATURES + 1)):
        direction = random.standard_normal(dim).astype(np.float32)
        sizes = random.uniform(1, 2, len(features))
        weights = {int(token): float(weight) for token, weight in zip(features, sizes, strict=True)}
        probes.append(Embedding(dense=direction / np.linalg.norm(direction), sparse=weights))
    return probes


async def texts_of(parts: Parts, paths: list[str]) -> list[str]:
    documents = [await parts.store.document(document_id("docs", path), Principal()) for path in paths]
    return [item.chunk.embedded_text for items in documents for item in items]


def assert_same(ours: dict[str, Held], fresh: dict[str, Held]) -> None:
    assert {name: one.content_hash for name, one in ours.items()} == {
        name: one.content_hash for name, one in fresh.items()
    }
    for name, one in ours.items():
        other = fresh[name]
        np.testing.assert_allclose(one.dense, other.dense, atol=TOLERANCE / 10, err_msg=name)
        np.testing.assert_allclose(one.sparse, other.sparse, rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)
        assert one.bits.shape == other.bits.shape, name
        assert np.unpackbits(one.bits ^ other.bits).mean() < TOLERANCE, name


async def test_commits_one_by_one_leave_the_embeddings_of_a_fresh_ingest(
    settings: Settings, opensearch_url: str, models_url: str, checkpoint: Path, tmp_path: Path
) -> None:
    repository = Repository(tmp_path / "repository")
    source = Source("docs", "git", str(repository.path))

    async def compare(ours: Parts) -> None:
        async with opened(settings, opensearch_url, models_url, checkpoint) as fresh:
            await fresh.job.add(source)
            assert (await fresh.job.sync("docs")).failures == ()
            paths = repository.git("ls-files", "-z").strip("\0").split("\0")
            texts = await texts_of(fresh, paths)
            probes = await probes_for(fresh, texts)
            wanted = await held(fresh, probes)
            assert len(wanted) == len(texts)
            assert_same(await held(ours, probes), wanted)
            products = {one.dense.tobytes() for one in wanted.values()}
            assert len(products) == len(wanted), "the probes tell every two chunks apart"

    async with opened(settings, opensearch_url, models_url, checkpoint) as parts:
        await parts.job.add(source)
        repository.commit(
            {"orders.md": ORDERS, "ja/受注.md": GUIDE, "src/stock.py": CODE, "old.md": "# Old\n\nGone soon.\n"}
        )
        first = await parts.job.sync("docs")
        assert first.embedded == first.chunks == 7

        repository.commit({"orders.md": ORDERS.replace("before it ships", "until it is packed")})
        assert (await parts.job.sync("docs")).embedded == 1

        (repository.path / "old.md").unlink()
        repository.commit({"src/stock.py": f'"""Stock."""\n\n\n{CODE}'})
        assert (await parts.job.sync("docs")).deleted == 1

        (repository.path / "orders.md").rename(repository.path / "ordering.md")
        (repository.path / "ja/受注.md").write_text(
            GUIDE.replace("## 取消\n\n出荷前に限る。\n\n", ""), encoding="utf-8"
        )
        repository.commit({"ja/new.md": "# 出荷\n\n冷凍便の締め切りは午前九時。\n"})
        assert (await parts.job.sync("docs")).failures == ()
        await compare(parts)

        repository.git("reset", "--quiet", "--hard", "HEAD~2")
        repository.commit(
            {"orders.md": ORDERS.replace("placed once", "placed twice"), "ja/受注.md": GUIDE + "\n送料は無料。\n"}
        )
        assert (await parts.job.sync("docs")).failures == ()
        await compare(parts)
        assert (await parts.job.sync("docs")).embedded == 0
