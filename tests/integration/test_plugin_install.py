"""`plugin install` and `remove` on a real OpenSearch: what is there afterwards, and what is refused untouched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from plugin_cluster import apply, opened, state_of, take_back

from opensearch.plugin.cluster import Cluster
from opensearch.plugin.facts import read_facts
from opensearch.plugin.plan import make_plan
from opensearch.plugin.served import ServedModels, read_served
from opensearch.plugin.status import read_status
from shirabe.errors import InvalidInput

TRUSTED = "plugins.ml_commons.trusted_connector_endpoints_regex"
PRIVATE_IP = "plugins.ml_commons.connector.private_ip_enabled"


@pytest.fixture
async def served(models_url: str) -> ServedModels:
    return await read_served(models_url, None)


@pytest.fixture
async def cluster(opensearch_url: str) -> AsyncIterator[Cluster]:
    """A cluster that is, whatever a test did, as it was before."""
    before = await state_of(opensearch_url)
    async with opened(opensearch_url) as one:
        yield one
        await take_back(one)
    assert await state_of(opensearch_url) == before


@pytest.fixture
async def http(opensearch_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=opensearch_url, timeout=30, trust_env=False) as client:
        yield client


@asynccontextmanager
async def put(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> AsyncIterator[None]:
    """Put something of somebody else's, and take it away afterwards."""
    response = await http.put(path, json=body)
    assert response.is_success, response.text
    try:
        yield
    finally:
        assert (await http.delete(path)).is_success


async def test_install_is_idempotent_and_remove_leaves_the_cluster_as_it_was(
    cluster: Cluster, served: ServedModels, http: httpx.AsyncClient, opensearch_url: str
) -> None:
    before = await state_of(opensearch_url)
    planned, _ = await apply(cluster, served, dry_run=True)
    assert {one.done for one in planned} == {"made", "changed"}
    assert await state_of(opensearch_url) == before, "a dry run writes nothing"

    first, end = await apply(cluster, served)
    assert [(one.kind, one.name) for one in first] == [(one.kind, one.name) for one in planned]
    assert "roles" in end.skipped and end.advice == ()
    settings = (await http.get("/_cluster/settings?flat_settings=true")).json()["persistent"]
    assert settings[PRIVATE_IP] == "true"
    assert served.trusted_pattern in settings[TRUSTED]
    assert any("api\\.openai\\.com" in pattern for pattern in settings[TRUSTED]), "what was trusted still is"

    during = await state_of(opensearch_url)
    second, _ = await apply(cluster, served)
    assert {one.done for one in second} == {"unchanged"}
    assert await state_of(opensearch_url) == during

    facts = await read_facts(cluster)
    status = await read_status(cluster, facts, make_plan(served, facts.components, alias="shirabe-chunks"))
    assert status.whole and {row.state for row in status.rows} == {"there"}

    taken = await take_back(cluster)
    assert len(taken) == len(first)
    assert await state_of(opensearch_url) == before
    assert await take_back(cluster) == []


async def test_settings_that_were_there_come_back_and_what_others_add_meanwhile_stays(
    cluster: Cluster, served: ServedModels, http: httpx.AsyncClient
) -> None:
    theirs = ["^https://models\\.example/.*$"]
    await http.put("/_cluster/settings", json={"persistent": {TRUSTED: theirs, PRIVATE_IP: True}})
    try:
        await apply(cluster, served)
        merged = (await http.get("/_cluster/settings?flat_settings=true")).json()["persistent"][TRUSTED]
        assert merged == [*theirs, served.trusted_pattern]
        later = "^https://later\\.example/.*$"
        await http.put("/_cluster/settings", json={"persistent": {TRUSTED: [*merged, later]}})
        await take_back(cluster)
        left = (await http.get("/_cluster/settings?flat_settings=true")).json()["persistent"]
        assert left == {TRUSTED: [*theirs, later], PRIVATE_IP: "true"}
    finally:
        await http.put("/_cluster/settings", json={"persistent": {TRUSTED: None, PRIVATE_IP: None}})


