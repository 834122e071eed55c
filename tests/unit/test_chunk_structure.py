import pickle
from datetime import UTC, datetime
from time import perf_counter

import pytest
from fake_tokens import FakeTokens

from ingest.chunkers import StructureChunker
from ingest.media_types import media_type_of
from shirabe.errors import InvalidInput
from shirabe.types import Document

TOKENS = FakeTokens()


def document(path: str, content: bytes, title: str = "") -> Document:
    media_type = media_type_of(path, content)
    assert media_type is not None
    return Document(
        doc_id="d1",
        source_id="s",
        path=path,
        uri=path,
        title=title,
        content=content,
        media_type=media_type,
        revision="r1",
        updated_at=datetime(2026, 4, 1, tzinfo=UTC),
    )


FILES = {
    "guide.md": "# 案内\n\n本文。",
    "page.html": "<title>案内</title><p>本文",
    "search.py": "def f():\n    return 1\n",
    "search.go": "package a\n",
    "main.rs": "fn main() {}",
    "values.yaml": "a: 1",
    "notes.txt": "覚え書き",
    "terms.csv": "用語,意味\n受注,注文\n",
    "api.yaml": "openapi: 3.0.0\ninfo: {title: 案内, version: '1'}\npaths: {}\n",
}


async def test_every_kind_is_chunked_with_title_and_locator() -> None:
    chunker = StructureChunker(TOKENS, 100)
    documents = [document(path, text.encode()) for path, text in FILES.items()]
    result = await chunker.chunk(documents)
    assert [[chunk.kind for chunk in chunks] for chunks in result] == [
        ["section"], ["section"], ["function"], ["module"], ["function"], ["config"], ["text"], ["record"], ["overview"]
    ]  # fmt: skip
    assert [chunks[0].meta["title"] for chunks in result] == [
        "案内", "案内", "search.py", "search.go", "main.rs", "values.yaml", "notes.txt", "terms.csv", "案内"
    ]  # fmt: skip
    assert [chunks[0].lang for chunks in result] == ["ja", "ja", "python", "go", "rust", "en", "ja", "ja", "ja"]
    for path, chunks in zip(FILES, result, strict=True):
        assert all(chunk.locator.split("#")[0] == path for chunk in chunks)
        assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))


async def test_the_same_document_gives_the_same_chunks() -> None:
    text = "\n\n".join(f"# H{n}\n\nbody {n}" for n in range(20)).encode()
    first, again = [await StructureChunker(TOKENS, 40).chunk([document("a.md", text)]) for _ in range(2)]
    assert first == again
    assert len({chunk.chunk_id for chunk in first[0]}) == 20


BLANK = " \t\n\n\u3000\n\x0b\x1f \n"
BLANKS = {
    "guide.md": f"---\ntitle: ' '\n---\n{BLANK}# \u3000\n{BLANK}```\n{BLANK}```\n\n| |\n|-|\n| |\n\n#  \n\n[a]: b\n",
    "page.html": f"<title> </title><h1> </h1>{BLANK}<p> <h2>&nbsp;</h2><pre>{BLANK}</pre><table><tr><td> </table>",
    "search.py": f"{BLANK.replace(chr(0x3000), '')}\nclass A:\n\n{' ' * 4}def f(self):\n{' ' * 300}pass\n{BLANK}",
    "search.go": f"package a\n{BLANK}func f() {{\n{BLANK}}}\n",
    "main.rs": f"{BLANK * 50}fn main() {{{BLANK * 50}}}{BLANK}",
    "values.yaml": f"a: ' '\n{BLANK}",
    "notes.txt": BLANK * 500 + "x" + BLANK * 500,
    "terms.csv": f'" ","{BLANK}"\n\u3000,a\n" "\n',
    "api.yaml": "openapi: 3.0.0\ninfo: {title: ' ', version: ''}\n"
    "paths: {/: {get: {summary: ' ', responses: {default: {description: ' '}}}}}\n",
}


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("max_tokens", [4, 100])
async def test_no_chunk_is_without_a_text_to_embed(path: str, max_tokens: int) -> None:
    # One empty text would fail its whole batch: no model takes it.
    documents = [document(path, text.encode(), title) for text in (BLANKS[path], FILES[path]) for title in ("", " ")]
    result = await StructureChunker(TOKENS, max_tokens).chunk(documents)
    chunks = [chunk for one in result for chunk in one]
    assert chunks
    assert all(chunk.text.strip() and chunk.embedded_text.strip() for chunk in chunks)


@pytest.mark.parametrize("path", [path for path in FILES if path != "api.yaml"])
async def test_an_empty_file_gives_no_chunks(path: str) -> None:
    for content in (b"", b"\n \n", b"\xef\xbb\xbf"):
        assert await StructureChunker(TOKENS, 100).chunk([document(path, content)]) == [[]]


@pytest.mark.parametrize("path", list(FILES))
async def test_hostile_files_end_soon_and_within_the_budget(path: str) -> None:
    chunker = StructureChunker(TOKENS, 64)
    head = "openapi: 3.0.0\npaths: {}\n" if path == "api.yaml" else ""
    for body in (
        "x" * 300_000,
        "[" * 50_000,
        "> " * 10_000,
        "{" * 20_000,
        "\r" * 10_000,
        '"""\n' * 5_000,
        "\ud800",
        "\x00\x01",
    ):
        media_type = document(path, head.encode() or b"a").media_type
        hostile = document(path, b"a")
        content = (head + body).encode("utf-8", "surrogatepass")
        started = perf_counter()
        try:
            [chunks] = await chunker.chunk([_with(hostile, content, media_type)])
        except InvalidInput:
            chunks = []
        assert perf_counter() - started < 10
        assert all(TOKENS.count(chunk.embedded_text) <= 64 for chunk in chunks)


def _with(base: Document, content: bytes, media_type: str) -> Document:
    return Document(
        base.doc_id,
        base.source_id,
        base.path,
        base.uri,
        base.title,
        content,
        media_type,
        base.revision,
        base.updated_at,
    )


async def test_the_collectors_title_is_used_where_the_document_has_none() -> None:
    [[chunk]] = await StructureChunker(TOKENS, 100).chunk([document("a.md", b"words", title="Named")])
    assert chunk.meta["title"] == "Named"
    assert chunk.context == "Named"


async def test_japanese_encodings_are_read() -> None:
    [[chunk]] = await StructureChunker(TOKENS, 100).chunk([document("a.txt", "受注の覚え書き".encode("cp932"))])
    assert chunk.text == "受注の覚え書き"


async def test_a_chunker_travels_between_processes() -> None:
    chunker = pickle.loads(pickle.dumps(StructureChunker(TOKENS, 100)))
    [[chunk]] = await chunker.chunk([document("a.md", b"words")])
    assert chunk.text == "words"
