"""Exact search over code: what every `Store` does, run on the one in memory and on OpenSearch."""

from __future__ import annotations

from typing import Any

import pytest
from test_store_contract import EVERYONE, WHEN, AnyStore, alias, axis, filled, ids, real_pair, real_store, store

from shirabe.errors import InvalidInput
from shirabe.types import Acl, Condition, Document, Embedding, Principal, Query, Record, Target, document_id, make_chunk

__all__ = ["alias", "real_pair", "real_store", "store"]

EMBEDDING = Embedding(axis(0), {1: 1.0})


def code(
    path: str,
    text: str,
    *symbols: str,
    lang: str = "python",
    kind: str = "function",
    ordinal: int = 0,
    acl: Acl = EVERYONE,
) -> Record:
    document = Document(document_id("src", path), "src", path, "u", path, b"", "text/x", "r1", WHEN, acl)
    listed: list[Any] = [[1, *symbol.split(".")] for symbol in symbols]
    chunk = make_chunk(
        document,
        ordinal,
        kind=kind,
        text=text,
        locator=f"{path}#L1",
        lang=lang,
        meta={"symbols": listed, "start_line": 1},
    )
    return Record(document, chunk, EMBEDDING)


ROUTER = code("app/routing.py", "class APIRouter:\n    prefix: str = ''", "APIRouter", kind="class")
INCLUDE = code(
    "app/routing.py",
    "def include_router(self, router):\n\tself.routes += router.routes  # 経路を加える",
    "APIRouter.include_router",
    kind="method",
    ordinal=1,
)
ORDER = code("app/orders.py", "x = order->total\ny := getUserById(order_id)", kind="module")
TEST = code("tests/test_app.py", "def test_include_router():\n    app.include_router(x)", "test_include_router")
SERVER = code(
    "cmd/main.go",
    "type HTTPServer2 struct {\n}\nfunc main() { HTTPServer2{}.Run() }",
    "HTTPServer2",
    "main",
    lang="go",
    kind="struct",
)
PROSE = Record(
    Document(document_id("src", "guide.md"), "src", "guide.md", "u", "t", b"", "text/markdown", "r1", WHEN, EVERYONE),
    make_chunk(
        Document(document_id("src", "guide.md"), "src", "guide.md", "u", "t", b"", "t", "r1", WHEN),
        0,
        kind="section",
        text="def include_router is how APIRouter does it",
        locator="guide.md",
        lang="en",
        meta={"symbol": "include_router"},
    ),
    EMBEDDING,
)
ROWS = (ROUTER, INCLUDE, ORDER, TEST, SERVER, PROSE)


async def found(store: AnyStore, *conditions: Condition, principal: Principal = Principal()) -> list[str]:  # noqa: B008
    query = Query("", conditions=conditions, principal=principal)
    return [hit.chunk_id for hit in (await store.legs(query, ["exact"], None, 50))["exact"]]


def literal(target: Target, text: str, *, ignore_case: bool | None = None, negated: bool = False) -> Condition:
    return Condition(target, text, True, text.islower() if ignore_case is None else ignore_case, negated)


def regex(target: Target, text: str, *, ignore_case: bool = False, negated: bool = False) -> Condition:
    return Condition(target, text, False, ignore_case, negated)


async def test_each_condition_holds_for_what_it_finds(store: AnyStore) -> None:
    await filled(store, *ROWS)
    cases: list[tuple[Condition, list[Record]]] = [
        (literal("symbol", "include_router"), [INCLUDE, TEST]),
        (literal("symbol", "Include_router", ignore_case=True), [INCLUDE, TEST]),
        (literal("symbol", "Include_router"), []),
        (literal("symbol", "APIRouter"), [ROUTER]),
        (literal("qualified", "apirouter.include"), [INCLUDE]),
        (regex("qualified", r"Router\.\w+_router$"), [INCLUDE]),
        (regex("symbol", r"^include"), [INCLUDE]),
        (regex("symbol", r"^(?:main|nothing)$"), [SERVER]),
        (regex("symbol", r"server\d$", ignore_case=True), [SERVER]),
        (literal("path", "routing.py"), [ROUTER, INCLUDE]),
        (literal("path", "APP/", ignore_case=True), [ORDER, ROUTER, INCLUDE]),
        (regex("path", r"\.go$"), [SERVER]),
        (Condition("lang", "go", values=("go",)), [SERVER]),
        (Condition("lang", "x", values=("en", "go")), [SERVER, PROSE]),
        (literal("line", "order->total"), [ORDER]),
        (literal("line", "y := getUserById(order_id)"), [ORDER]),
        (literal("line", "getuserbyid"), [ORDER]),
        (literal("line", "経路を"), [INCLUDE]),
        (regex("line", r"^def \w+_router\("), [INCLUDE, TEST]),
        (regex("line", r"^\t.*\brouter\.routes\b"), [INCLUDE]),
        (regex("line", r"^}$"), [SERVER]),
        (regex("line", r"struct \{\n"), []),
        (regex("line", r"total$"), [ORDER]),
        (literal("line", "include_router", negated=True), [ORDER, ROUTER, SERVER, PROSE]),
        (literal("path", "test", negated=True), [ORDER, ROUTER, INCLUDE, SERVER, PROSE]),
        (Condition("lang", "x", values=("python",), negated=True), [SERVER, PROSE]),
        (regex("line", "a^b"), []),
        (regex("line", "a^b", negated=True), [ORDER, ROUTER, INCLUDE, SERVER, PROSE, TEST]),
    ]
    for condition, expected in cases:
        assert set(await found(store, condition)) == set(ids(*expected)), condition


