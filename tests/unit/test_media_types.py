import pytest

from ingest import media_types
from ingest.media_types import media_type_of


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("docs/guide.MD", media_types.MARKDOWN),
        ("a/b.py", media_types.PYTHON),
        ("main.go", media_types.GO),
        ("app.ts", "text/x-typescript"),
        ("Makefile", media_types.PLAIN),
        ("deploy/Dockerfile", "text/x-dockerfile"),
        ("api.dockerfile", "text/x-dockerfile"),
        ("Dockerfile.dev", "text/x-dockerfile"),
        ("Gemfile", "text/x-ruby"),
        ("deploy.sh", "text/x-shell"),
        ("README", media_types.PLAIN),
        ("README.ja", media_types.PLAIN),
        ("a.html", media_types.HTML),
        ("data.csv", media_types.CSV),
        ("photo.png", None),
        (".gitignore", None),
        ("archive.tar.gz", None),
    ],
)
def test_names_tell_the_type(path: str, expected: str | None) -> None:
    assert media_type_of(path, b"hello\n") == expected


@pytest.mark.parametrize(
    "head",
    [
        b"openapi: 3.0.3\ninfo: {}\n",
        b"# a comment\n\nopenapi: '3.1.0'\n",
        b'swagger: "2.0"\n',
        b'{"info": {"openapi": "x"}, "openapi": "3.0.0"}',
        b'\xef\xbb\xbf{"openapi": "3.0.0"}',
    ],
)
def test_openapi_is_told_by_its_top_level_key(head: bytes) -> None:
    assert media_type_of("api.yaml", head) == media_types.OPENAPI
    assert media_type_of("api.json", head) == media_types.OPENAPI
    assert media_type_of("api.md", head) == media_types.MARKDOWN


@pytest.mark.parametrize(
    "head", [b"info:\n  openapi: 3.0.0\n", b'{"info": {"openapi": "3.0.0"}}', b"openapi: yes\n", b'{"a": "openapi"}']
)
def test_the_key_elsewhere_is_not_openapi(head: bytes) -> None:
    assert media_type_of("api.yaml", head) == media_types.YAML


def test_binary_content_is_refused_whatever_its_name() -> None:
    assert media_type_of("notes.md", b"abc\x00def") is None
    assert media_type_of("book.xlsx", b"not a zip") is None
    assert media_type_of("book.xlsx", b"PK\x03\x04\x00") == media_types.SPREADSHEET


def test_utf16_with_its_mark_is_text() -> None:
    assert media_type_of("notes.txt", "日本語".encode("utf-16")) == media_types.PLAIN
