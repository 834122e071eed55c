"""One word in two spellings: what is written in one is found by asking in the other, by the lexical leg alone."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from opensearchpy import AsyncOpenSearch

from opensearch.store import OpenSearchStore, open_store
from shirabe.settings import Settings
from shirabe.types import Acl, Document, Embedding, ModelInfo, Query, Record, make_chunk

MODEL = ModelInfo("none", "1", 8, 512)

# Grouped by what differs. Of each pair one is written, in a page among pages that differ in this word only.
PAIRS = {
    "long vowels": "サーバ/サーバー ユーザ/ユーザー コンピュータ/コンピューター メモリ/メモリー プリンタ/プリンター "
    "ブラウザ/ブラウザー フォルダ/フォルダー パラメータ/パラメーター マネージャ/マネージャー ドライバ/ドライバー",
    "okurigana": "申込み/申し込み 申込/申し込み 取消/取り消し 取消し/取り消し 見積/見積もり 見積り/見積もり "
    "引落し/引き落とし 打合せ/打ち合わせ 問合せ/問い合わせ 受付/受け付け 締切/締め切り 繰返し/繰り返し "
    "割引/割り引き 振込/振り込み 払戻し/払い戻し 取扱/取り扱い 立上げ/立ち上げ 切替/切り替え 組込み/組み込み "
    "読込/読み込み 書込み/書き込み 差戻し/差し戻し 引継ぎ/引き継ぎ 売上/売り上げ 積立/積み立て 貸出/貸し出し "
    "引当/引き当て 棚卸/棚卸し",
    "width and composition": "ﾃｽﾄ/テスト ＡＰＩ/API ｻｰﾊﾞｰ/サーバー ﾃﾞｰﾀﾍﾞｰｽ/データベース １２３４５/12345 "
    "㈱青葉/(株)青葉 ㍑/リットル か\u3099いと\u3099/がいど ＵＲＬ/url",
    "kana and characters": "子ども/子供 行なう/行う 表わす/表す とりけし/取り消し わりびき/割引 ごみ箱/ゴミ箱 "
    "ねじ/ネジ りんご/リンゴ 齋藤/斎藤 有難う/ありがとう 出来る/できる 全て/すべて",
    "identifiers": "getUserById/get_user_by_id order_id/orderId maxRetryCount/max-retry-count HTTPServer/http_server "
    "user.email/user_email X-Request-Id/xRequestId ORDER_STATUS/orderStatus parseJSON/parse_json",
    "variants of katakana": "ヴァージョン/バージョン ソフトウエア/ソフトウェア インタフェース/インターフェース "
    "ウインドウ/ウィンドウ インターフェイス/インターフェース ヴォリューム/ボリューム",
}
FLAT = [tuple(pair.split("/")) for pairs in PAIRS.values() for pair in pairs.split(" ")]
COMPOUNDS = {
    "資金決済法": "資金決済法にもとづく登録の手順",
    "注文取消処理": "注文取消処理の流れ",
    "在庫引当処理": "在庫引当処理の順序",
    "本人確認書類": "本人確認書類の一覧",
}
PARTS = [
    "資金の移動と決済の方法、法務の確認",
    "決済の法定書面",
    "資金繰り表",
    "注文の処理",
    "取消の記録と注文の記録、処理の担当",
    "在庫の処理",
    "引当金の計上と在庫の評価、処理の締め",
    "書類の確認、本人による一覧の提出",
]


@pytest_asyncio.fixture
async def store(opensearch_url: str, settings: Settings) -> AsyncIterator[OpenSearchStore]:
    alias = f"test-{uuid.uuid4().hex[:12]}"
    engine = settings.opensearch.model_copy(update={"url": opensearch_url, "alias": alias})
    opened = await open_store(engine, MODEL)
    yield opened
    await opened.close()
    async with AsyncOpenSearch(hosts=[opensearch_url]) as client:
        await client.indices.delete(index=f"{alias}-*")


def page(name: str, text: str) -> Record:
    """Return a page of one chunk without an embedding; its id says what it holds."""
    when = datetime(2026, 1, 1, tzinfo=UTC)
    document = Document(name, "s", f"{len(name)}.md", "u", "頁", b"", "text/markdown", "r", when, Acl(public=True))
    return Record(document, make_chunk(document, 0, kind="section", text=text, locator="p", lang="ja"), Embedding())


async def found(store: OpenSearchStore, asked: str, depth: int) -> list[str]:
    """Return the pages that the lexical leg ranks first."""
    ranked = await store.legs(Query(asked, top_k=depth), ["lexical"], None, depth)
    return [hit.chunk_id.rpartition("-")[0] for hit in ranked["lexical"]]


@pytest.mark.parametrize("turned", [False, True], ids=["written in the first", "written in the second"])
async def test_the_other_spelling_is_found(store: OpenSearchStore, *, turned: bool) -> None:
    assert len(FLAT) >= 60
    pairs = [(second, first) if turned else (first, second) for first, second in FLAT]
    # Several pairs share a spelling, so a page may answer more than one question; each is asked for by its own.
    await store.write(
        [page(f"{at}", f"この章では{written}について説明する。") for at, (written, _) in enumerate(pairs)], [], 1
    )
    await store.refresh()
    missed = []
    for at, (written, asked) in enumerate(pairs):
        same = {f"{other}" for other, (text, _) in enumerate(pairs) if text == written}
        if not same & set(await found(store, asked, 5)):
            missed.append(f"{asked} for {written} ({at})")
    assert len(missed) <= 0.05 * len(pairs), missed


async def test_a_compound_ranks_its_page_before_those_of_its_parts(store: OpenSearchStore) -> None:
    pages = [page(f"whole {word}", text) for word, text in COMPOUNDS.items()]
    await store.write([*pages, *(page(f"part {at}", text) for at, text in enumerate(PARTS))], [], 1)
    await store.refresh()
    for word in COMPOUNDS:
        assert (await found(store, word, 1)) == [f"whole {word}"]
