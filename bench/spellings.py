"""`python -m bench.spellings [--url URL]`: whether a word is found in its other spelling, by the lexical leg alone.

73 pairs of spellings, each asked both ways among pages that differ in that word only; and compounds, which must rank
their own page before those of their parts. By kuromoji, and by Sudachi where the cluster has its plugin. Makes indices
of its own and deletes them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Column, Table

from bench.node import own_engine
from opensearch.catalogue import open_catalogue
from opensearch.client import open_client
from opensearch.japanese_choice import choose_japanese
from opensearch.store import OpenSearchStore, open_store
from shirabe.errors import ShirabeError
from shirabe.settings import OpenSearchSettings, load_settings
from shirabe.types import Acl, Document, Embedding, ModelInfo, Query, Record, make_chunk

DEPTH: Final = 5
_MODEL: Final = ModelInfo("none", "1", 8, 512)

# Grouped by what differs. Of each pair one is written, in a page among pages that differ in this word only.
SPELLINGS: Final = {
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
PAIRS: Final = tuple((pair.split("/")[0], pair.split("/")[1]) for pairs in SPELLINGS.values() for pair in pairs.split())
COMPOUNDS: Final = {
    "資金決済法": "資金決済法にもとづく登録の手順",
    "注文取消処理": "注文取消処理の流れ",
    "在庫引当処理": "在庫引当処理の順序",
    "本人確認書類": "本人確認書類の一覧",
}
PARTS: Final = (
    "資金の移動と決済の方法、法務の確認",
    "決済の法定書面",
    "資金繰り表",
    "注文の処理",
    "取消の記録と注文の記録、処理の担当",
    "在庫の処理",
    "引当金の計上と在庫の評価、処理の締め",
    "書類の確認、本人による一覧の提出",
)


@dataclass(frozen=True, slots=True)
class Missed:
    """What of `asked` was not found, in words."""

    asked: int
    missed: Sequence[str]

    @property
    def found(self) -> float:
        """The share that was found."""
        return 1 - len(self.missed) / self.asked


@asynccontextmanager
async def own_index(engine: OpenSearchSettings) -> AsyncIterator[OpenSearchStore]:
    """Give a store of an index of its own, as these settings make it, and delete it in the end.

    Raises: InvalidInput, Unavailable, Timeout.
    """
    own = engine.model_copy(update={"alias": f"spellings-{uuid.uuid4().hex[:12]}"})
    store = await open_store(own, _MODEL)
    try:
        yield store
    finally:
        await store.close()
        catalogue = await open_catalogue(own)
        try:
            await catalogue.end(await catalogue.answering())
        finally:
            await catalogue.close()


async def ask_spellings(store: OpenSearchStore, *, turned: bool) -> Missed:
    """Write one word of each pair into an empty index, and ask for the other; `turned`, the other way round.

    Raises: Unavailable, Timeout.
    """
    pairs = [(second, first) if turned else (first, second) for first, second in PAIRS]
    # Several pairs share a spelling, so a page may answer more than one question; each is asked for by its own.
    await _write(store, {f"{at}": f"この章では{written}について説明する。" for at, (written, _) in enumerate(pairs)})
    missed = []
    for written, asked in pairs:
        same = {f"{at}" for at, (text, _) in enumerate(pairs) if text == written}
        if not same & set(await _first(store, asked, DEPTH)):
            missed.append(f"{asked} for {written}")
    return Missed(len(pairs), missed)


async def ask_compounds(store: OpenSearchStore) -> Missed:
    """Write pages of compounds and of their parts into an empty index, and ask for the compounds.

    Raises: Unavailable, Timeout.
    """
    whole = {f"whole {word}": text for word, text in COMPOUNDS.items()}
    await _write(store, whole | {f"part {at}": text for at, text in enumerate(PARTS)})
    missed = [word for word in COMPOUNDS if await _first(store, word, 1) != [f"whole {word}"]]
    return Missed(len(COMPOUNDS), missed)


async def measure(engine: OpenSearchSettings) -> dict[str, Missed]:
    """Return what is not found, by what cuts the words and by question. Raises: ShirabeError."""
    client = await open_client(engine)
    try:
        best = await choose_japanese(client, engine.model_copy(update={"japanese": "auto", "user_dictionary": None}))
    finally:
        await client.close()
    figures = {}
    for japanese in dict.fromkeys(("kuromoji", best)):
        own = engine.model_copy(update={"japanese": japanese})
        for turned, asked in ((False, "the second is asked"), (True, "the first is asked")):
            async with own_index(own) as store:
                figures[f"{japanese}, {asked}, pages 1 to {DEPTH}"] = await ask_spellings(store, turned=turned)
        async with own_index(own) as store:
            figures[f"{japanese}, compounds, page 1"] = await ask_compounds(store)
    return figures


async def _write(store: OpenSearchStore, pages: Mapping[str, str]) -> None:
    await store.write([_page(name, text) for name, text in pages.items()], [], 1)
    await store.refresh()


def _page(name: str, text: str) -> Record:
    """Return a page of one chunk without an embedding; its id says what it holds."""
    when = datetime(2026, 1, 1, tzinfo=UTC)
    document = Document(name, "s", f"{len(name)}.md", "u", "頁", b"", "text/markdown", "r", when, Acl(public=True))
    return Record(document, make_chunk(document, 0, kind="section", text=text, locator="p", lang="ja"), Embedding())


async def _first(store: OpenSearchStore, asked: str, depth: int) -> list[str]:
    """Return the pages that the lexical leg ranks first."""
    ranked = await store.legs(Query(asked, top_k=depth), ["lexical"], None, depth)
    return [hit.chunk_id.rpartition("-")[0] for hit in ranked["lexical"]]


def show(figures: Mapping[str, Missed]) -> Table:
    """Return the figures as a table."""
    table = Table("question", Column("asked", justify="right"), Column("found", justify="right"), "missed")
    for question, missed in figures.items():
        table.add_row(question, str(missed.asked), f"{missed.found:.1%}", ", ".join(missed.missed))
    return table


async def run(engine: OpenSearchSettings) -> dict[str, Missed]:
    """Return the figures of an engine, or of an embedded node of its own. Raises: ShirabeError."""
    if engine.url is not None:
        return await measure(engine)
    async with own_engine(load_settings()) as settings:
        return await measure(settings.opensearch)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.spellings", description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="the OpenSearch; default: that of the settings, or a node of its own")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    engine = load_settings().opensearch
    try:
        figures = asyncio.run(run(engine.model_copy(update={"url": arguments.url or engine.url})))
    except ShirabeError as error:
        parser.exit(1, f"error: {error}\n")
    Console(width=160).print(show(figures))
    if arguments.json:
        plain = {name: {"asked": one.asked, "found": one.found, "missed": one.missed} for name, one in figures.items()}
        arguments.json.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
