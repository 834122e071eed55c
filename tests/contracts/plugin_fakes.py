"""What the tests of the plugin integration on fake clusters share: a model server's facts, install and remove."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fake_opensearch_plugins import PASSWORD, USER, FakeOpenSearch, listening
from pydantic import SecretStr

from opensearch.plugin.cluster import Cluster, open_cluster
from opensearch.plugin.facts import read_facts
from opensearch.plugin.install import Installed, install
from opensearch.plugin.outcome import Outcome
from opensearch.plugin.plan import make_plan
from opensearch.plugin.relevance import JudgedTexts
from opensearch.plugin.remove import remove
from opensearch.plugin.served import ServedModels
from shirabe.settings import OpenSearchSettings

KEY = "a-key-that-nobody-may-read"
SERVED = ServedModels(
    url="http://10.1.2.3:8000",
    name="m3-mini",
    revision="r1",
    dim=384,
    max_tokens=512,
    sparse=True,
    reranker="m3-mini-maxsim",
    reranker_revision="r1",
    private=True,
    key=SecretStr(KEY),
)
ALIAS = "shirabe-chunks"
JUDGED = JudgedTexts(ALIAS, {"注文の取消": ("c1", "c2"), "order history": ("c3",)})


@asynccontextmanager
async def opened_fake(fake: FakeOpenSearch) -> AsyncIterator[Cluster]:
    """Give a fake as a cluster."""
    cluster = open_cluster(OpenSearchSettings(url=fake.url, username=USER, password=SecretStr(PASSWORD)))
    try:
        yield cluster
    finally:
        await cluster.close()


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenSearch]:
    """Give a cluster that has every plugin."""
    one = FakeOpenSearch()
    async with listening(one):
        yield one


@pytest.fixture
async def cluster(fake: FakeOpenSearch) -> AsyncIterator[Cluster]:
    """Give that cluster as `plugin install` sees it."""
    async with opened_fake(fake) as one:
        yield one


async def put(
    cluster: Cluster,
    served: ServedModels = SERVED,
    *,
    judged: JudgedTexts | None = JUDGED,
    compared: str | None = None,
    dry_run: bool = False,
    told: list[Outcome] | None = None,
) -> tuple[list[Outcome], Installed]:
    """Install, and return what was told."""
    outcomes: list[Outcome] = [] if told is None else told
    facts = await read_facts(cluster)
    plan = make_plan(
        served,
        facts.components,
        alias=ALIAS,
        repository="backups",
        judged=judged,
        compared=compared or ALIAS,
        guarded=facts.guards_models,
    )
    return outcomes, await install(cluster, facts, plan, outcomes.append, dry_run=dry_run)


async def take_back(cluster: Cluster) -> list[Outcome]:
    """Remove, and return what was told."""
    outcomes: list[Outcome] = []
    await remove(cluster, await read_facts(cluster), outcomes.append)
    return outcomes
