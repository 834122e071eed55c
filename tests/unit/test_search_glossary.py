"""A query that names a term searches for what else it is called, and says so."""

from __future__ import annotations

from dataclasses import replace

from facade_fakes import filled, record

from api.glossary import MAX_TERMS, expanded, recognise
from shirabe.types import Acl, Principal, Query, Record, Term

ORDER = Term(ja="受注", en="sales order", abbreviations=("SO",), forbidden=("オーダー",))
BACKLOG = Term(ja="受注残", en="backlog")


def term(path: str, term: Term, readers: tuple[str, ...] = ()) -> Record:
    row = record(path, term.ja)
    acl = Acl(principals=readers) if readers else row.document.acl
    return replace(
        row,
        document=replace(row.document, acl=acl),
        chunk=replace(row.chunk, kind="term", meta={"term": term.to_meta()}),
    )


async def also(text: str, *rows: Record, names: tuple[str, ...] = ()) -> tuple[tuple[str, ...], ...]:
    return expanded(await recognise(Query(text, principal=Principal(names)), await filled(rows)))


async def test_the_other_names_of_a_term_are_searched_for() -> None:
    assert await also("受注を取り消す", term("a", ORDER)) == (("sales order", "SO", "オーダー"),)
    assert await also("cancel a sales order", term("a", ORDER)) == (("受注", "SO", "オーダー"),)
    assert await also("何もない", term("a", ORDER)) == ()


async def test_a_name_inside_a_longer_one_does_not_count() -> None:
    rows = (term("a", ORDER), term("b", BACKLOG))
    assert await also("受注残の一覧", *rows) == (("backlog",),)
    assert set(await also("受注と受注残", *rows)) == {("sales order", "SO", "オーダー"), ("backlog",)}


async def test_what_the_query_says_itself_is_not_searched_twice() -> None:
    assert await also("受注 (sales order, SO)", term("a", ORDER)) == (("オーダー",),)
    assert await also("受注 salesOrder SO オーダー", term("a", ORDER)) == ()


async def test_hidden_terms_are_not_known() -> None:
    hidden = term("a", ORDER, ("sales",))
    assert await also("受注", hidden) == ()
    assert await also("受注", hidden, names=("sales",)) != ()


async def test_few_terms_are_taken() -> None:
    rows = [term(f"{at}", Term(ja=f"受注{at}", en=f"order{at}")) for at in range(9)]
    assert len(await also(" ".join(f"受注{at}" for at in range(9)), *rows)) == MAX_TERMS
