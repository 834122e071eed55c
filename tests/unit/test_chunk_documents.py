"""The formats of documents through the chunker that the write path uses."""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime

import pytest
from fake_tokens import FakeTokens
from made_office import docx_of, odf_of, written_pptx
from made_pdfs import MINCHO, drawn
from pptx.presentation import Presentation
from reportlab.pdfgen.canvas import Canvas

from ingest.chunkers import StructureChunker
from ingest.media_types import RENDERED, media_type_of
from shirabe.errors import InvalidInput
from shirabe.types import Chunk, Document

CHUNKER = StructureChunker(FakeTokens(), 100)


def document(path: str, content: bytes) -> Document:
    media_type = media_type_of(path, content)
    assert media_type is not None
    return Document("d1", "s", path, path, "", content, media_type, "r1", datetime(2026, 4, 1, tzinfo=UTC))


def draw(canvas: Canvas) -> None:
    canvas.setFont(MINCHO, 12)
    canvas.drawString(50, 700, "受注の案内")


def deck(presentation: Presentation) -> None:
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "受注の案内"


FILES = {
    "a.rst": "受注\n====\n\n受注の案内".encode(),
    "a.adoc": "= 受注\n\n受注の案内".encode(),
    "a.html": "<p>受注の案内".encode("cp932"),
    "a.pdf": drawn(draw),
    "a.docx": docx_of("<w:p><w:r><w:t>受注の案内</w:t></w:r></w:p>"),
    "a.pptx": written_pptx(deck),
    "a.odt": odf_of("text", "<text:p>受注の案内</text:p>"),
    "a.odp": odf_of("presentation", "<draw:page><draw:frame><text:p>受注の案内</text:p></draw:frame></draw:page>"),
}


@pytest.mark.parametrize("path", FILES)
async def test_every_format_is_chunked(path: str) -> None:
    [[chunk]] = await CHUNKER.chunk([document(path, FILES[path])])
    assert "受注の案内" in chunk.text
    assert (chunk.lang, chunk.locator.split("#")[0]) == ("ja", path)


@pytest.mark.parametrize("path", [path for path in FILES if path not in ("a.rst", "a.adoc")])
async def test_a_bad_document_is_a_reason_and_the_next_is_read(path: str) -> None:
    good = document(path, FILES[path])
    for content in (
        FILES[path][: len(FILES[path]) // 2],
        b"PK\x03\x04" + bytes(100),
        b"%PDF-1.4 \xff" * 100,
        b"<" * 5_000,
    ):
        bad = Document("d2", "s", path, path, "", content, good.media_type, "r1", good.updated_at)
        try:
            [chunks] = await CHUNKER.chunk([bad])
        except InvalidInput as error:
            assert error.place == path
        else:
            assert all(chunk.text.strip() for chunk in chunks)
        [[chunk]] = await CHUNKER.chunk([good])
        assert "受注の案内" in chunk.text


def chunk_here(chunker: StructureChunker, one: Document) -> list[Chunk]:
    """Chunk a document in a process that has its own loop, as the workers of a cluster do."""
    return asyncio.run(chunker.chunk([one]))[0]


def test_workers_in_other_processes_have_their_own_sandbox() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as workers:
        chunks = workers.submit(chunk_here, CHUNKER, document("a.docx", FILES["a.docx"])).result()
    assert chunks == chunk_here(CHUNKER, document("a.docx", FILES["a.docx"]))


def test_every_rendered_format_is_tried_here() -> None:
    assert {document(path, content).media_type for path, content in FILES.items()} >= RENDERED


@pytest.mark.parametrize(
    ("path", "head", "known"),
    [
        ("a.pdf", b"%PDF-1.7", True),
        ("a.pdf", b"\x00junk before\n%PDF-1.7", True),
        ("a.pdf", b"<html>", False),
        ("a.docx", b"PK\x03\x04", True),
        ("a.docx", b"\xd0\xcf\x11\xe0", True),
        ("a.pptx", b"MZ", False),
        ("a.odt", b"", True),
    ],
)
def test_binary_formats_are_known_by_their_first_bytes(path: str, head: bytes, known: bool) -> None:
    assert (media_type_of(path, head) is not None) is known
