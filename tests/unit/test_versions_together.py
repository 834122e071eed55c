from dataclasses import replace
from typing import Any

from facade_fakes import NOW, record

from api.arrangement import Ranked, diverse, page_keys, together
from shirabe.types import Stored, digest
from shirabe.versions import version_key


def stored(path: str, text: str, **about: Any) -> Stored:
    made = record(path, text, **about)
    source = made.document.source_id
    return Stored(made.chunk, source, path, made.document.uri, path, "a1b2c3d4e5", NOW, version_key(source, path))


def ranked(*rows: Stored) -> list[Ranked]:
    return [Ranked(row, 1.0 / rank, {"fused": (rank, 1.0 / rank)}) for rank, row in enumerate(rows, start=1)]


def paths(items: list[Ranked]) -> list[str]:
    return [item.stored.path for item in items]


EN = stored("docs/en/guide.md", "guide")
JA = stored("docs/ja/guide.md", "案内", lang="ja")
OTHER = stored("docs/en/other.md", "other")


def test_a_version_that_ranked_low_moves_up_to_its_page() -> None:
    arranged = together(ranked(EN, OTHER, JA), [])
    assert paths(arranged) == ["docs/en/guide.md", "docs/ja/guide.md", "docs/en/other.md"]
    assert arranged[1].legs == {"fused": (3, 1 / 3), "version": (2, 1 / 3)}
    assert "version" not in arranged[0].legs


def test_the_better_ranked_version_stays_first() -> None:
    assert paths(together(ranked(JA, OTHER, EN), [])) == ["docs/ja/guide.md", "docs/en/guide.md", "docs/en/other.md"]


def test_a_version_that_was_no_candidate_is_added_with_the_score_of_its_page() -> None:
    arranged = together(ranked(OTHER, EN), [EN, JA])
    assert paths(arranged) == ["docs/en/other.md", "docs/en/guide.md", "docs/ja/guide.md"]
    assert arranged[2].score == arranged[1].score


def scored(*rows: tuple[Stored, float]) -> list[Ranked]:
    return [Ranked(row, score, {}) for row, score in rows]


def test_a_page_that_stands_hardly_lower_comes_before_a_version_that_was_not_found() -> None:
    last = stored("docs/en/last.md", "last")
    close = together(scored((EN, 1.0), (OTHER, 0.95), (last, 0.0)), [JA])
    assert paths(close) == ["docs/en/guide.md", "docs/en/other.md", "docs/ja/guide.md", "docs/en/last.md"]
    assert close[2].legs == {"version": (2, 1.0)}
    far = together(scored((EN, 10.0), (OTHER, 8.9), (last, 0.0)), [JA])
    assert paths(far) == ["docs/en/guide.md", "docs/ja/guide.md", "docs/en/other.md", "docs/en/last.md"]


def test_a_version_that_was_found_stays_with_its_page_all_the_same() -> None:
    arranged = together(scored((EN, 1.0), (OTHER, 0.95), (JA, 0.2), (stored("docs/en/last.md", "last"), 0.0)), [EN])
    assert paths(arranged)[:3] == ["docs/en/guide.md", "docs/ja/guide.md", "docs/en/other.md"]


def test_pages_that_stand_alike_are_not_mixed() -> None:
    arranged = together(scored((EN, 1.0), (OTHER, 1.0), (JA, 1.0)), [])
    assert paths(arranged) == ["docs/en/guide.md", "docs/ja/guide.md", "docs/en/other.md"]


def test_scores_of_another_kind_behind_the_first_raise_nothing() -> None:
    last = stored("docs/en/last.md", "last")
    read, unread = scored((EN, 0.002), (OTHER, 0.001)), scored((last, 0.9))
    assert paths(together([*read, *unread], [JA]))[0] == "docs/en/guide.md"
    assert paths(together([*read, *unread], [JA]))[-1] == "docs/en/last.md"


def test_the_candidate_chunk_of_a_version_stands_for_it() -> None:
    best = stored("docs/ja/guide.md", "案内の詳しい節", lang="ja", ordinal=4)
    assert together(ranked(EN, best), [EN, JA])[1].stored is best


