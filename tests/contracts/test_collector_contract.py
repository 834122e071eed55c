"""The contract of `Collector`, run on every collector over a small changing source of each kind."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path

import pytest
import pytest_asyncio
from collector_places import ACL, MAX_BYTES, Place, google_place, in_files, issues_place, spec, wiki_place

from ingest.collectors import open_collector
from ingest.collectors.selection import content_digest
from shirabe.errors import InvalidInput, NotFound
from shirabe.settings import load_settings
from shirabe.types import Change, Cursor, Delete, Skip, Source, SourceKind, Upsert, document_id


@pytest_asyncio.fixture(
    params=["git", "versions", "folder", "openapi", "google", "cloud", "data_center", "github", "gitlab"]
)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "google":
        async with google_place(Source("s", "sheet", "", ACL)) as found:
            yield found
    elif request.param in ("cloud", "data_center"):
        async with wiki_place(tmp_path, request.param) as found:
            yield found
    elif request.param in ("github", "gitlab"):
        async with issues_place(tmp_path, request.param) as found:
            yield found
    else:
        yield in_files(request.param, tmp_path)


@pytest.fixture(params=["git", "folder", "openapi"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return in_files(request.param, tmp_path)


async def listed(changes: AsyncIterator[Change]) -> dict[str, Change]:
    return {change.document.path if isinstance(change, Upsert) else change.path: change async for change in changes}


async def test_documents_carry_where_they_are_from(place: Place) -> None:
    place.write({place.name("dir/one"): spec("one"), place.name("二"): spec("two")})
    head = await place.collector.head()
    found = await listed(place.collector.changes(None, head))
    assert set(found) == {place.name("dir/one"), place.name("二")}
    change = found[place.name("二")]
    assert isinstance(change, Upsert)
    document = change.document
    assert document.doc_id == document_id("s", place.name("二"))
    content = place.content(place.name("二"), spec("two"))
    assert (document.source_id, document.acl, document.content) == ("s", ACL, content)
    assert document.updated_at.tzinfo == UTC
    assert document.revision
    assert document.uri
    assert document.media_type


async def test_an_empty_source_is_no_error(place: Place) -> None:
    head = await place.collector.head()
    assert await listed(place.collector.changes(None, head)) == {}
    assert await place.collector.paths(head) == {}
    assert await place.collector.count(None, head) == 0


async def test_nothing_changed_is_nothing(place: Place) -> None:
    place.write({place.name("one"): spec("one")})
    head = await place.collector.head()
    assert await place.collector.head() == head
    assert await place.collector.knows(head)
    assert await listed(place.collector.changes(head, head)) == {}


async def test_paths_agree_with_everything(place: Place) -> None:
    place.write({place.name(stem): spec(stem) for stem in ("a", "b/c", "d")})
    head = await place.collector.head()
    everything = await listed(place.collector.changes(None, head))
    hashes = {path: content_digest(c.document.content) for path, c in everything.items() if isinstance(c, Upsert)}
    assert await place.collector.paths(head) == hashes
    assert await place.collector.count(None, head) == len(everything)


async def test_a_difference_brings_one_state_to_the_other(place: Place) -> None:
    place.write({place.name(stem): spec(stem) for stem in ("same", "edited", "gone")})
    old = await place.collector.head()
    before = dict(await place.collector.paths(old))
    place.write({place.name("edited"): spec("edited2"), place.name("new"): spec("new")})
    place.remove(place.name("gone"))
    head = await place.collector.head()
    assert head != old
    changes = await listed(place.collector.changes(old, head))
    after = before if await place.collector.knows(old) else {}
    for path, change in changes.items():
        after.pop(path, None)
        if isinstance(change, Upsert):
            after[path] = content_digest(change.document.content)
    assert after == await place.collector.paths(head)
    assert await place.collector.count(old, head) == len(changes)


async def test_one_document_can_be_asked_for(place: Place) -> None:
    place.write({place.name("one"): spec("one"), place.name("large"): spec("x" * MAX_BYTES)})
    head = await place.collector.head()
    found = await place.collector.get(place.name("one"), head)
    assert isinstance(found, Upsert)
    assert found.document.content == place.content(place.name("one"), spec("one"))
    for absent in ("nothing" + place.suffix, "../outside" + place.suffix, "/etc/passwd", "", ".git/config"):
        assert isinstance(await place.collector.get(absent, head), Delete | Skip), absent
    assert await listed(place.collector.changes(None, head)) != {}


async def test_an_unknown_cursor_means_everything(place: Place) -> None:
    place.write({place.name("one"): spec("one")})
    head = await place.collector.head()
    unknown = Cursor("0" * 40)
    assert not await place.collector.knows(unknown)
    assert set(await listed(place.collector.changes(unknown, head))) == {place.name("one")}


async def test_links_out_of_the_source_are_never_followed(files: Place, tmp_path: Path) -> None:
    secret = tmp_path / f"secret{files.suffix}"
    secret.write_text(spec("secret"))
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / f"deep{files.suffix}").write_text(spec("secret"))
    os.symlink(secret, files.root / files.name("link"))
    os.symlink(tmp_path / "outside", files.root / "folder")
    files.write({files.name("one"): spec("one")})
    head = await files.collector.head()
    found = await listed(files.collector.changes(None, head))
    documents = [change.document for change in found.values() if isinstance(change, Upsert)]
    assert [document.path for document in documents] == [files.name("one")]
    for path in (files.name("link"), f"folder/deep{files.suffix}"):
        assert not isinstance(await files.collector.get(path, head), Upsert)


async def test_options_and_locations_are_checked_when_opened(tmp_path: Path) -> None:
    settings = load_settings(state_dir=tmp_path)
    kinds: tuple[SourceKind, ...] = ("git", "markdown", "openapi")
    for kind in kinds:
        with pytest.raises(NotFound):
            open_collector(Source("s", kind, str(tmp_path / "nothing")), settings)
        with pytest.raises(InvalidInput, match="list of globs"):
            open_collector(Source("s", kind, str(tmp_path), options={"include": "*.md"}), settings)
    for location in ("ext::sh -c true", "http://example.org/repo.git", "git://example.org/repo.git", "https://-x"):
        with pytest.raises(InvalidInput):
            open_collector(Source("s", "git", location), settings)
    for kind in kinds[1:]:
        with pytest.raises(InvalidInput):
            open_collector(Source("s", kind, "https://example.org/api.yaml"), settings)
    with pytest.raises(NotFound):
        open_collector(Source("s", "issues", str(tmp_path / "nothing")), settings)
    for location in (
        "https://example.org/a/b",
        "http://github.com/a/b",
        "https://github.com/a",
        "https://x@github.com/a/b",
    ):
        with pytest.raises(InvalidInput):
            open_collector(Source("s", "issues", location), settings)