async def test_pipelines_do_not_move_away_from_an_index_of_another_model_unless_told_to(
    cluster: Cluster, served: ServedModels, http: httpx.AsyncClient, opensearch_url: str
) -> None:
    tomorrow = replace(served, revision="of-tomorrow", reranker_revision="of-tomorrow")
    await apply(cluster, served)
    async with put(http, "/shirabe-text-old", {}):
        assert (await http.put("/shirabe-text-old/_doc/1?refresh=true", json={"text": "注文を取り消す"})).is_success
        vectors = (await http.get("/shirabe-text-old/_doc/1")).json()["_source"]
        before = await state_of(opensearch_url)
        said = f"shirabe-text-old holds vectors of {served.name} at revision {served.revision}"
        with pytest.raises(InvalidInput, match=f"nothing was changed: {said}.*at of-tomorrow.*--supersede"):
            await apply(cluster, tomorrow)
        assert await state_of(opensearch_url) == before
        facts = await read_facts(cluster)
        status = await read_status(cluster, facts, make_plan(tomorrow, facts.components, alias="shirabe-chunks"))
        assert not status.whole and said in status.conflicts[0]

        told, end = await apply(cluster, tomorrow, supersede=True)
        done = {(one.kind, one.name): one.done for one in told if one.done != "kept"}
        assert done["model", "shirabe-dense-passage"] == "made"
        assert done["ingest pipeline", "shirabe-text"] == "changed"
        assert [one.name for one in told if one.done == "kept" and one.kind == "model"]
        assert len(end.advice) == 1 and said in end.advice[0]
        again, _ = await apply(cluster, tomorrow)
        assert {one.done for one in again} <= {"unchanged", "kept"}, "told once, it is not asked again"
        # The server still has the old weights: it refuses, and no vector of another space gets in.
        refused = await http.put("/shirabe-text-old/_doc/2", json={"text": "注文を取り消す"})
        assert refused.status_code == 400 and "of-tomorrow" in refused.text

        # Whoever makes vectors in another way is refused too, by name; what has none is let in.
        by_hand = "/shirabe-text-old/_doc/3?pipeline=_none"
        for name in ("dense", "sparse"):
            refused = await http.put(by_hand, json={name: vectors[name]})
            assert refused.status_code == 500, refused.text
            assert f"for vectors of {served.name} at revision {served.revision}" in refused.text
            assert "at revision of-tomorrow" in refused.text
        assert (await http.put(by_hand, json={"text": "words only"})).is_success
        async with put(http, "/shirabe-text-new", {}):
            assert (await http.put("/shirabe-text-new/_doc/1?pipeline=_none", json=vectors)).is_success

        # The model of before is served again: its indexes take vectors, those of the other one do not.
        await apply(cluster, served, supersede=True)
        assert (await http.put("/shirabe-text-old/_doc/2", json={"text": "注文を取り消す"})).is_success


async def test_the_facade_s_index_of_another_model_is_told(
    cluster: Cluster, served: ServedModels, http: httpx.AsyncClient
) -> None:
    meta = {"model": "acme/m3", "model_revision": "r1"}
    aliased = {"mappings": {"_meta": meta}, "aliases": {"shirabe-chunks": {}}}
    async with put(http, "/of-the-facade-000001", aliased):
        _, end = await apply(cluster, served)
        assert len(end.advice) == 1 and end.advice[0].startswith("of-the-facade-000001 holds vectors of acme/m3")


async def test_what_somebody_changed_by_hand_is_mended(
    cluster: Cluster, served: ServedModels, http: httpx.AsyncClient
) -> None:
    await apply(cluster, served)
    mine = (await http.get("/_search/pipeline/shirabe-rrf")).json()["shirabe-rrf"]
    changed = mine | {"phase_results_processors": []}
    assert (await http.put("/_search/pipeline/shirabe-rrf", json=changed)).is_success
    model = (await http.post("/_plugins/_ml/models/_search", json={"query": {"match_all": {}}})).json()
    ident = model["hits"]["hits"][0]["_id"]
    assert (await http.post(f"/_plugins/_ml/models/{ident}/_undeploy")).is_success
    told, _ = await apply(cluster, served)
    assert [one.kind for one in told if one.done != "unchanged"] == ["model", "search pipeline"]
    assert (await http.get("/_search/pipeline/shirabe-rrf")).json()["shirabe-rrf"] == mine


THEIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "ingest pipeline": ("/_ingest/pipeline/shirabe-text", {"description": "of another team", "processors": []}),
    "search pipeline": ("/_search/pipeline/shirabe-rrf", {"description": "of another team"}),
    "index template": ("/_index_template/shirabe-text", {"index_patterns": ["nothing-*"], "template": {}}),
    "component template": ("/_component_template/shirabe-plugin", {"template": {}}),
    "rival": ("/_index_template/rival", {"index_patterns": ["shirabe-*"], "priority": 900, "template": {}}),
    "mapping": ("/shirabe-text-theirs", {"mappings": {"properties": {"dense": {"type": "keyword"}}}}),
    "dimension": (
        "/shirabe-text-wide",
        {
            "settings": {"index.knn": True},
            "mappings": {
                "properties": {
                    "dense": {"type": "knn_vector", "dimension": 8, "method": {"name": "hnsw", "engine": "lucene"}}
                }
            },
        },
    ),
}
SAID = {
    "rival": "the index template rival",
    "mapping": "shirabe-text-theirs maps dense as keyword",
    "dimension": "shirabe-text-wide holds vectors of 8 dimensions",
}


@pytest.mark.parametrize("what", THEIRS)
async def test_what_is_not_ours_is_named_and_nothing_is_changed(
    what: str, cluster: Cluster, served: ServedModels, http: httpx.AsyncClient, opensearch_url: str
) -> None:
    path, body = THEIRS[what]
    async with put(http, path, body):
        before = await state_of(opensearch_url)
        said = SAID.get(what, f"the {what} {path.rpartition('/')[2]} is there already and is not ours")
        with pytest.raises(InvalidInput, match=f"nothing was changed.*{said}"):
            await apply(cluster, served)
        assert await take_back(cluster) == [] or what in ("mapping", "dimension")
        assert await state_of(opensearch_url) == before


async def test_a_connector_of_another_under_our_name_is_refused(
    cluster: Cluster, served: ServedModels, http: httpx.AsyncClient, opensearch_url: str
) -> None:
    theirs = {
        "name": "shirabe-rerank",
        "description": "of another team",
        "version": "1",
        "protocol": "http",
        "credential": {"key": "none"},
        "parameters": {"model": "x"},
        "actions": [{"action_type": "predict", "method": "POST", "url": "https://api.openai.com/v1/x"}],
    }
    made = await http.post("/_plugins/_ml/connectors/_create", json=theirs)
    assert made.is_success, made.text
    try:
        before = await state_of(opensearch_url)
        with pytest.raises(InvalidInput, match="the connector shirabe-rerank is there already and is not ours"):
            await apply(cluster, served)
        assert await state_of(opensearch_url) == before
    finally:
        assert (await http.delete(f"/_plugins/_ml/connectors/{made.json()['connector_id']}")).is_success


async def test_a_read_only_cluster_is_left_alone(
    cluster: Cluster, served: ServedModels, http: httpx.AsyncClient, opensearch_url: str
) -> None:
    await http.put("/_cluster/settings", json={"persistent": {"cluster.blocks.read_only": True}})
    try:
        with pytest.raises(InvalidInput, match="nothing was changed: the cluster is read-only"):
            await apply(cluster, served)
    finally:
        await http.put("/_cluster/settings", json={"persistent": {"cluster.blocks.read_only": None}})


async def test_a_setting_that_could_not_take_effect_is_refused(
    cluster: Cluster, served: ServedModels, http: httpx.AsyncClient
) -> None:
    await http.put("/_cluster/settings", json={"transient": {PRIVATE_IP: False}})
    try:
        with pytest.raises(InvalidInput, match=f"{PRIVATE_IP} is set as a transient one"):
            await apply(cluster, served)
    finally:
        await http.put("/_cluster/settings", json={"transient": {PRIVATE_IP: None}})
