import socket
from pathlib import Path
from typing import Any

import pytest
from ingest_fakes import Repository

from ingest.collectors.git_mirror import GitMirror
from ingest.locations import guess_kind, name_of, require_readable
from shirabe.errors import Forbidden, InvalidInput, NotFound
from shirabe.types import Source


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("https://github.com/fastapi/fastapi.git", "fastapi"),
        ("git@github.com:team/設計.git", "設計"),
        ("/data/My Docs/", "My-Docs"),
        ("/data/api.v2.yaml", "api.v2"),
        ("/data/fastapi.bundle", "fastapi"),
        ("/", "source"),
        ("https://github.com/team/site/issues", "site-issues"),
        ("https://gitlab.example.org/a/b/site/-/merge_requests", "site-issues"),
    ],
)
def test_names_come_from_the_last_part(location: str, name: str) -> None:
    assert name_of(location) == name


def test_kinds_are_told_from_what_is_there(tmp_path: Path) -> None:
    Repository(tmp_path / "repo").git("clone", "--quiet", "--bare", ".", "../bare")
    for name, content in {
        "book.xlsx": b"PK\x03\x04",
        "terms.csv": b"a,b\n",
        "api.yml": b"openapi: 3.0.0\n",
        "guide.md": b"# g\n",
        "x.bundle": b"",
        "apis/api.json": b'{"openapi": "3.1.0"}',
        "apis/readme.txt": b"text",
        "docs/api.json": b'{"openapi": "3.1.0"}',
        "docs/readme.md": b"# text",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    expected = {
        "repo": "git",
        "bare": "git",
        "x.bundle": "git",
        "book.xlsx": "sheet",
        "terms.csv": "sheet",
        "api.yml": "openapi",
        "guide.md": "markdown",
        "apis": "openapi",
        "docs": "markdown",
    }
    assert {name: guess_kind(str(tmp_path / name)) for name in expected} == expected
    assert guess_kind("https://example.org/x") == guess_kind("git@example.org:x") == "git"
    assert guess_kind("https://github.com/team/site/issues") == "issues"
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    with pytest.raises(InvalidInput, match="name the kind"):
        guess_kind(str(tmp_path / "photo.png"))
    with pytest.raises(NotFound):
        guess_kind(str(tmp_path / "nothing"))
    with pytest.raises(InvalidInput):
        guess_kind("ftp://example.org/x")


def test_over_the_network_only_allowed_folders_are_read(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    (allowed / "docs").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (allowed / "link").symlink_to(tmp_path / "secret")
    require_readable(Source("a", "markdown", str(allowed / "docs")), [allowed])
    for place in (
        tmp_path / "secret",
        allowed / "link",
        allowed / ".." / "secret",
        Path("/etc"),
        tmp_path / "allowed2",
    ):
        with pytest.raises(Forbidden):
            require_readable(Source("a", "markdown", str(place)), [allowed])
    with pytest.raises(Forbidden):
        require_readable(Source("a", "markdown", str(allowed)), [])
    for location in ("docs", "file:///etc", "ext::sh -c true", "http://example.org/x"):
        with pytest.raises(InvalidInput):
            require_readable(Source("a", "git", location), [allowed])
    with pytest.raises(InvalidInput):
        require_readable(Source("../a", "markdown", str(allowed)), [allowed])


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("93.184.216.34", True), ("127.0.0.1", False), ("10.1.2.3", False), ("169.254.169.254", False), ("::1", False)],
)
def test_over_the_network_only_public_hosts_are_read(
    address: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 443))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    source = Source("a", "git", "https://code.example.org/x.git")
    if allowed:
        require_readable(source, [])
    else:
        with pytest.raises(Forbidden, match="private"):
            require_readable(source, [])
    with pytest.raises(Forbidden):
        require_readable(Source("a", "git", "ssh://code.example.org/x.git"), [])


@pytest.mark.parametrize(
    ("location", "uri"),
    [
        ("https://github.com/o/r.git", "https://github.com/o/r/blob/abc/docs/a%20b.md"),
        ("git@github.com:o/r.git", "https://github.com/o/r/blob/abc/docs/a%20b.md"),
        ("https://user:secret@gitlab.example.org/g/o/r", "https://gitlab.example.org/g/o/r/-/blob/abc/docs/a%20b.md"),
        ("https://user:secret@code.example.org/r", "git:https://code.example.org/r@abc:docs/a b.md"),
    ],
)
def test_documents_link_to_their_page_and_never_to_a_password(tmp_path: Path, location: str, uri: str) -> None:
    assert GitMirror(tmp_path, "s", location).uri("docs/a b.md", "abc") == uri
