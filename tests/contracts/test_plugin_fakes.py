"""`plugin install` on a cluster that has every plugin, and on clusters where something is wrong."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from fake_ml_commons import MODEL_ACCESS
from fake_opensearch_plugins import COMPONENTS, PASSWORD, USER, FakeOpenSearch
from plugin_fakes import ALIAS, JUDGED, KEY, SERVED, cluster, fake, put, take_back
from pydantic import SecretStr

from opensearch.plugin.cluster import Cluster, open_cluster
from opensearch.plugin.facts import read_facts
from opensearch.plugin.judged import judged_texts
from opensearch.plugin.outcome import Outcome
from opensearch.plugin.plan import make_plan
from opensearch.plugin.status import read_status
from opensearch.store import open_store
from shirabe.errors import Forbidden, InvalidInput, Unavailable
from shirabe.settings import OpenSearchSettings
from shirabe.types import ModelInfo

__all__ = ["cluster", "fake"]


def left(fake: FakeOpenSearch) -> dict[str, Any]:
    return {kind: things for kind, things in fake.kept.items() if things}


async def test_everything_is_installed_once_and_taken_back_whole(fake: FakeOpenSearch, cluster: Cluster) -> None:
    before = deepcopy(fake.settings)
    outcomes, end = await put(cluster)
    assert end.skipped == {}
    done = {(one.kind, one.name) for one in outcomes}
    for kind, name in (
        ("role", "shirabe-writer"),
        ("role", "shirabe-reader"),
        ("role", "shirabe-dashboards"),
        ("index state policy", "shirabe-logs"),
        ("snapshot policy", "shirabe-daily"),
        ("query set", "shirabe-judged"),
        ("judgment list", "shirabe-judged"),
        ("search configuration", "shirabe-rrf-rerank"),
    ):
        assert (kind, name) in done
    assert fake.settings["persistent"]["plugins.search_relevance.workbench_enabled"] == "true"

    held, writes = deepcopy(fake.kept), len(fake.writes)
    again, _ = await put(cluster)
    assert {one.done for one in again} == {"unchanged"}
    assert (fake.kept, len(fake.writes)) == (held, writes), "a second run writes nothing"

    await take_back(cluster)
    assert left(fake) == {} and fake.settings == before


async def test_a_dry_run_prints_the_calls_and_sends_none_that_writes(fake: FakeOpenSearch, cluster: Cluster) -> None:
    planned, _ = await put(cluster, dry_run=True)
    assert fake.writes == []
    printed = json.dumps([one.plain() for one in planned], ensure_ascii=False)
    assert KEY not in printed and PASSWORD not in printed
    calls = [f"{call['method']} {call['path'].partition('?')[0]}" for one in planned for call in one.plain()["calls"]]
    await put(cluster)
    assert calls == fake.writes, "what was printed is what is sent"
    assert {"key": KEY} in fake.secrets, "the connectors got the key"


async def test_where_models_are_guarded_ours_are_everybody_s(fake: FakeOpenSearch, cluster: Cluster) -> None:
    fake.settings["persistent"][MODEL_ACCESS] = "true"
    await put(cluster)
    (group,) = fake.kept["model_groups"].values()
    assert group["access"] == "public", "else only who installed them could search by them"
    group["access"] = "private"
    planned, _ = await put(cluster, dry_run=True)
    assert [one.name for one in planned if one.done != "unchanged"] == ["shirabe-models"]
    assert group["access"] == "private"
    done, _ = await put(cluster)
    assert [one.done for one in done] == [one.done for one in planned] and group["access"] == "public"
    fake.settings["persistent"][MODEL_ACCESS] = "false"
    again, _ = await put(cluster)
    assert {one.done for one in again} == {"unchanged"}


async def test_what_changes_is_changed_in_place_or_replaced(fake: FakeOpenSearch, cluster: Cluster) -> None:
    await put(cluster)
    fake.kept["_ism"]["shirabe-logs"]["body"]["default_state"] = "deleted"
    fake.kept["_sm"]["shirabe-daily"]["body"]["enabled"] = False
    fake.kept["role"]["shirabe-reader"]["cluster_permissions"].append("cluster_all")
    outcomes, _ = await put(cluster, judged=replace(JUDGED, ratings={"order history": ("c4",)}))
    changed = {(one.kind, one.name) for one in outcomes if one.done == "changed"}
    assert changed == {
        ("index state policy", "shirabe-logs"),
        ("snapshot policy", "shirabe-daily"),
        ("role", "shirabe-reader"),
        ("query set", "shirabe-judged"),
        ("judgment list", "shirabe-judged"),
    }
    assert [len(fake.kept[kind]) for kind in ("query_sets", "judgments")] == [1, 1], "the old ones are gone"
    assert fake.kept["_ism"]["shirabe-logs"]["body"]["default_state"] == "kept"


@pytest.mark.parametrize(
    "lacking", ["opensearch-security", "opensearch-index-management", "opensearch-search-relevance"]
)
async def test_what_a_cluster_lacks_is_said_and_left_out(lacking: str, fake: FakeOpenSearch, cluster: Cluster) -> None:
    fake.components = tuple(name for name in COMPONENTS if name != lacking)
    outcomes, end = await put(cluster)
    assert [reason for reason in end.skipped.values() if lacking in reason]
    assert ("role" in {one.kind for one in outcomes}) == (lacking != "opensearch-security")
    facts = await read_facts(cluster)
    plan = make_plan(SERVED, facts.components, alias=ALIAS, repository="backups", judged=JUDGED)
    status = await read_status(cluster, facts, plan)
    assert status.whole and status.skipped == end.skipped


@pytest.mark.parametrize(
    "lacking", ["opensearch-ml", "opensearch-neural-search", "opensearch-knn", "analysis-kuromoji"]
)
async def test_without_what_is_needed_nothing_is_done(lacking: str, fake: FakeOpenSearch, cluster: Cluster) -> None:
    fake.components = tuple(name for name in COMPONENTS if name != lacking)
    with pytest.raises(InvalidInput, match=f"nothing was changed: the plugin {lacking} is not on every node"):
        await put(cluster)
    assert fake.writes == []


@pytest.mark.parametrize(("distribution", "version"), [("opensearch", "3.5.0"), ("elasticsearch", "8.14.0")])
async def test_an_older_or_another_engine_is_refused(
    distribution: str, version: str, fake: FakeOpenSearch, cluster: Cluster
) -> None:
    fake.distribution, fake.version = distribution, version
    with pytest.raises(InvalidInput, match=f"nothing was changed: this is {distribution} {version}; needs .* >= 3.6"):
        await put(cluster)
    assert fake.writes == []
    status = await read_status(cluster, await read_facts(cluster), None)
    assert not status.whole and "needs OpenSearch >= 3.6" in status.conflicts[0]


async def test_nor_does_the_store_use_one_or_one_that_does_not_know_us(fake: FakeOpenSearch) -> None:
    settings, model = OpenSearchSettings(url=fake.url, timeout_s=5.0), ModelInfo("acme/m3", "r1", 8, 512)
    with pytest.raises(Unavailable, match="does not know our user or password"):
        await open_store(settings, model)
    known = settings.model_copy(update={"username": USER, "password": SecretStr(PASSWORD)})
    fake.distribution, fake.version = "opensearch", "3.5.0"
    with pytest.raises(InvalidInput, match=r"this is opensearch 3.5.0; needs .* >= 3.6"):
        await open_store(known, model)
    fake.version, fake.forbidden = "3.6.0", {("GET", "/shirabe-chunks")}
    with pytest.raises(Unavailable, match=r"does not grant our user the right.*no permissions"):
        await open_store(known, model)
    assert fake.writes == []


@pytest.mark.parametrize(
    "right",
    [
        ("GET", "/_cluster/settings"),
        ("POST", "/_plugins/_ml/connectors/_search"),
        ("GET", "/_plugins/_security/api/roles"),
        ("PUT", "/_component_template"),
    ],
)
async def test_without_the_rights_nothing_is_changed(
    right: tuple[str, str], fake: FakeOpenSearch, cluster: Cluster
) -> None:
    fake.forbidden = {right}
    with pytest.raises(Forbidden, match=f"this user may not {right[0]} {right[1]}.*[Nn]o permission"):
        await put(cluster)
    assert left(fake) == {} and fake.settings["persistent"] == {}


FLOOD_STAGE = {
    "12": {"description": "disk usage exceeded flood-stage watermark, index has read-only-allow-delete block"}
}


@pytest.mark.parametrize(
    ("blocked", "said"),
    [
        ({"global": {"6": {"description": "cluster read-only (api)"}}}, "cluster read-only"),
        ({"indices": {".plugins-ml-model": FLOOD_STAGE}}, ".plugins-ml-model: disk usage exceeded flood-stage"),
    ],
)
async def test_what_may_not_be_written_is_known_before(
    blocked: dict[str, Any], said: str, fake: FakeOpenSearch, cluster: Cluster
) -> None:
    fake.blocked = blocked
    with pytest.raises(InvalidInput, match=f"nothing was changed: the cluster is read-only: {said}"):
        await put(cluster)
    assert fake.writes == []
    fake.blocked = {"indices": {"logs-of-others": FLOOD_STAGE}}
    await put(cluster)


@pytest.mark.parametrize("path", ["/_component_template/{name}", "/_plugins/_security/api/roles", "/_nodes/plugins"])
async def test_an_answer_that_makes_no_sense_is_no_crash(path: str, fake: FakeOpenSearch, cluster: Cluster) -> None:
    fake.nonsense = path.partition("{")[0]
    with pytest.raises(Unavailable, match=r"not understood|not an OpenSearch"):
        await put(cluster)
    assert fake.writes == []


async def test_an_unknown_user_is_told_so(fake: FakeOpenSearch) -> None:
    nobody = open_cluster(OpenSearchSettings(url=fake.url))
    try:
        with pytest.raises(Forbidden, match="does not know this user or password"):
            await read_facts(nobody)
    finally:
        await nobody.close()


async def test_a_run_that_broke_off_tells_what_it_did_and_the_next_goes_on(
    fake: FakeOpenSearch, cluster: Cluster
) -> None:
    fake.broken = {("PUT", "/_search/pipeline")}
    told: list[Outcome] = []
    with pytest.raises(Unavailable, match=r"\d+ writes were done before; the same command goes on") as caught:
        await put(cluster, told=told)
    assert KEY not in str(caught.value)
    assert {one.done for one in told} == {"made", "changed"} and told[-1].kind == "ingest pipeline"
    fake.broken = set()
    outcomes, _ = await put(cluster)
    assert [one.done for one in outcomes[: len(told)]] == ["unchanged"] * len(told)
    assert outcomes[len(told)].done == "made"
    fake.broken = {("DELETE", "/_plugins/_ml/models")}
    with pytest.raises(Unavailable):
        await take_back(cluster)
    fake.broken = set()
    await take_back(cluster)
    assert left(fake) == {} and fake.settings["persistent"] == {}, "the settings are remembered to the end"


THEIRS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "role": ("role", "shirabe-writer", {"cluster_permissions": ["*"]}),
    "index state policy": ("_ism", "shirabe-logs", {"seq": 1, "body": {"policy_id": "shirabe-logs"}}),
    "snapshot policy": ("_sm", "shirabe-daily", {"seq": 1, "body": {"name": "shirabe-daily"}}),
    "model": ("models", "x", {"name": "shirabe-rerank", "description": "of another", "model_state": "DEPLOYED"}),
    "model group": ("model_groups", "x", {"name": "shirabe-models", "description": "of another"}),
}


@pytest.mark.parametrize("kind", THEIRS)
async def test_a_name_of_ours_that_is_another_s_is_refused(kind: str, fake: FakeOpenSearch, cluster: Cluster) -> None:
    shelf, name, body = THEIRS[kind]
    fake.kept[shelf] = {name: body}
    shown = body.get("name", name)
    with pytest.raises(InvalidInput, match=f"nothing was changed: the {kind} {shown} is there already and is not ours"):
        await put(cluster)
    assert fake.writes == []
    await take_back(cluster)
    assert fake.kept[shelf] == {name: body}, "nor is it taken away"


async def test_judged_queries_become_judgments_of_what_the_index_holds(fake: FakeOpenSearch, cluster: Cluster) -> None:
    fake.held = {"c1": "a.md", "c2": "a.md", "c3": "b.md"}
    judged = [("取消", ("a.md",)), ('a "quoted" one', ("a.md",)), ("of a page that is not here", ("z.md",))]
    found = await judged_texts(cluster, "shirabe-chunks", judged)
    assert found.ratings == {"取消": ("c1", "c2")}
    assert found.left_out == ('a "quoted" one', "of a page that is not here")
    with pytest.raises(InvalidInput, match="holds none of the documents"):
        await judged_texts(cluster, "shirabe-chunks", [("x", ("z.md",))])
