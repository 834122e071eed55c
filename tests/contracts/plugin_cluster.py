"""What the tests of the plugin integration share: a cluster with it installed, and all of a cluster's state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import SecretStr

from opensearch.plugin.cluster import Cluster, open_cluster
from opensearch.plugin.facts import read_facts
from opensearch.plugin.install import Installed, install
from opensearch.plugin.outcome import Outcome
from opensearch.plugin.plan import make_plan
from opensearch.plugin.remove import remove
from opensearch.plugin.served import ServedModels, read_served
from shirabe.settings import OpenSearchSettings

ALIAS = "shirabe-chunks"
PARTS = {
    "settings": "/_cluster/settings?flat_settings=true",
    "component templates": "/_component_template",
    "index templates": "/_index_template",
    "ingest pipelines": "/_ingest/pipeline",
    "search pipelines": "/_search/pipeline",
    "scripts": "/_cluster/state/metadata?filter_path=metadata.stored_scripts",
}
KEPT_BY_ML = ("connector", "model", "model_group")
EVERYTHING = {"query": {"match_all": {}}, "size": 1000}


async def apply(
    cluster: Cluster, served: ServedModels, *, dry_run: bool = False, supersede: bool = False
) -> tuple[list[Outcome], Installed]:
    """Install, and return what was told."""
    told: list[Outcome] = []
    facts = await read_facts(cluster)
    plan = make_plan(served, facts.components, alias=ALIAS, guarded=facts.guards_models)
    return told, await install(cluster, facts, plan, told.append, dry_run=dry_run, supersede=supersede)


async def take_back(cluster: Cluster) -> list[Outcome]:
    """Remove, and return what was told."""
    told: list[Outcome] = []
    await remove(cluster, await read_facts(cluster), told.append)
    return told


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Cluster]:
    """Give a cluster."""
    cluster = open_cluster(OpenSearchSettings(url=url))
    try:
        yield cluster
    finally:
        await cluster.close()


@asynccontextmanager
async def installed(url: str, models_url: str, key: SecretStr | None = None) -> AsyncIterator[Cluster]:
    """Give a cluster with models and pipelines of a model server, and take them back in the end."""
    async with opened(url) as cluster:
        await apply(cluster, await read_served(models_url, key))
        try:
            yield cluster
        finally:
            await take_back(cluster)


async def state_of(url: str) -> dict[str, Any]:
    """Return everything that an install may change: settings, templates, pipelines, ml-commons' things, index names.

    ml-commons' own system indexes are left out: it makes them with its first connector, and keeps them.
    """
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        state = {name: (await client.get(path)).json() for name, path in PARTS.items()}
        for kind in KEPT_BY_ML:
            answer = await client.post(f"/_plugins/_ml/{kind}s/_search", json=EVERYTHING)
            state[f"{kind}s"] = sorted(row["_id"] for row in answer.json()["hits"]["hits"])
        rows = (await client.get("/_cat/indices?format=json&expand_wildcards=all")).json()
        state["indexes"] = sorted(row["index"] for row in rows if not row["index"].startswith(".plugins-ml-"))
        return state
