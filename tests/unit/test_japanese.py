"""Which of kuromoji and Sudachi cuts the Japanese of a generation, and what the analyses are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import AuthorizationException
from pydantic import ValidationError

from opensearch.analysis import KUROMOJI, READING, analysis
from opensearch.japanese_choice import choose_japanese
from opensearch.mapping import index_body
from opensearch.shape import Shape, recorded_shape
from shirabe.errors import Forbidden, InvalidInput
from shirabe.settings import Japanese, OpenSearchSettings, load_settings
from shirabe.types import ModelInfo

ALL_ROLES = ["cluster_manager", "data", "ingest", "remote_cluster_client"]
WITH = ("analysis-kuromoji", "analysis-sudachi")
WITHOUT = ("analysis-kuromoji",)


@dataclass
class Nodes:
    """A client of a cluster that answers `GET /_nodes/plugins` as OpenSearch 3.6 does; None: it refuses to."""

    answer: dict[str, Any] | None
    asked: list[str] = field(default_factory=list)

    @property
    def nodes(self) -> Nodes:
        return self

    async def info(self, *, metric: str) -> dict[str, Any]:
        self.asked.append(metric)
        if self.answer is None:
            raise AuthorizationException(403, "security_exception", {"error": {"type": "security_exception"}})
        return self.answer


def cluster(**nodes: tuple[list[str], tuple[str, ...]]) -> Nodes:
    """Return a cluster of nodes: name -> roles, plugins."""
    entries = {
        f"id of {name}": {
            "name": name,
            "version": "3.6.0",
            "roles": roles,
            "plugins": [
                {"name": plugin, "version": "3.5.0", "classname": "x", "extended_plugins": []} for plugin in on
            ],
            "modules": [{"name": "analysis-common"}],
        }
        for name, (roles, on) in nodes.items()
    }
    return Nodes({"_nodes": {"total": len(nodes), "failed": 0}, "cluster_name": "c", "nodes": entries})


async def chosen(nodes: Nodes, **settings: Any) -> Japanese:
    client = cast(AsyncOpenSearch, nodes)
    return await choose_japanese(client, OpenSearchSettings(url="http://127.0.0.1:9200", **settings))


async def test_sudachi_is_used_where_every_node_that_holds_or_makes_an_index_has_it() -> None:
    assert await chosen(cluster(one=(ALL_ROLES, WITH))) == "sudachi"
    assert await chosen(cluster(one=(ALL_ROLES, WITHOUT))) == "kuromoji"
    assert await chosen(cluster(one=(["data"], WITH), two=(["data"], WITHOUT))) == "kuromoji"
    assert await chosen(cluster(one=(["data"], WITH), two=(["cluster_manager"], WITHOUT))) == "kuromoji"
    others = {"asks": ([], WITHOUT), "computes": (["ml"], WITHOUT), "takes": (["ingest"], WITHOUT)}
    assert await chosen(cluster(one=(ALL_ROLES, WITH), **others)) == "sudachi"


async def test_sudachi_that_is_not_there_is_refused_by_the_names_of_the_nodes() -> None:
    nodes = cluster(one=(["data"], WITH), two=(["data"], WITHOUT), three=(["cluster_manager"], WITHOUT))
    with pytest.raises(InvalidInput, match="analysis-sudachi is not on three, two") as refused:
        await chosen(nodes, japanese="sudachi")
    assert refused.value.place == "opensearch.japanese"
    assert await chosen(cluster(one=(ALL_ROLES, WITH)), japanese="sudachi") == "sudachi"


async def test_a_cluster_is_not_asked_for_what_is_configured() -> None:
    nodes = cluster(one=(ALL_ROLES, WITH))
    assert await chosen(nodes, japanese="kuromoji") == "kuromoji"
    # The words of a user dictionary are kuromoji's.
    assert await chosen(nodes, user_dictionary=Path("words.csv")) == "kuromoji"
    assert nodes.asked == []


async def test_who_may_not_ask_gets_kuromoji_unless_sudachi_is_asked_for() -> None:
    assert await chosen(Nodes(None)) == "kuromoji"
    with pytest.raises(Forbidden, match="cluster:monitor/nodes/info"):
        await chosen(Nodes(None), japanese="sudachi")


def test_sudachi_takes_no_user_dictionary() -> None:
    with pytest.raises(ValidationError, match="user_dictionary is for kuromoji"):
        load_settings(opensearch={"japanese": "sudachi", "user_dictionary": "words.csv"})


@pytest.mark.parametrize("japanese", ["kuromoji", "sudachi"])
def test_what_an_analyzer_names_is_defined_or_the_plugin_s(japanese: Japanese) -> None:
    made = analysis(japanese)
    theirs = re.compile(r"kuromoji_\w+|ja_stop" if japanese == "kuromoji" else r"sudachi_\w+")
    engine = {"standard", "lowercase", "remove_duplicates"}
    for analyzer in made["analyzer"].values():
        for kind, names in (
            ("char_filter", analyzer["char_filter"]),
            ("tokenizer", [analyzer["tokenizer"]]),
            ("filter", analyzer["filter"]),
        ):
            unknown = {name for name in names if name not in made[kind] and name not in engine}
            assert all(theirs.fullmatch(name) for name in unknown), unknown
    # What the other one needs is nowhere: its plugin need not be there.
    assert ("sudachi" if japanese == "kuromoji" else "kuromoji_") not in str(made)


def test_both_have_the_same_analyzers_so_the_fields_are_the_same() -> None:
    model = ModelInfo("m", "1", 8, 512)
    shapes = (Shape(), Shape(japanese="sudachi"))
    bodies = [index_body(model, "1", single_node=True, shape=shape) for shape in shapes]
    assert bodies[0]["mappings"] == bodies[1]["mappings"]
    by_kuromoji, by_sudachi = (body["settings"]["analysis"]["analyzer"] for body in bodies)
    differing = {name for name in by_kuromoji if by_kuromoji[name] != by_sudachi[name]}
    assert set(by_kuromoji) == set(by_sudachi) and differing == {KUROMOJI, READING}


def test_a_generation_records_what_cut_its_japanese_and_one_of_before_had_kuromoji() -> None:
    assert Shape(japanese="sudachi").meta["japanese"] == "sudachi"
    assert recorded_shape({"compression": "4x"}) == {"compression": "4x", "user_dictionary": "", "japanese": "kuromoji"}
    made = Shape("1x", 3, ("a,a,ア,名詞",), "sudachi").meta
    assert recorded_shape({**made, "model": "m3-mini"}) == made
