"""Query sets, judgments and search configurations, as the Search Relevance Workbench takes and keeps them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from fake_opensearch_plugins import FakeOpenSearch, listening
from fake_workbench import MOST
from plugin_fakes import ALIAS, JUDGED, cluster, put, take_back

from opensearch.plugin.cluster import Cluster
from opensearch.plugin.judged import compared_index, judged_texts
from shirabe.errors import InvalidInput

__all__ = ["cluster"]


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenSearch]:
    one = FakeOpenSearch(indexes={f"{ALIAS}-000007": {}}, aliases={ALIAS: f"{ALIAS}-000007"})
    async with listening(one):
        yield one


async def test_judgments_of_others_under_names_like_ours_stay(fake: FakeOpenSearch, cluster: Cluster) -> None:
    theirs = {"name": "shirabe-judged", "type": "IMPORT_JUDGMENT", "status": "COMPLETED", "judgmentRatings": []}
    fake.kept["judgments"] = {"theirs": theirs}
    await put(cluster)
    assert len(fake.kept["judgments"]) == 2
    outcomes, _ = await put(cluster)
    assert {one.done for one in outcomes} == {"unchanged"}
    await take_back(cluster)
    assert fake.kept["judgments"] == {"theirs": theirs}


async def test_judgments_that_came_to_nothing_are_made_anew(fake: FakeOpenSearch, cluster: Cluster) -> None:
    await put(cluster)
    [(ident, body)] = fake.kept["judgments"].items()
    fake.kept["judgments"][ident] = body | {"status": "ERROR", "judgmentRatings": []}
    outcomes, _ = await put(cluster)
    assert [one.kind for one in outcomes if one.done == "changed"] == ["judgment list"]
    assert [one["status"] for one in fake.kept["judgments"].values()] == ["COMPLETED"]


@pytest.mark.parametrize("kind", ["query_sets", "judgments", "search_configurations"])
async def test_a_first_write_that_comes_before_its_index_is_sent_again(
    kind: str, fake: FakeOpenSearch, cluster: Cluster
) -> None:
    fake.slow = {kind}
    await put(cluster)
    assert fake.slow == set() and [len(fake.kept[one]) for one in ("query_sets", "judgments")] == [1, 1]
    assert len(fake.kept["search_configurations"]) == 4


async def test_more_than_the_workbench_holds_is_refused_before(fake: FakeOpenSearch, cluster: Cluster) -> None:
    many = replace(JUDGED, ratings={f"query {number}": ("c1",) for number in range(1_001)})
    with pytest.raises(InvalidInput, match=rf"1001 judged queries are more than the 1000 that {MOST} allows"):
        await put(cluster, judged=many)
    wide = replace(JUDGED, ratings={"query": tuple(f"c{number}" for number in range(10_000))})
    with pytest.raises(InvalidInput, match="10001 judged queries and documents are more than the 10000"):
        await put(cluster, judged=wide)
    assert fake.writes == []
    fake.settings["persistent"][MOST] = "1001"
    await put(cluster, judged=many)
    await put(cluster, judged=replace(JUDGED, ratings={"query": wide.ratings["query"][1:]}))
    assert [one["status"] for one in fake.kept["judgments"].values()] == ["COMPLETED"]


async def test_a_text_that_the_workbench_takes_apart_is_left_out(fake: FakeOpenSearch, cluster: Cluster) -> None:
    fake.held = {"c1": "a.md"}
    rows = [(text, ("a.md",)) for text in ("what is C# for", "error: no such file", "注文：取消")]
    judged = await judged_texts(cluster, ALIAS, rows)
    assert judged.left_out == ("what is C# for", "error: no such file")
    await put(cluster, judged=judged)
    [held] = fake.kept["query_sets"].values()
    assert held["querySetQueries"] == [{"queryText": "注文：取消"}]


@pytest.mark.parametrize("version", ["3.6.0", "3.8.0"])
async def test_what_is_compared_is_the_index_behind_the_alias(
    version: str, fake: FakeOpenSearch, cluster: Cluster
) -> None:
    fake.version = version
    index = await compared_index(cluster, ALIAS)
    await put(cluster, judged=None, compared=index)
    assert {one["index"] for one in fake.kept["search_configurations"].values()} == {f"{ALIAS}-000007"}
    assert await compared_index(cluster, "elsewhere") is None
    with pytest.raises(InvalidInput, match="stands for several indexes: one, two"):
        fake.indexes |= {"one": {}, "two": {}}
        await compared_index(cluster, "one,two")
