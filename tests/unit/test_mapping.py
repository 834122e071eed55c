"""What an index generation is made with."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import numpy as np
import pytest

from opensearch.analysis import analysis, nfkc_mappings
from opensearch.client import build_client, reason_of, refusal
from opensearch.documents import document_of
from opensearch.generations import Generation, check_meta, generation_name
from opensearch.mapping import SHOWN_FIELDS, UNSOURCED_FIELDS, index_body
from opensearch.shape import Shape
from shirabe.errors import InvalidInput, Overloaded, Timeout, Unavailable
from shirabe.settings import Compression, OpenSearchSettings
from shirabe.types import Document, Embedding, ModelInfo, Record, Term, make_chunk

MODEL = ModelInfo("m3-mini", "r1", 384, 512)


def properties() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = index_body(MODEL, "1", single_node=True)["mappings"]["properties"]
    return found


def test_a_document_holds_only_mapped_fields_and_every_one_of_them() -> None:
    document = Document("d", "s", "p", "u", "t", b"", "text/plain", "r", datetime(2026, 1, 1, tzinfo=UTC))
    term = {"term": Term(en="x").to_meta()}
    chunk = make_chunk(document, 0, kind="term", text="x", locator="p", lang="en", meta=term)
    embedding = Embedding(np.ones(384, np.float32), {1: 1.0}, None, np.ones((1, 48), np.uint8))
    code = make_chunk(
        document, 1, kind="function", text="def x():", locator="p", lang="python", meta={"symbols": [[1, "x"]]}
    )
    bodies = [document_of(Record(document, each, embedding)) for each in (chunk, code)]
    assert {field for body in bodies for field in body} == set(properties())


def test_what_is_shown_is_sourced_and_what_is_not_sourced_is_not_shown() -> None:
    assert set(SHOWN_FIELDS) | set(UNSOURCED_FIELDS) | {"acl", "public", "term_names"} == set(properties())
    assert not set(SHOWN_FIELDS) & set(UNSOURCED_FIELDS)


def test_unknown_fields_are_refused_and_the_build_is_recorded() -> None:
    mappings = index_body(MODEL, "3", single_node=True)["mappings"]
    assert mappings["dynamic"] == "strict"
    assert mappings["_meta"] == {
        "model": "m3-mini",
        "model_revision": "r1",
        "dim": 384,
        "chunker_version": "3",
        "analyzer_version": "5",
    }


def test_peers_can_recover_what_a_cluster_holds() -> None:
    alone, cluster = (index_body(MODEL, "1", single_node=single) for single in (True, False))
    assert alone["mappings"]["_source"] == {"excludes": list(UNSOURCED_FIELDS), "recovery_source_enabled": False}
    assert alone["settings"]["index"]["number_of_replicas"] == 0
    assert cluster["mappings"]["_source"] == {"enabled": True}
    assert cluster["settings"]["index"]["auto_expand_replicas"] == "0-1"


def test_text_has_its_five_analyses_each_of_them_defined() -> None:
    fields = properties()["text"]["fields"]
    assert isinstance(fields, dict)
    assert set(fields) == {"kuromoji", "reading", "bigram", "english", "identifiers"}
    assert {field["analyzer"] for field in fields.values()} == set(analysis()["analyzer"])


def folded(text: str) -> str:
    """Apply the character filter's rules as the engine does: the longest that fits, from left to right."""
    rules = dict(rule.split(" => ") for rule in nfkc_mappings())
    table = {unescaped(source): unescaped(target) for source, target in rules.items()}
    longest = max(map(len, table))
    out, place = "", 0
    while place < len(text):
        size = next((n for n in range(longest, 0, -1) if text[place : place + n] in table), 0)
        out += table[text[place : place + size]] if size else text[place]
        place += size or 1
    return out


def unescaped(escaped: str) -> str:
    units = [int(unit, 16).to_bytes(2, "little") for unit in escaped.split("\\u")[1:]]
    return b"".join(units).decode("utf-16-le")


@pytest.mark.parametrize(
    "text",
    [
        "ＡＰＩ　ｷｰ",
        "ｻｰﾊﾞｰのｶﾞｲﾄﾞ",
        "㈱シラベ ①②③",
        "Ⅳ章 ㍉",
        "１２３％",
        "が" + "ぎ",
        "plain ASCII と漢字",
        "ﾊﾟｽﾜｰﾄﾞ",
        "é",
        "ヴ",
    ],
)
def test_the_character_filter_is_nfkc(text: str) -> None:
    assert folded(text) == unicodedata.normalize("NFKC", text)
    assert folded(unicodedata.normalize("NFD", text)) == unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize(
    ("compression", "engine", "mode"),
    [
        ("1x", "lucene", None),
        ("2x", "faiss", "in_memory"),
        ("4x", "lucene", "on_disk"),
        ("8x", "faiss", "on_disk"),
        ("16x", "faiss", "on_disk"),
        ("32x", "faiss", "on_disk"),
    ],
)
def test_vectors_are_compressed_by_the_engine_that_can(compression: Compression, engine: str, mode: str | None) -> None:
    body = index_body(MODEL, "1", single_node=True, shape=Shape(compression, shards=3))
    dense = body["mappings"]["properties"]["dense"]
    assert dense["method"]["engine"] == engine
    assert (dense.get("compression_level"), dense.get("mode")) == (None if mode is None else compression, mode)
    index = body["settings"]["index"]
    assert index["number_of_shards"] == 3
    assert index.get("knn.memory_optimized_search") == (True if engine == "faiss" else None)


def test_a_generation_is_checked_by_what_it_records() -> None:
    meta = index_body(MODEL, "1", single_node=True)["mappings"]["_meta"]
    check_meta(Generation("x-000001", "u", meta), MODEL)
    check_meta(Generation("x-000001", "u", meta | {"chunker_version": "0", "analyzer_version": "0"}), MODEL)
    for change in ({"dim": 1024}, {"model": "bge-m3"}, {"model_revision": "r2"}):
        with pytest.raises(InvalidInput, match="x-000001"):
            check_meta(Generation("x-000001", "u", meta | change), MODEL)
    with pytest.raises(InvalidInput, match="x-000001"):
        check_meta(Generation("x-000001", "u", {}), MODEL)


def test_generations_sort_by_age() -> None:
    names = [generation_name("shirabe-chunks", number) for number in (1, 9, 10, 100)]
    assert names[0] == "shirabe-chunks-000001"
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidInput),
        (413, InvalidInput),
        (403, Unavailable),
        (404, Unavailable),
        (408, Timeout),
        (429, Overloaded),
        (500, Unavailable),
        (503, Unavailable),
        (504, Timeout),
    ],
)
def test_the_engines_refusals_become_ours(status: int, error: type[Exception]) -> None:
    found = refusal(status, {"error": {"root_cause": [{"type": "t_exception", "reason": "because"}]}})
    assert type(found) is error
    assert "t_exception: because" in found.message


def test_reasons_are_one_short_line_of_whatever_shape() -> None:
    assert reason_of("plain") == "plain"
    assert reason_of({"error": "text"}) == "text"
    assert reason_of({"error": {"type": "t", "reason": "r"}}) == "t: r"
    assert reason_of({"error": {"type": "t", "reason": "r" * 1_000}}) == ("t: " + "r" * 1_000)[:300]


@pytest.mark.parametrize("url", [None, "http://user:secret@127.0.0.1:9200"])
def test_a_client_needs_an_address_without_a_password_in_it(url: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        build_client(OpenSearchSettings(url=url))
    assert refused.value.place == "opensearch.url"
    assert "secret" not in str(refused.value)
