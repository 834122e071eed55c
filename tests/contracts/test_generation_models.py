"""A generation is embedded for by the model that built it, wherever that is served, and by no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from fake_embedder import FakeEmbedder
from model_servers import model_server

from opensearch.generations import Generation
from opensearch.mapping import index_meta
from ray_app.client import ModelClient
from shirabe.cli.model_servers import GenerationEmbedder, ModelServers
from shirabe.errors import InvalidInput, Unavailable
from shirabe.settings import ModelSettings
from shirabe.types import ModelInfo


@dataclass
class Rig:
    urls: dict[str, str]
    beside: list[str] = field(default_factory=list)

    def servers(self, primary: str = "first") -> ModelServers:
        client = ModelClient(self.urls[primary], 10.0)
        return ModelServers(client, self.urls[primary], ModelSettings(), lambda: self.beside)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def urls() -> AsyncIterator[dict[str, str]]:
    async with model_server("first", FakeEmbedder(32)) as first, model_server("other", FakeEmbedder(64)) as other:
        yield {"first": first, "other": other}


def built_by(name: str, dim: int, **facts: object) -> Generation:
    return Generation("x-000002", f"{name}-{dim}", {**index_meta(ModelInfo(name, "1", dim, 512), "2"), **facts})


async def test_each_generation_has_its_own_model(urls: dict[str, str]) -> None:
    rig = Rig(urls, [urls["other"]])
    servers = rig.servers()
    try:
        for name, dim in (("first", 32), ("other", 64), ("first", 32)):
            (made,) = await GenerationEmbedder(built_by(name, dim), servers).embed(["order"], "query", ["dense"])
            assert made.dense is not None and len(made.dense) == dim
    finally:
        await servers.close()


@pytest.mark.parametrize(("name", "dim", "said"), [("third", 32, "model 'third'"), ("first", 64, "dim 64, now 32")])
async def test_a_model_that_nobody_serves_is_refused_by_name(
    urls: dict[str, str], name: str, dim: int, said: str
) -> None:
    servers = Rig(urls, [urls["other"]]).servers()
    generation = built_by(name, dim)
    try:
        with pytest.raises(InvalidInput, match=f"x-000002 was built with .*{said}"):
            await servers.url_of(generation)
        # Whoever searches cannot mend that: it is a model that is missing, and the search does without.
        for asked in (
            GenerationEmbedder(generation, servers).embed(["order"], "query", ["dense"]),
            GenerationEmbedder(generation, servers).info(),
        ):
            with pytest.raises(Unavailable, match="x-000002"):
                await asked
    finally:
        await servers.close()


async def test_a_server_that_a_generation_names_is_asked_and_one_that_moves_is_found_again(
    urls: dict[str, str],
) -> None:
    rig = Rig(urls)
    servers = rig.servers()
    try:
        named = built_by("other", 64, models_url=urls["other"])
        assert await servers.url_of(named) == urls["other"]
        async with model_server("moving", FakeEmbedder(16)) as before:
            rig.beside = [before]
            embedder = GenerationEmbedder(built_by("moving", 16), servers)
            await embedder.embed(["order"], "query", ["dense"])
        with pytest.raises(Unavailable):
            await embedder.embed(["order"], "query", ["dense"])
        async with model_server("moving", FakeEmbedder(16)) as after:
            rig.beside = [after]
            assert len(await embedder.embed(["order"], "query", ["dense"])) == 1
    finally:
        await servers.close()