async def test_all_conditions_hold_at_once(store: AnyStore) -> None:
    await filled(store, *ROWS)
    asked = (literal("symbol", "router"), literal("path", "test", negated=True), regex("line", "routes"))
    assert await found(store, *asked) == ids(INCLUDE)


async def test_exact_matches_are_in_order(store: AnyStore) -> None:
    more = code("app/more.py", "def include_router_twice(): ...", "include_router_twice")
    uses = code("app/all.py", "include_router()", kind="module")
    await filled(store, *ROWS, more, uses)
    assert await found(store, literal("symbol", "include_router")) == ids(INCLUDE, more, TEST)
    assert await found(store, literal("qualified", "apirouter.include_router")) == ids(INCLUDE)
    # The definition that is named, those that begin so, others, then what defines nothing; each by path.
    assert await found(store, literal("line", "include_router")) == ids(INCLUDE, more, TEST, uses)
    assert await found(store, literal("path", "app/")) == ids(uses, more, ORDER, ROUTER, INCLUDE)
    found_two = await store.legs(Query("", conditions=(literal("line", "include_router"),)), ["exact"], None, 2)
    assert [(hit.chunk_id, hit.rank) for hit in found_two["exact"]] == [(ids(INCLUDE)[0], 1), (ids(more)[0], 2)]


async def test_conditions_narrow_every_leg_and_score(store: AnyStore) -> None:
    await filled(store, *ROWS)
    query = Query("include router", conditions=(literal("symbol", "include_router"), literal("path", "app/")))
    legs = ["lexical", "dense", "sparse"]
    for leg, hits in (await store.legs(query, legs, EMBEDDING, 10)).items():
        assert [hit.chunk_id for hit in hits] == ids(INCLUDE), leg
    for leg, scores in (await store.scores(ids(*ROWS), query, EMBEDDING)).items():
        assert list(scores) == ids(INCLUDE), leg


async def test_only_what_the_principal_may_see_is_found(store: AnyStore) -> None:
    secret = code("app/secret.py", "def include_router(): pass", "include_router", acl=Acl(principals=("ops",)))
    hidden = code("app/hidden.py", "def include_router(): pass", "include_router", acl=Acl())
    await filled(store, INCLUDE, secret, hidden)
    cases = [
        literal("symbol", "include_router"),
        regex("line", r"^def \w+_router"),
        literal("path", "app"),
        literal("line", "x", negated=True),
    ]
    for condition in cases:
        assert await found(store, condition) == ids(INCLUDE), condition
        assert set(await found(store, condition, principal=Principal(("ops",)))) == set(ids(INCLUDE, secret))


async def test_mode_code_takes_definitions_of_every_kind(store: AnyStore) -> None:
    await filled(store, *ROWS)
    query = Query("main", mode="code", conditions=(literal("symbol", "main"),))
    assert [hit.chunk_id for hit in (await store.legs(query, ["exact"], None, 5))["exact"]] == ids(SERVER)
    everything = await store.legs(Query("x", mode="code"), ["dense"], EMBEDDING, 50)
    assert {hit.chunk_id for hit in everything["dense"]} == set(ids(*ROWS)) - set(ids(PROSE))


@pytest.mark.parametrize("text", [r"\p{Greek}", r"(\bfoo)+"])
async def test_a_pattern_that_cannot_be_asked_is_refused(store: AnyStore, text: str) -> None:
    await filled(store, *ROWS)
    with pytest.raises(InvalidInput):
        await found(store, regex("line", text))
