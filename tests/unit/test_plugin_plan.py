"""The plugin integration's values: what would be sent, how it is recognised, how settings are undone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from opensearch.analysis import analysis
from opensearch.lexical import DEFAULT_WEIGHTS, lexical_clause
from opensearch.plugin.calls import MASK, JsonText, Ref, masked, resolved
from opensearch.plugin.change import (
    ARCHIVED,
    PRIVATE_IP,
    TRUSTED,
    WORKBENCH,
    Record,
    overruled,
    record_of,
    restored_settings,
    wanted_settings,
)
from opensearch.plugin.conflicts import overlap
from opensearch.plugin.facts import Facts
from opensearch.plugin.guards import closed_guards, guard
from opensearch.plugin.marks import PREFIX, agrees, described, digest, is_ours
from opensearch.plugin.plan import make_plan, record_read, record_thing
from opensearch.plugin.relevance import JudgedTexts, lexical_query, takes
from opensearch.plugin.served import ServedModels
from opensearch.plugin.shelves import CONNECTOR, MODEL, SHELVES, Found, Thing
from shirabe.errors import InvalidInput

EVERY = ("opensearch-ml", "opensearch-security", "opensearch-index-management", "opensearch-search-relevance")
DEFAULT = ["^https://api\\.openai\\.com/.*$"]
SERVED = ServedModels(
    url="https://models.example:8443/m3",
    name="acme/m3",
    revision="r1",
    dim=8,
    max_tokens=512,
    sparse=True,
    reranker="acme/rerank",
    reranker_revision="r2",
    private=True,
    key=SecretStr("a-key"),
)
JUDGED = JudgedTexts("shirabe-chunks", {"q": ("c1",)})


def facts(persistent: dict[str, Any] | None = None, transient: dict[str, Any] | None = None) -> Facts:
    defaults = {TRUSTED: DEFAULT, PRIVATE_IP: "false", WORKBENCH: "false"}
    persistent, transient = persistent or {}, transient or {}
    in_force = defaults | persistent | transient
    return Facts("opensearch", "3.6.0", frozenset(EVERY), (), in_force, persistent, transient, ("one",))


def things(served: ServedModels = SERVED) -> dict[tuple[str, str], Thing]:
    plan = make_plan(served, EVERY, alias="shirabe-chunks", repository="backups", judged=JUDGED)
    return {(thing.shelf.title, thing.name): thing for thing in plan.things}


def refs(value: Any) -> set[Ref]:
    if isinstance(value, Ref):
        return {value}
    if isinstance(value, JsonText):
        return refs(value.value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(refs, parts))


def test_every_thing_carries_our_name_and_mark_and_comes_after_what_it_refers_to() -> None:
    made: set[Ref] = set()
    for thing in things().values():
        assert thing.name.startswith(PREFIX)
        mark = thing.body.get("description") or thing.body["_meta"]["description"]
        assert is_ours(mark)
        if thing.shelf.needs == "opensearch-ml":
            assert re.fullmatch(r"[A-Za-z0-9 .,!?():@\-_'/\"]*", mark), mark
        if thing.shelf.needs == "opensearch-search-relevance":
            assert len(thing.body.get("name", thing.name)) <= 50 and len(mark) <= 250 and takes(mark.replace(":", ""))
        assert refs(dict(thing.body)) <= made, thing.name
        made.add(thing.ref)
    order = [shelf.title for shelf in SHELVES]
    made_in = [order.index(shelf) for shelf, _ in things()]
    assert made_in == sorted(made_in), "what is taken away in the reverse order of shelves has nothing that needs it"


def test_a_model_of_fewer_outputs_gets_what_it_has() -> None:
    plan = make_plan(replace(SERVED, sparse=False, reranker=None), EVERY, alias="shirabe-chunks")
    names = {(thing.shelf.title, thing.name) for thing in plan.things}
    assert ("model", "shirabe-dense-query") in names
    assert not {name for _, name in names if "sparse" in name or "rerank" in name}
    assert plan.skipped["sparse vectors"] == "the model acme/m3 gives none"
    assert plan.skipped["reranking"] == "the model server has no reranker"
    text = json.dumps([thing.body for thing in plan.things], default=str)
    assert "sparse_encoding" not in text and "rank_features" not in text


def test_the_template_cuts_japanese_as_the_facade_s_index_does() -> None:
    for japanese in ("kuromoji", "sudachi"):
        plan = make_plan(SERVED, EVERY, alias="shirabe-chunks", japanese=japanese)
        template = next(thing for thing in plan.things if thing.shelf.title == "index template")
        assert template.body["template"]["settings"]["index"]["analysis"] == analysis(japanese)


def test_without_judged_queries_the_ways_of_searching_are_there_to_be_compared() -> None:
    plan = make_plan(SERVED, EVERY, alias="shirabe-chunks", compared="shirabe-chunks-000007")
    made = [thing for thing in plan.things if thing.shelf.needs == "opensearch-search-relevance"]
    assert [thing.name for thing in made] == ["shirabe-lexical", "shirabe-norm", "shirabe-rrf", "shirabe-rrf-rerank"]
    assert plan.fills_workbench and plan.skipped["query sets and judgments"] == "no judged queries were given"
    for thing in made:
        assert thing.body["index"] == "shirabe-chunks-000007"
        search = json.loads(resolved(thing.body["query"], {Ref("model", "shirabe-dense-query"): "id-1"}))
        assert "%SearchText%" in json.dumps(search["query"])
        legs = search["query"].get("hybrid", {}).get("queries", ())
        assert [leg["neural"]["dense"]["model_id"] for leg in legs if "neural" in leg] == ["id-1"] * bool(legs)
    nowhere = make_plan(SERVED, EVERY, alias="shirabe-chunks")
    assert not nowhere.fills_workbench
    assert nowhere.skipped["search configurations"] == "there is no index shirabe-chunks"


def test_logs_go_by_the_age_of_their_rollover_for_one_that_is_written_to_may_be_old() -> None:
    policy = things()["index state policy", "shirabe-logs"].body
    assert [row["conditions"] for state in policy["states"] for row in state["transitions"]] == [
        {"min_rollover_age": "180d"}
    ]


def test_a_guard_lets_the_vectors_of_its_model_in_until_another_one_is_served() -> None:
    mine = guard(SERVED)
    template = next(thing for (shelf, _), thing in things().items() if shelf == "index template")
    assert template.body["template"]["settings"]["index"]["final_pipeline"] == mine.name
    assert ("ingest pipeline", mine.name) in things() and mine.body["processors"] == []
    theirs = Found("shirabe-model-x", "shirabe-model-x", {}, "of another team", {})
    there = [Found(mine.name, mine.name, mine.body, mine.body["description"], {}), theirs]
    assert closed_guards(there, SERVED) == []
    for other in (replace(SERVED, revision="r9"), replace(SERVED, name="acme/m4"), replace(SERVED, dim=16)):
        [closed] = closed_guards(there, other)
        assert (closed.name, closed.body["description"]) == (mine.name, mine.body["description"])
        [refusal] = closed.body["processors"]
        assert "ctx.chunk_sparse != null" in refusal["fail"]["if"]
        said = refusal["fail"]["message"]
        assert "vectors of acme/m3 at revision r1" in said and f"{other.name} at revision {other.revision}" in said


def test_the_facade_s_index_is_never_taken_for_one_of_the_template_s() -> None:
    for alias in ("shirabe-text", "shirabe-text-chunks"):
        with pytest.raises(InvalidInput, match="choose another alias"):
            make_plan(SERVED, EVERY, alias=alias)
    make_plan(SERVED, EVERY, alias="shirabe-texts")


def test_connectors_ask_for_the_right_kind_of_text_and_the_planned_revision() -> None:
    for name, thing in ((key[1], one) for key, one in things().items() if one.shelf is CONNECTOR):
        [action] = thing.body["actions"]
        body = action["request_body"]
        filled = re.sub(r"\$\{parameters\.(input|documents)\}", '["a"]', body)
        for parameter, value in {"query": "q", **thing.body["parameters"]}.items():
            filled = filled.replace(f"${{parameters.{parameter}}}", value)
        sent = json.loads(filled)
        assert sent["revision"] == ("r2" if name == "shirabe-rerank" else "r1")
        if name != "shirabe-rerank":
            assert sent["input_type"] == name.rpartition("-")[2]
        assert action["headers"] == {"Authorization": "Bearer ${credential.key}"}
        assert action["url"].startswith(SERVED.url + "/")
    unlocked = things(replace(SERVED, key=None))["connector", "shirabe-rerank"]
    assert "headers" not in unlocked.body["actions"][0]
    assert unlocked.body["credential"] == {"key": "none"}, "a connector without one is refused"


@pytest.mark.parametrize("change", [{"revision": "r9", "reranker_revision": "r9"}, {"url": "https://elsewhere"}])
def test_models_of_another_server_or_revision_are_other_models(change: dict[str, str]) -> None:
    now, then = things(replace(SERVED, **change)), things()  # type: ignore[arg-type]
    for key, thing in now.items():
        if thing.shelf in (CONNECTOR, MODEL):
            assert thing.body["description"] != then[key].body["description"]


def test_secrets_are_masked_wherever_they_stand() -> None:
    body = things()["connector", "shirabe-dense-query"].body
    assert "a-key" in json.dumps(dict(body), default=str)
    shown = masked([{"deep": body}])
    assert "a-key" not in json.dumps(shown, default=str)
    assert shown[0]["deep"]["credential"] == {"key": MASK}


def test_the_trusted_pattern_is_this_server_s_and_no_other_s() -> None:
    pattern = re.compile(SERVED.trusted_pattern)
    assert pattern.fullmatch("https://models.example:8443/m3/v1/embeddings")
    for other in (
        "https://modelsXexample:8443/m3/v1",
        "https://models.example:8443.evil.example/m3/v1",
        "https://models.example:8443/m3.evil/v1",
        "http://evil.example/?https://models.example:8443/m3/v1",
    ):
        assert not pattern.fullmatch(other), other


def test_references_are_filled_in_at_any_depth() -> None:
    one = Ref("model", "a")
    body = {"list": [{"id": one}], "text": "x"}
    assert resolved(body, {one: "id-1"}) == {"list": [{"id": "id-1"}], "text": "x"}
    assert resolved(body, {})["list"][0]["id"] == "<id of the model a>"


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ({"a": 1}, {"a": "1", "b": 2}, True),
        ({"a": True}, {"a": "true"}, True),
        ({"a": {"b": [1, {"c": "x"}]}}, {"a": {"b": ["1", {"c": "x", "d": 0}]}}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": 1}, {}, False),
        ({"a": None}, {"a": None}, True),
        ({"a": {}}, {"a": []}, False),
    ],
)
def test_agreement_reads_numbers_as_the_engine_spells_them(wanted: Any, found: Any, same: bool) -> None:
    assert agrees(wanted, found) is same


def test_a_mark_tells_ours_from_others() -> None:
    assert is_ours(described("a thing"))
    assert not is_ours("made by hand") and not is_ours(None) and not is_ours(7)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1})


def test_what_is_trusted_already_stays_trusted() -> None:
    wanted = wanted_settings(SERVED, facts(), workbench=True)
    assert wanted == {TRUSTED: [*DEFAULT, SERVED.trusted_pattern], PRIVATE_IP: True, WORKBENCH: True}
    assert wanted_settings(SERVED, facts({**wanted, PRIVATE_IP: "true", WORKBENCH: "true"}), workbench=True) == {}
    assert PRIVATE_IP not in wanted_settings(replace(SERVED, private=False), facts(), workbench=False)


def test_a_transient_setting_is_in_the_way() -> None:
    there = facts(transient={PRIVATE_IP: "false"})
    assert len(overruled(wanted_settings(SERVED, there, workbench=False), there)) == 1


@pytest.mark.parametrize("before", [None, "false"])
def test_a_setting_of_a_plugin_that_is_gone_is_cleared(before: str | None) -> None:
    archived = f"{ARCHIVED}{WORKBENCH}"
    record = Record({WORKBENCH: before}, (), ())
    assert restored_settings(record, facts({archived: "true"})) == {archived: None}
    assert restored_settings(record, facts({f"{ARCHIVED}of.others": "true"})).keys() <= {WORKBENCH}


PATTERNS = st.lists(st.sampled_from(["^a$", "^b$", "^c$"]), unique=True)


@given(set_before=st.none() | PATTERNS, private=st.sampled_from([None, "true", "false"]), installs=st.integers(1, 3))
def test_settings_come_back_to_the_letter(set_before: list[str] | None, private: str | None, installs: int) -> None:
    before: dict[str, Any] = {} if set_before is None else {TRUSTED: set_before}
    if private is not None:
        before[PRIVATE_IP] = private
    persistent, record = dict(before), None
    for number in range(installs):
        served = replace(SERVED, url=f"http://models-{number}")
        wanted = wanted_settings(served, facts(persistent), workbench=False)
        record = record_read(record_thing(record_of(wanted, served, facts(persistent), record), served).body)
        persistent |= {name: "true" if value is True else value for name, value in wanted.items()}
    assert record is not None and persistent != before
    for name, value in restored_settings(record, facts(persistent)).items():
        persistent.pop(name, None)
        if value is not None:
            persistent[name] = value
    assert persistent == before


def test_what_others_trusted_meanwhile_stays() -> None:
    record = Record({TRUSTED: None}, (SERVED.trusted_pattern,), tuple(DEFAULT))
    now = facts({TRUSTED: [*DEFAULT, SERVED.trusted_pattern, "^later$"]})
    assert restored_settings(record, now) == {TRUSTED: [*DEFAULT, "^later$"]}


@pytest.mark.parametrize(
    ("ours", "theirs", "met"),
    [
        ("shirabe-text-*", "shirabe-*", True),
        ("shirabe-text-*", "*", True),
        ("shirabe-text-*", "shirabe-text-logs-*", True),
        ("shirabe-text-*", "shirabe-text-a", True),
        ("shirabe-text-*", "shirabe-chunks-*", False),
        ("shirabe-text-*", "shirabe", False),
        ("shirabe-text-*", "*-a", True),
        ("shirabe-text-*", "logs-*", False),
    ],
)
def test_patterns_that_fit_one_name_overlap(ours: str, theirs: str, met: bool) -> None:
    assert overlap([ours], [theirs]) is met


def test_our_lexical_leg_is_one_clause_that_a_plain_client_can_write() -> None:
    ours = lexical_clause("order history")["bool"]["should"]
    theirs = lexical_query("order history")["multi_match"]
    assert theirs["type"] == "most_fields"
    assert len(theirs["fields"]) == len(ours) == len(DEFAULT_WEIGHTS.fields)


@pytest.mark.parametrize("text", ['say "x"', "a\\b", "<b>", "two\nlines", "", "x" * 2_001, "C#", "a: b"])
def test_what_the_workbench_would_break_on_is_left_out(text: str) -> None:
    assert not takes(text) and takes("注文の取消：how?")
