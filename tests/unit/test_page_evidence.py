"""Ranking by the evidence for whole pages."""

from __future__ import annotations

import pytest
from facade_fakes import NOW, record

from api.arrangement import Ranked, by_page
from shirabe.types import Stored
from shirabe.versions import version_key


def chunk(path: str, ordinal: int = 0, kind: str = "section") -> Stored:
    made = record(path, f"{path} {ordinal}", ordinal=ordinal, kind=kind)
    source = made.document.source_id
    return Stored(made.chunk, source, path, made.document.uri, path, "a1b2c3d4e5", NOW, version_key(source, path))


def scored(*rows: tuple[Stored, float]) -> list[Ranked]:
    return [Ranked(stored, score, {}) for stored, score in rows]


def order(items: list[Ranked]) -> list[str]:
    return [f"{item.stored.path}:{item.stored.chunk.ordinal}" for item in items]


def test_several_good_passages_beat_one_slightly_better() -> None:
    ranking = scored((chunk("one.md"), 1.0), *((chunk("many.md", n), 0.95) for n in range(4)), (chunk("low.md"), 0.0))
    assert order(by_page(ranking)) == ["many.md:0", "many.md:1", "many.md:2", "many.md:3", "one.md:0", "low.md:0"]


def test_two_language_versions_support_each_other() -> None:
    ranking = scored(
        (chunk("solo.md"), 1.0), (chunk("docs/ja/p.md"), 0.9), (chunk("docs/en/p.md"), 0.8), (chunk("z.md"), 0.0)
    )
    assert order(by_page(ranking)) == ["docs/ja/p.md:0", "docs/en/p.md:0", "solo.md:0", "z.md:0"]


def test_the_evidence_is_told() -> None:
    first = by_page(scored((chunk("a.md"), 3.0), (chunk("a.md", 1), 2.0), (chunk("b.md"), 1.0)))[0]
    assert first.score == 1.025
    rank, evidence = first.legs["page"]
    assert rank == 1
    assert evidence == pytest.approx(1.0 + 0.05 * 0.5)


def test_records_and_operations_answer_by_themselves() -> None:
    rows = [(chunk("book.xlsx", n, "record"), 0.9) for n in range(9)]
    assert order(by_page(scored(*rows, (chunk("a.md"), 1.0), (chunk("b.md"), 0.0))))[0] == "a.md:0"


def test_equal_scores_keep_their_order_and_nothing_is_lost() -> None:
    ranking = scored((chunk("b.md"), 1.0), (chunk("a.md"), 1.0))
    assert order(by_page(ranking)) == ["b.md:0", "a.md:0"]
    assert by_page([]) == []