def test_a_stranger_among_the_siblings_is_ignored() -> None:
    assert paths(together(ranked(EN), [OTHER])) == ["docs/en/guide.md"]


def test_the_same_path_in_another_source_is_another_page() -> None:
    elsewhere = stored("docs/ja/guide.md", "案内", source="wiki", lang="ja")
    assert paths(together(ranked(EN, OTHER), [elsewhere])) == paths(ranked(EN, OTHER))


def test_code_has_no_versions() -> None:
    en, ja = stored("en/a.py", "a", kind="function"), stored("ja/a.py", "b", kind="function")
    between = stored("b.py", "c", kind="function")
    assert paths(together(ranked(en, between, ja), [])) == ["en/a.py", "b.py", "ja/a.py"]
    assert page_keys(ranked(en, EN, JA)) == [EN.version_key]


def test_a_prose_document_is_one_hit_and_the_rest_comes_after() -> None:
    sections = [stored("docs/en/guide.md", f"part {n}", ordinal=n) for n in range(3)]
    first, overflow = diverse(ranked(*sections, OTHER))
    assert paths(first) == ["docs/en/guide.md", "docs/en/other.md"]
    assert [item.stored.chunk.ordinal for item in first + overflow] == [0, 0, 1, 2]


def test_code_gives_three_hits_of_a_file() -> None:
    functions = [stored("api.py", f"def f{n}", kind="function", ordinal=n) for n in range(5)]
    first, overflow = diverse(ranked(*functions))
    assert [item.stored.chunk.ordinal for item in first] == [0, 1, 2]
    assert [item.stored.chunk.ordinal for item in overflow] == [3, 4]


def test_the_parts_of_one_operation_are_one_hit() -> None:
    rows = [stored("api.yaml", f"part {n}", kind="operation", ordinal=n) for n in range(4)]
    units = ["post /orders", "post /orders", "get /orders", "post /orders"]
    parts = [replace(row, chunk=replace(row.chunk, meta={"unit": unit})) for row, unit in zip(rows, units, strict=True)]
    first, overflow = diverse(ranked(*parts))
    assert [item.stored.chunk.ordinal for item in first] == [0, 2]
    assert [item.stored.chunk.ordinal for item in overflow] == [1, 3]


def test_what_several_documents_have_word_for_word_is_one_hit() -> None:
    rows = [stored(path, text) for path, text in (("a.md", "same"), ("b.md", "same"), ("c.md", "other"))]
    same = [replace(row, chunk=replace(row.chunk, content_hash=digest(row.chunk.text))) for row in rows]
    first, overflow = diverse(ranked(*same))
    assert paths(first) == ["a.md", "c.md"]
    assert paths(overflow) == ["b.md"]


def of_version(version: str, path: str, text: str, **about: Any) -> Stored:
    made = stored(f"{version}:{path}", text, **about)
    return replace(made, chunk=replace(made.chunk, meta={"version": version}))


def test_the_versions_of_a_page_in_a_repository_are_one_hit_and_the_others_come_after() -> None:
    rows = [of_version(name, "docs/guide.md", f"of {name}") for name in ("v2", "release/1", "v0")]
    first, overflow = diverse(ranked(*rows, of_version("v0", "docs/gone.md", "only then")))
    assert paths(first) == ["v2:docs/guide.md", "v0:docs/gone.md"]
    assert paths(overflow) == ["release/1:docs/guide.md", "v0:docs/guide.md"]


def test_the_versions_of_a_file_of_code_share_its_three_hits() -> None:
    rows = [of_version(f"v{n}", "a.py", f"def f(): {n}", kind="function", ordinal=n) for n in range(5)]
    first, overflow = diverse(ranked(*rows))
    assert (len(first), len(overflow)) == (3, 2)


def test_the_same_path_in_two_sources_is_two_documents() -> None:
    here, there = stored("guide.md", "here"), stored("guide.md", "there", source="wiki")
    assert diverse(ranked(here, there))[1] == []
