"""A record becomes an OpenSearch document and comes back."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch.documents import MAX_FEATURES, document_of, passage_weights, stored_of
from shirabe.errors import InvalidInput
from shirabe.types import Acl, Document, Embedding, Record, make_chunk

WHEN = datetime(2026, 4, 1, 9, 30, 15, 250_000, UTC)


NOTHING = Embedding()
OPS = Acl(principals=("ops",))


def record(embedding: Embedding = NOTHING, acl: Acl = OPS) -> Record:
    document = Document(
        "d1", "docs", "docs/ja/a.md", "https://x/a", "ＡＰＩ ガイド", b"", "text/plain", "abc", WHEN, acl
    )
    chunk = make_chunk(
        document,
        3,
        kind="section",
        text="ｻｰﾊﾞの<設定>",
        locator="a.md#x",
        lang="ja",
        context="ガイド > 設定",
        headings=("ガイド", "設定"),
        meta={"start_line": 4},
    )
    return Record(document, chunk, embedding)


def test_a_document_without_an_embedding_holds_no_vector_fields() -> None:
    assert document_of(record()) == {
        "chunk_id": "d1-00003",
        "doc_id": "d1",
        "source": "docs",
        "path": "docs/ja/a.md",
        "uri": "https://x/a",
        "locator": "a.md#x",
        "revision": "abc",
        "kind": "section",
        "lang": "ja",
        "version_key": "docs:docs/a.md",
        "content_hash": record().chunk.content_hash,
        "ordinal": 3,
        "updated_at": "2026-04-01T09:30:15.250Z",
        "title": "ＡＰＩ ガイド",
        "headings": ["ガイド", "設定"],
        "context": "ガイド > 設定",
        "text": "ｻｰﾊﾞの<設定>",
        "acl": ["ops"],
        "public": False,
        "meta": {"start_line": 4},
    }


@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_a_chunk_comes_back_as_it_went(tokens: int) -> None:
    bits = np.arange(2 * tokens, dtype=np.uint8).reshape(tokens, 2)
    body = document_of(record(Embedding(bits=bits)))
    stored = stored_of({"_source": body, "fields": {"late": [body["late"].rstrip("=")]}}, dim=16)
    assert stored.chunk == record().chunk
    assert stored.updated_at == WHEN
    assert stored.version_key == "docs:docs/a.md"
    assert stored.bits is not None
    assert stored.bits.tolist() == bits.tolist()
    assert stored.highlights == ()


def test_bits_are_sent_as_base64_whatever_their_layout_in_memory() -> None:
    bits = np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(3, 2))
    assert base64.b64decode(document_of(record(Embedding(bits=bits)))["late"]) == bytes(range(6))


def test_no_tokens_means_no_late_field() -> None:
    assert "late" not in document_of(record(Embedding(bits=np.empty((0, 2), dtype=np.uint8))))


def test_dense_values_keep_the_precision_of_float32() -> None:
    vector = np.random.default_rng(0).standard_normal(64).astype(np.float32)
    sent = np.asarray(document_of(record(Embedding(dense=vector)))["dense"], dtype=np.float32)
    np.testing.assert_allclose(sent, vector, rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_vector_that_is_not_finite_is_refused_by_chunk(value: float) -> None:
    with pytest.raises(InvalidInput) as refused:
        document_of(record(Embedding(dense=np.asarray([1.0, value], dtype=np.float32))))
    assert refused.value.place == "d1-00003"


def test_weights_are_divided_by_the_fourth_root_of_their_sum() -> None:
    assert passage_weights({7: 12.0, 9: 4.0}) == {"7": 6.0, "9": 2.0}


def test_a_weight_pruned_away_still_counts_in_the_length() -> None:
    weights = passage_weights(dict.fromkeys(range(256), 1.0))
    assert len(weights) == MAX_FEATURES
    assert set(weights.values()) == {0.25}


@given(st.dictionaries(st.integers(0, 250_001), st.floats(-10, 100, allow_nan=False), max_size=300))
def test_features_are_few_positive_and_the_heaviest(sparse: dict[int, float]) -> None:
    weights = passage_weights(sparse)
    assert len(weights) <= MAX_FEATURES
    assert all(weight > 0 for weight in weights.values())
    left_out = [weight for token, weight in sparse.items() if str(token) not in weights and weight > 1e-30]
    if left_out and weights:
        assert max(left_out) <= min(sparse[int(token)] for token in weights)


def test_highlights_are_those_of_the_field_that_marked_most() -> None:
    hit = {
        "_source": document_of(record()),
        "highlight": {"text.kuromoji": ["a <em>b</em> c"], "text.english": ["<em>a</em> <em>b</em> c"]},
    }
    assert stored_of(hit, dim=16).highlights == ("<em>a</em> <em>b</em> c",)
