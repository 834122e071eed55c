from fake_tokens import FakeTokens
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunkers.html_text import strip_tags
from ingest.chunkers.language import language_of
from ingest.chunkers.source import clean_text
from ingest.chunkers.split import Splitter
from ingest.chunkers.text import chunk_text

SPLITTER = Splitter(FakeTokens(), 20)


def test_windows_end_at_blank_lines() -> None:
    text = "\n\n".join("alpha beta\ngamma delta epsilon" for _ in range(4))
    found = chunk_text("notes.txt", "notes.txt", text, "text/plain", SPLITTER).chunks
    assert [c.locator for c in found] == [f"notes.txt#L{n}-L{n + 1}" for n in (1, 4, 7, 10)]
    assert {c.kind for c in found} == {"text"}


def test_kinds_and_languages() -> None:
    def only(path: str, media_type: str, text: str) -> tuple[str, str | None]:
        [chunk] = chunk_text(path, path, text, media_type, SPLITTER).chunks
        return chunk.kind, chunk.lang

    assert only("a.lua", "text/x-lua", "print(1)") == ("code", "lua")
    assert only("a.yml", "application/yaml", "名前: 受注管理") == ("config", "ja")
    assert only("a.toml", "text/plain", "name = 'order'") == ("config", "en")


def test_languages_are_told_by_their_prose() -> None:
    assert language_of("`HTTPException` を返す") == "ja"
    assert language_of("Available in English and 日本語 for every user of the service") == "en"
    assert language_of("```python\nfor item in long_code(): print(item)\n```\n例を示す") == "ja"
    assert language_of("42", "ja") == "ja"
    assert language_of("") == "en"


@given(st.text(alphabet="ab c.\n\r\t調。\u2028\x0c", max_size=400))
def test_every_line_is_in_one_chunk(text: str) -> None:
    found = chunk_text("n.txt", "n.txt", text, "text/plain", SPLITTER).chunks
    assert "".join("".join(c.text.split()) for c in found) == "".join(clean_text(text).split())


def test_tags_in_descriptions_go_and_placeholders_stay() -> None:
    assert strip_tags("<p>事業所<br>ID</p> <order_id> a < b <code>x</code>") == "事業所\nID\n<order_id> a < b x"
