"""Exact matches as they are shown: their lines, where they open, their order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from api.exact import MARKED_CHARS, MARKED_LINES, in_order, marked
from shirabe.types import Condition, Document, Hit, Stored, make_chunk

TEXT = '''@router.get("/a<b>")
# cancel is not the name
def cancel(order: Order) -> None:
    """注文を取り消す"""
    order.cancel()'''


def stored(text: str = TEXT, *, path: str = "src/a.py", symbols: Any = None, meta: Any = None) -> Stored:
    document = Document("d", "s", path, "u", "t", b"", "text/x-python", "r", datetime(2026, 1, 1, tzinfo=UTC))
    last = 10 + text.count("\n")
    given = {"start_line": 10, "end_line": last, "symbols": symbols or [[12, "Order", "cancel"]]} | (meta or {})
    chunk = make_chunk(document, 0, kind="method", text=text, locator=f"{path}#L10-L{last}", lang="python", meta=given)
    return Stored(chunk, "s", path, "u", "t", "r", document.updated_at, "k", highlights=("by words",))


def shown(*conditions: Condition, item: Stored | None = None) -> Hit:
    return marked(Hit(item or stored(), 1.0, 1), conditions)


def test_a_definition_opens_on_the_line_of_its_name_below_decorators_and_comments() -> None:
    hit = shown(Condition("symbol", "cancel", True, True))
    assert hit.lines == (12,)
    assert hit.stored.chunk.locator == "src/a.py#L12"
    assert hit.stored.highlights == ("def <em>cancel</em>(order: Order) -&gt; None:",)


def test_lines_are_marked_and_escaped() -> None:
    hit = shown(Condition("line", r"<\w>|注文", False, True), Condition("line", "order", True, True))
    assert hit.lines == (10, 12, 13, 14)
    assert hit.stored.chunk.locator == "src/a.py#L10"
    assert hit.stored.highlights[0] == "@router.get(&quot;/a<em>&lt;b&gt;</em>&quot;)"
    assert hit.stored.highlights[1] == "def cancel(<em>order</em>: <em>Order</em>) -&gt; None:"
    assert "<em>注文</em>を取り消す" in hit.stored.highlights[2]


def test_what_a_chunk_is_left_in_for_marks_nothing() -> None:
    for condition in (
        Condition("path", "src", True, True),
        Condition("lang", "py", values=("python",)),
        Condition("line", "nothing of it", True, True, negated=True),
    ):
        hit = shown(condition)
        assert (hit.lines, hit.stored.highlights) == ((), ("by words",))
        assert hit.stored.chunk.locator == "src/a.py#L10-L14"


def test_a_match_of_nothing_is_one_of_its_line_and_touching_marks_are_one() -> None:
    assert shown(Condition("line", r"^", False, True), item=stored("ab")).stored.highlights == ("<em>ab</em>",)
    hit = shown(Condition("line", "a", True, True), Condition("line", "ab", True, True), item=stored("xab ab"))
    assert hit.stored.highlights == ("x<em>ab</em> <em>ab</em>",)


def test_a_long_line_is_cut_around_its_mark_and_few_lines_are_shown() -> None:
    long = "x" * 1_000 + "here" + "y" * 1_000
    (line,) = shown(Condition("line", "here", True, True), item=stored(long)).stored.highlights
    assert "<em>here</em>" in line
    assert len(line) == MARKED_CHARS + len("<em></em>")
    many = shown(Condition("line", "a", True, True), item=stored("\n".join("a" * 20)))
    assert (len(many.lines), len(many.stored.highlights)) == (20, MARKED_LINES)


def test_a_chunk_that_was_cut_before_definitions_were_listed_says_its_own() -> None:
    document = Document("d", "s", "a.go", "u", "t", b"", "text/x-go", "r", datetime(2026, 1, 1, tzinfo=UTC))
    chunk = make_chunk(
        document,
        0,
        kind="method",
        text="// Close closes\nfunc (o *Order) Close() {",
        locator="a.go#L4-L5",
        lang="go",
        meta={"symbol": "Order.Close", "start_line": 4, "end_line": 5},
    )
    item = Stored(chunk, "s", "a.go", "u", "t", "r", document.updated_at, "k")
    assert shown(Condition("qualified", "order.close", True, True), item=item).lines == (4,)


def test_named_definitions_come_first_then_shorter_names_then_paths() -> None:
    names = {"a.py": "cancel_all_orders", "b.py": "cancel", "c.py": "cancel_all", "d.py": "cancel_all"}
    items = [stored(path=path, symbols=[[12, name]]) for path, name in names.items()]
    scores = {item.chunk.chunk_id: 2.0 for item in items}
    assert len(scores) == 1
    ordered = in_order(list(reversed(items)), scores, (Condition("symbol", "cancel", True, True),))
    assert [item.path for item in ordered] == ["b.py", "c.py", "d.py", "a.py"]
