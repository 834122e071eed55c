from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_tokens import FakeTokens
from made_office import docx_of

from ingest.chunkers import StructureChunker
from ingest.collectors import open_collector
from ingest.media_types import media_type_of
from ingest.units import UNIT
from shirabe.errors import InvalidInput
from shirabe.settings import load_settings
from shirabe.types import ABOVE, Document, Source, Upsert

TOKENS = FakeTokens()
CHUNKER = StructureChunker(TOKENS, 30, whole_tokens=200)
PAGE = "---\ntitle: 案内\ntags: [受注]\n---\n# 案内\n\n" + "\n\n".join(
    f"## 節{n}\n\n本文 {n} である。" for n in range(8)
)
PARAGRAPHS = "".join(f"<w:p><w:r><w:t>段落{n}である。</w:t></w:r></w:p>" for n in range(8))


def document(path: str, content: bytes, **meta: Any) -> Document:
    media_type = media_type_of(path, content)
    assert media_type is not None
    return Document(
        "d1",
        "s",
        path,
        path,
        "",
        content,
        media_type,
        "r1",
        datetime(2026, 4, 1, tzinfo=UTC),
        meta={UNIT: "document", **meta},
    )


@pytest.mark.parametrize(
    ("path", "content", "locator"),
    [
        ("a.md", PAGE.encode(), "a.md"),
        ("a.rst", b"A\n=\n\nbody\n\nB\n-\n\nmore\n", "a.rst#L1-L9"),
        ("a.txt", b"one\n\ntwo\n\n" * 20, "a.txt#L1-L79"),
        ("a.docx", docx_of(PARAGRAPHS), "a.docx#paragraph=1"),
        ("a.html", b"<h1 id=a>A</h1><p>one<h2>B</h2><p>two", "a.html"),
    ],
    ids=["md", "rst", "txt", "docx", "html"],
)
async def test_a_document_that_fits_is_one_unit(path: str, content: bytes, locator: str) -> None:
    [[chunk]] = await CHUNKER.chunk([document(path, content)])
    assert chunk.kind in ("document", "text")
    assert chunk.locator == locator
    assert TOKENS.count(chunk.embedded_text) <= 200


async def test_its_context_is_its_title_and_what_it_is_found_by() -> None:
    [[chunk]] = await CHUNKER.chunk([document("a.md", PAGE.encode())])
    assert chunk.context == "案内\n受注"
    assert chunk.text == PAGE.split("---\n")[2]
    assert chunk.meta["start_line"] == 5


async def test_what_it_lies_under_counts_too() -> None:
    [[chunk]] = await CHUNKER.chunk([document("a.md", PAGE.encode(), **{ABOVE: ("上", "中")})])
    assert chunk.context.startswith("上 › 中 › 案内")
    assert TOKENS.count(chunk.embedded_text) <= 200


async def test_a_larger_one_is_cut_into_sections_and_so_is_one_without_the_option() -> None:
    large = document("a.md", (PAGE * 5).encode())
    assert len((await CHUNKER.chunk([large]))[0]) > 20
    assert len((await CHUNKER.chunk([document("a.md", PAGE.encode(), unit="section")]))[0]) == 8


async def test_a_document_may_have_a_unit_of_its_own_beside_its_sections() -> None:
    [sections] = await CHUNKER.chunk([document("a.md", PAGE.encode(), unit="section")])
    [whole] = await CHUNKER.chunk([document("a.md", PAGE.encode())])
    [both] = await CHUNKER.chunk([document("a.md", PAGE.encode(), unit="both")])
    assert [chunk.content_hash for chunk in both] == [chunk.content_hash for chunk in (*sections, *whole)]
    assert [chunk.ordinal for chunk in both] == list(range(9))
    assert both[-1].kind == "document"
    assert both[-1].locator == "a.md"


@pytest.mark.parametrize("page", [PAGE * 5, "# A\n\none paragraph\n", ""])
async def test_one_that_is_too_large_or_one_section_has_no_other_unit(page: str) -> None:
    [sections] = await CHUNKER.chunk([document("a.md", page.encode(), unit="section")])
    [both] = await CHUNKER.chunk([document("a.md", page.encode(), unit="both")])
    assert both == sections


async def test_nothing_to_show_is_no_unit() -> None:
    assert (
        await CHUNKER.chunk([document("a.md", b"\n \n"), document("a.txt", b""), document("a.html", b"<p>")])
        == [[]] * 3
    )


async def unit_of(folder: Path, options: Mapping[str, Any]) -> object:
    (folder / "a.md").write_text("# A\n")
    collector = open_collector(Source("s", "markdown", str(folder), options=options), load_settings(state_dir=folder))
    head = await collector.head()
    found = await collector.get("a.md", head)
    assert isinstance(found, Upsert)
    assert [change async for change in collector.changes(None, head)] == [found]
    return found.document.meta.get(UNIT)


async def test_the_option_of_a_source_marks_its_documents(tmp_path: Path) -> None:
    assert await unit_of(tmp_path, {"unit": "document"}) == "document"
    assert await unit_of(tmp_path, {"unit": "section"}) is None
    assert await unit_of(tmp_path, {}) is None
    with pytest.raises(InvalidInput, match="must be section, document or both") as refused:
        await unit_of(tmp_path, {"unit": "page"})
    assert refused.value.place == "options.unit"
