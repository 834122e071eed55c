"""The Confluence collector against a server that behaves like the real one, Cloud and Data Center alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fake_confluence import TOKEN, FakeConfluence, fake_confluence
from fake_confluence_rows import Site
from fake_tokens import FakeTokens
from ingest_fakes import CountingEmbedder, FailingStore, job_in

from ingest.chunkers import StructureChunker
from ingest.collectors.confluence import ConfluenceCollector, LookAgain, remember
from ingest.collectors.confluence.options import Options
from ingest.collectors.web import WebLimits
from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, Unavailable
from shirabe.settings import Settings
from shirabe.types import ABOVE, Acl, Change, Cursor, Delete, Document, Failure, Skip, Source, Upsert

STAFF = Acl(principals=("confluence:group:staff",))
LIMITS = WebLimits(max_bytes=1_000_000, total_s=20, longest_wait_s=0.05, attempts=2)


@dataclass
class Wiki:
    """A served site and where its source keeps its state."""

    fake: FakeConfluence
    folder: Path
    options: dict[str, Any]

    @property
    def site(self) -> Site:
        return self.fake.site

    def source(self, **options: Any) -> Source:
        return Source("wiki", "confluence", self.fake.url, options={**self.options, **options})

    def collector(self, **options: Any) -> ConfluenceCollector:
        return ConfluenceCollector(
            self.source(**options), self.folder, 100_000, now=lambda: self.site.now, limits=LIMITS
        )

    def tell(self, *contents: str, **more: Any) -> None:
        remember(self.source(), self.folder, LookAgain(contents=frozenset(contents), **more))


@pytest_asyncio.fixture(params=["cloud", "data_center"])
async def wiki(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wiki]:
    monkeypatch.setenv("WIKI_TOKEN", TOKEN)
    async with fake_confluence(cloud=request.param == "cloud") as fake:
        options = {
            "deployment": request.param,
            "token": {"env": "WIKI_TOKEN"},
            "allow_private": True,
            "time_zone": "Asia/Tokyo",
        }
        yield Wiki(fake, tmp_path, options)


async def listed(changes: AsyncIterator[Change]) -> dict[str, Change]:
    return {change.document.path if isinstance(change, Upsert) else change.path: change async for change in changes}


async def everything(wiki: Wiki, **options: Any) -> dict[str, Document]:
    collector = wiki.collector(**options)
    found = await listed(collector.changes(None, await collector.head()))
    return {path: change.document for path, change in found.items() if isinstance(change, Upsert)}


async def since(wiki: Wiki, cursor: Cursor) -> dict[str, Change]:
    collector = wiki.collector()
    return await listed(collector.changes(cursor, await collector.head()))


async def test_a_page_is_one_document_with_its_place_labels_and_comments(wiki: Wiki) -> None:
    top = wiki.site.put("開発ホーム")
    parent = wiki.site.put("注文サービス", parent=top.number)
    page = wiki.site.put("設計", "<h1>概要</h1><p>注文を受ける。</p>", parent=parent.number, labels=("design", "order"))
    wiki.site.put("", "<p>承認します。</p>", kind="comment", container=page.number, author="5b10-sato")
    inline = wiki.site.put("", "<p>期限は?</p>", kind="comment", container=page.number, inline="注文を受ける")
    wiki.site.put(
        "", "<p>24時間です。</p>", kind="comment", container=page.number, inline="注文を受ける", parent=inline.number
    )
    found = await everything(wiki)
    document = found[f"page/{page.number}"]
    assert (document.title, document.media_type) == ("設計", "application/vnd.shirabe.confluence+markdown")
    assert document.meta[ABOVE] == ("開発", "開発ホーム", "注文サービス")
    assert document.uri.startswith(f"{wiki.fake.url}/spaces/DEV/pages/{page.number}/")
    assert (document.revision, document.updated_at, document.acl) == ("1", page.when, STAFF)
    assert document.content.decode() == (
        '---\ntitle: "設計"\ntags: ["design", "order"]\n---\n\n# 概要\n\n注文を受ける。\n\n# Comments\n\n'
        "## 佐藤花子 · 2026-04-01\n\n承認します。\n\n"
        "## 山田太郎 · 2026-04-01\n\n> 注文を受ける\n\n期限は?\n\n"
        "## 山田太郎 · 2026-04-01\n\n> 注文を受ける\n\n24時間です。\n"
    )
    assert set(found) == {f"page/{item.number}" for item in (top, parent, page)}


async def test_every_chunk_says_where_it_is(wiki: Wiki) -> None:
    page = wiki.site.put("注文 設計", "<p>前書き</p><h2>状態 一覧</h2><p>受付</p><h2>状態 一覧</h2><p>確定</p>")
    comment = wiki.site.put("", "<h3>質問</h3><p>取消は?</p>", kind="comment", container=page.number)
    [document] = (await everything(wiki)).values()
    [chunks] = await StructureChunker(FakeTokens(), 60).chunk([document])
    prefix, blank = ("", "-") if wiki.site.cloud else ("注文設計-", "")
    heading = f"{prefix}状態{blank}一覧"
    assert [chunk.locator.partition("#")[2] for chunk in chunks] == [
        "",
        heading,
        f"{heading}.1",
        f"comment-{comment.number}",
    ]
    text = document.content.decode()
    lines = text.split("\n")
    for chunk in chunks:
        assert chunk.text in text
        assert chunk.text == "\n".join(lines[chunk.meta["start_line"] - 1 : chunk.meta["end_line"]])
        assert chunk.context.startswith("開発 › 注文 設計")
        assert chunk.headings[0] == "開発"
        assert FakeTokens().count(chunk.embedded_text) <= 60
    assert "受付" in chunks[1].text


async def test_files_at_a_page_are_documents_of_their_own(wiki: Wiki) -> None:
    page = wiki.site.put("手順", users=("5b10-sato",))
    spec = wiki.site.put(
        "手順 v2.md", kind="attachment", container=page.number, content="# 手順\n\n再起動する。".encode()
    )
    picture = wiki.site.put("図.png", kind="attachment", container=page.number, content=b"\x89PNG")
    large = wiki.site.put("大.txt", kind="attachment", container=page.number, content=b"x" * 100_001)
    collector = wiki.collector()
    found = await listed(collector.changes(None, await collector.head()))
    change = found[f"attachment/{spec.number}"]
    assert isinstance(change, Upsert)
    document = change.document
    assert (document.title, document.content, document.media_type) == ("手順 v2.md", spec.content, "text/markdown")
    assert document.meta[ABOVE] == ("開発", "手順")
    assert document.acl == Acl(principals=("confluence:user:5b10-sato",))
    refused = {path: one.reason for path, one in found.items() if isinstance(one, Skip)}
    assert refused == {
        f"attachment/{picture.number}": "not a supported kind of document",
        f"attachment/{large.number}": "100001 bytes, more than the 100000 allowed",
    }
    assert not any("図" in path for path in wiki.fake.requests if "download" in path)


async def test_between_comparisons_only_what_was_written_is_looked_at(wiki: Wiki) -> None:
    wiki.fake.most = 100
    pages = [wiki.site.put(f"p{number}", "<p>text</p>") for number in range(10)]
    collector = wiki.collector()
    first = await collector.head()
    wiki.site.now += timedelta(hours=3)
    wiki.fake.requests.clear()
    old = await wiki.collector(compare_minutes=600).head()
    assert old == first
    assert len(wiki.fake.requests) == 3
    wiki.site.edit(pages[3], storage="<p>edited</p>")
    new = wiki.site.put("new")
    wiki.site.put("", "<p>said</p>", kind="comment", container=pages[5].number)
    wiki.fake.requests.clear()
    collector = wiki.collector(compare_minutes=600)
    head = await collector.head()
    assert len(wiki.fake.requests) == 3
    changes = await listed(collector.changes(old, head))
    assert set(changes) == {f"page/{item.number}" for item in (pages[3], new, pages[5])}
    assert await collector.count(old, head) == 3
    assert await collector.head() == head


@pytest.mark.parametrize(("account", "option"), [("Asia/Tokyo", None), ("America/Los_Angeles", None), (None, None)])
async def test_a_query_is_asked_in_the_zone_of_the_account(wiki: Wiki, account: str | None, option: str | None) -> None:
    del wiki.options["time_zone"]
    wiki.site.time_zone = account
    page = wiki.site.put("page", "<p>text</p>")
    await wiki.collector(compare_minutes=6000).head()
    wiki.site.now += timedelta(days=2)
    await wiki.collector(compare_minutes=6000).head()
    wiki.site.edit(page, storage="<p>edited</p>")
    cursor = await wiki.collector(compare_minutes=6000).head()
    collector = wiki.collector(compare_minutes=6000)
    change = await collector.get(f"page/{page.number}", cursor)
    assert isinstance(change, Upsert)
    assert b"edited" in change.document.content
    assert change.document.revision == "2"
    found = (await collector._snapshot(cursor)).contents[page.number]
    assert found.version == 2


@pytest.mark.parametrize("known", ["search", "webhook", "comparison"])
@pytest.mark.parametrize("change", ["trash", "purge", "restrict", "move", "rename", "space"])
async def test_a_change_is_found_however_it_is_told(wiki: Wiki, change: str, known: str) -> None:
    site = wiki.site
    site.space("OPS", "運用", readers=[("group", "ops")])
    site.groups["ops"] = []
    other = site.put("移動先")
    parent = site.put("親", "<p>親</p>")
    child = site.put("子", "<p>子</p>", parent=parent.number)
    file = site.put("子.txt", kind="attachment", container=child.number, content=b"file")
    site.put("無関係", "<p>無関係</p>")
    site.now += timedelta(hours=5)
    cursor = await wiki.collector().head()
    minutes = 0 if known == "comparison" else 10_000
    match change:
        case "trash":
            site.trash(parent)
        case "purge":
            site.trash(parent)
            del site.items[parent.number]
        case "restrict":
            parent.groups = ("managers",)
        case "move":
            parent.parent = other.number
        case "rename":
            site.edit(parent, title="親 (改)")
        case "space":
            for item in (parent, child, file):
                item.space = "OPS"
    if known == "webhook":
        wiki.tell(parent.number)
    collector = wiki.collector(compare_minutes=minutes)
    changes = await listed(collector.changes(cursor, await collector.head()))
    if known == "search" and change in ("purge", "restrict", "move", "space"):
        assert changes == {}, "neither the search nor the trash knows; the comparison will"
        return
    assert set(changes) == {f"page/{parent.number}", f"page/{child.number}", f"attachment/{file.number}"}
    gone, below = changes[f"page/{parent.number}"], changes[f"attachment/{file.number}"]
    assert isinstance(below, Upsert)
    match change:
        case "trash" | "purge":
            assert isinstance(gone, Delete)
            assert below.document.meta[ABOVE] == ("開発", "子")
        case "restrict":
            assert below.document.acl == Acl()
        case "move":
            assert below.document.meta[ABOVE] == ("開発", "移動先", "親", "子")
        case "rename":
            assert below.document.meta[ABOVE] == ("開発", "親 (改)", "子")
        case "space":
            assert below.document.meta[ABOVE] == ("運用", "親", "子")
            assert below.document.acl == Acl(principals=("confluence:group:ops",))


async def test_what_a_webhook_tells_of_is_read_by_its_number(wiki: Wiki) -> None:
    page = wiki.site.put("page", "<p>text</p>")
    cursor = await wiki.collector().head()
    new = wiki.site.put("neu", "<p>neu</p>")
    comment = wiki.site.put("", "<p>said</p>", kind="comment", container=page.number)
    reply = wiki.site.put("", "<p>reply</p>", kind="comment", container=page.number, parent=comment.number)
    file = wiki.site.put("a.txt", kind="attachment", container=page.number, content=b"file")
    wiki.site.unindexed = {new.number, comment.number, reply.number, file.number}
    assert await since(wiki, cursor) == {}
    wiki.tell(new.number, comments=frozenset({reply.number}), attachments=frozenset({file.number}))
    cursor = await wiki.collector().head()
    paths = {f"page/{new.number}", f"page/{page.number}", f"attachment/{file.number}"}
    assert set(await wiki.collector().paths(cursor)) == paths
    change = await wiki.collector().get(f"page/{page.number}", cursor)
    assert isinstance(change, Upsert)
    assert b"reply" in change.document.content
    comment.status = reply.status = file.status = "trashed"
    wiki.tell(comments=frozenset({reply.number, comment.number}), attachments=frozenset({file.number}))
    changes = await since(wiki, cursor)
    assert isinstance(changes[f"attachment/{file.number}"], Delete)
    kept = changes[f"page/{page.number}"]
    assert isinstance(kept, Upsert)
    assert b"Comments" not in kept.document.content


async def test_a_note_is_kept_until_it_was_looked_at(wiki: Wiki) -> None:
    page = wiki.site.put("page")
    cursor = await wiki.collector().head()
    page.groups = ("managers",)
    wiki.tell(page.number)
    wiki.fake.faults.extend([(500, {})] * LIMITS.attempts)
    with pytest.raises(Exception, match="500"):
        await wiki.collector().head()
    assert set(await since(wiki, cursor)) == {f"page/{page.number}"}


async def test_who_may_see_a_page_passed_every_gate(wiki: Wiki) -> None:
    site = wiki.site
    site.groups |= {"hr": ["5b10-sato", "5b10-guest"], "staff": ["5b10-yamada", "5b10-sato"]}
    site.space("OPEN", "公開", anonymous=True)
    cases = {
        "free": (site.put("free"), STAFF),
        "public": (site.put("public", space="OPEN"), Acl(public=True)),
        "public restricted": (site.put("a", space="OPEN", groups=("hr",)), Acl(principals=("confluence:group:hr",))),
        "one": (site.put("one", users=("5b10-sato",)), Acl(principals=("confluence:user:5b10-sato",))),
        "stranger": (site.put("stranger", users=("5b10-guest",)), Acl()),
        "group": (site.put("group", groups=("hr",)), Acl(principals=("confluence:user:5b10-sato",))),
        "same group": (site.put("same", groups=("staff", "hr")), STAFF),
        "unknown group": (site.put("unknown", groups=("nobody-knows",)), Acl()),
    }
    above = site.put("above", groups=("hr",))
    cases["inherited"] = (site.put("below", parent=above.number), Acl(principals=("confluence:user:5b10-sato",)))
    both = site.put("both", parent=above.number, users=("5b10-yamada",))
    cases["inherited and own"] = (both, Acl())
    cases["below both"] = (site.put("deep", parent=both.number), Acl())
    found = await everything(wiki)
    assert {name: found[f"page/{item.number}"].acl for name, (item, _) in cases.items()} == {
        name: acl for name, (_, acl) in cases.items()
    }


async def test_what_cannot_be_told_is_seen_by_nobody(wiki: Wiki) -> None:
    page = wiki.site.put("page")
    wiki.fake.forbidden = {"permissions"}
    assert (await everything(wiki))[f"page/{page.number}"].acl == Acl()
    open_to_all = await everything(wiki, permissions="source")
    assert open_to_all[f"page/{page.number}"].acl == Acl(public=True)
    wiki.site.edit(page, users=("5b10-sato",))
    restricted = await everything(wiki, permissions="source")
    assert restricted[f"page/{page.number}"].acl == Acl(principals=("confluence:user:5b10-sato",))


async def test_lists_are_read_to_their_end_and_only_the_named_spaces(wiki: Wiki) -> None:
    wiki.site.space("OPS", "運用")
    wiki.site.space("OLD", "旧")
    pages = [wiki.site.put(f"p{n}", space="OPS" if n % 2 else "DEV") for n in range(17)]
    posts = [wiki.site.put(f"b{n}", kind="blogpost") for n in range(4)]
    wiki.site.put("elsewhere", space="OLD")
    found = await everything(wiki, spaces=["DEV", "OPS"])
    assert set(found) == {f"{item.kind}/{item.number}" for item in (*pages, *posts)}
    with pytest.raises(NotFound, match="NONE"):
        await wiki.collector(spaces=["NONE"]).head()


async def test_a_server_that_asks_for_time_gets_it(wiki: Wiki) -> None:
    wiki.site.put("page")
    wiki.fake.faults.append((429, {"Retry-After": "0"}))
    assert len(await everything(wiki)) == 1
    wiki.fake.faults.append((429, {"Retry-After": "900"}))
    with pytest.raises(Overloaded) as told:
        await wiki.collector().head()
    assert told.value.retry_after_s == 900


async def test_wrong_credentials_are_told_and_change_nothing(wiki: Wiki, monkeypatch: pytest.MonkeyPatch) -> None:
    wiki.site.put("page")
    cursor = await wiki.collector().head()
    monkeypatch.setenv("WIKI_TOKEN", "revoked")
    with pytest.raises(Forbidden, match="credentials") as told:
        await wiki.collector().head()
    assert "revoked" not in str(told.value)
    assert await wiki.collector().knows(cursor)


async def test_a_page_that_cannot_be_read_is_a_failure_beside_the_others(wiki: Wiki) -> None:
    broken = wiki.site.put("broken", "<p>never <b>closed</p>")
    entities = wiki.site.put("entities", '<!DOCTYPE x [<!ENTITY a "b">]><p>&a;</p>')
    fine = wiki.site.put("fine", "<p>fine</p>")
    collector = wiki.collector()
    found = await listed(collector.changes(None, await collector.head()))
    for item in (broken, entities):
        failure = found[f"page/{item.number}"]
        assert isinstance(failure, Failure)
        assert "not well-formed" in failure.reason
    assert isinstance(found[f"page/{fine.number}"], Upsert)


async def test_pages_in_what_is_no_page_are_under_its_title(wiki: Wiki) -> None:
    folder = wiki.site.put("資料", kind="folder")
    page = wiki.site.put("議事録", parent=folder.number)
    hidden = wiki.site.put("非公開", kind="folder", groups=("managers",))
    below = wiki.site.put("査定", parent=hidden.number)
    found = await everything(wiki)
    assert found[f"page/{page.number}"].meta[ABOVE] == ("開発", "資料")
    assert found[f"page/{below.number}"].acl == Acl()


async def test_the_job_writes_a_changed_reader_or_place_again_without_embedding_it(wiki: Wiki) -> None:
    home = wiki.site.put("ホーム", "<p>ようこそ</p>")
    page = wiki.site.put("設計", "<h1>概要</h1><p>注文を受ける。</p><h1>詳細</h1><p>在庫を引き当てる。</p>")
    store, embedder = FailingStore(), CountingEmbedder()

    def opened(source: Source, settings: Settings) -> ConfluenceCollector:
        return ConfluenceCollector(source, settings.state_dir, 100_000, now=lambda: wiki.site.now, limits=LIMITS)

    job = job_in(wiki.folder, store, embedder, open_source=opened)
    await job.add(wiki.source())
    assert (await job.sync("wiki")).documents == 2
    held, texts, bulks = await store.held("wiki"), len(embedder.texts), store.bulks
    assert (await job.sync("wiki")).documents == 0
    assert (store.bulks, len(embedder.texts)) == (bulks, texts)
    page.users = ("5b10-sato",)
    remember(wiki.source(), job._settings.state_dir, LookAgain(contents=frozenset({page.number})))
    report = await job.sync("wiki")
    assert (report.documents, report.embedded) == (1, 0)
    acls = {row.record.document.path: row.record.document.acl for row in store._written.values() if row.record}
    assert acls == {f"page/{home.number}": STAFF, f"page/{page.number}": Acl(principals=("confluence:user:5b10-sato",))}
    assert await store.held("wiki") == held
    assert (await job.drift("wiki")).outdated == ()
    wiki.site.edit(page, storage=page.storage.replace("引き当てる", "確保する"))
    report = await job.sync("wiki")
    assert (report.documents, report.embedded) == (1, 1)
    wiki.site.trash(page)
    assert (await job.sync("wiki")).deleted == 1
    await job.remove("wiki")
    assert list((job._settings.state_dir / "confluence").glob("*/*")) == []
    await job.close()


@pytest.mark.parametrize(
    ("options", "place"),
    [
        *[
            ({"token": TOKEN}, "options.token"),
            ({"spaces": "DEV"}, "options.spaces"),
            ({"spaces": ['A" or']}, "options.spaces"),
        ],
        *[({"deployment": "server"}, "options.deployment"), ({"time_zone": "Tokyo"}, "options.time_zone")],
        *[({"compare_minutes": "5"}, "options.compare_minutes"), ({"permissions": "none"}, "options.permissions")],
        *[({"user": "a@example.org"}, "options.token"), ({"exclude": []}, "options.exclude")],
        *[({"allow_private": "yes"}, "options.allow_private"), ({"deployment": 3}, "options.deployment")],
    ],
)
def test_options_are_checked(tmp_path: Path, options: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ConfluenceCollector(Source("w", "confluence", "https://wiki.example.org", options=options), tmp_path, 1)
    assert refused.value.place == place
    assert TOKEN not in str(refused.value)


async def test_a_page_to_log_in_at_makes_no_space_public(wiki: Wiki) -> None:
    page = wiki.site.put("page")
    wiki.fake.login_page = True
    assert (await everything(wiki))[f"page/{page.number}"].acl == STAFF


async def test_lists_without_an_end_are_left(wiki: Wiki) -> None:
    for number in range(5):
        wiki.site.put(f"p{number}")
    wiki.fake.endless = True
    with pytest.raises(Unavailable, match="has no end"):
        await wiki.collector().head()


@pytest.mark.parametrize(
    ("location", "base"),
    [
        ("https://example.atlassian.net", "https://example.atlassian.net/wiki/"),
        ("https://example.atlassian.net/wiki", "https://example.atlassian.net/wiki/"),
        ("https://api.atlassian.com/ex/confluence/1-2", "https://api.atlassian.com/ex/confluence/1-2/wiki/"),
        ("https://wiki.example.org", "https://wiki.example.org"),
        ("https://example.org/confluence", "https://example.org/confluence/"),
    ],
)
def test_the_address_of_the_site_is_enough(location: str, base: str) -> None:
    assert Options.of(Source("w", "confluence", location)).base_url == base
