"""Names as keys: spellings of one name are one key, and a name is recognised at the borders of words only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shirabe.names import MAX_UNITS, name_key, names_in


@pytest.mark.parametrize(
    "names",
    [
        ("Sales Order", "sales-order", "salesOrder", "SALES_ORDER", "ｓａｌｅｓ order"),
        ("サーバー", "ｻｰﾊﾞｰ", "サーバ", "サ\u30fcハ\u3099ー"),
        ("与信枠", "与信 枠", "『与信枠』"),
        ("API定義", "api 定義", "ＡＰＩ定義"),
    ],
)
def test_spellings_of_a_name_are_one_key(names: tuple[str, ...]) -> None:
    assert len({name_key(name) for name in names}) == 1


@pytest.mark.parametrize(
    ("text", "name", "is_in"),
    [
        ("与信枠とは何か", "与信枠", True),
        ("how is a sales order cancelled?", "Sales Order", True),
        ("getSalesOrderById", "sales order", True),
        ("API定義の書き方", "API", True),
        ("ログインの手順", "ログ", False),
        ("also so-called", "SO", True),
        ("also", "SO", False),
        ("サービスメッシュ", "サービス", False),
        ("税", "税", True),
        ("税込の金額", "税", False),
        ("", "税", False),
    ],
)
def test_names_are_recognised_whole(text: str, name: str, *, is_in: bool) -> None:
    assert (name_key(name) in {found.key for found in names_in(text)}) is is_in


@given(st.text(max_size=400))
def test_what_is_looked_up_is_bounded(text: str) -> None:
    found = names_in(text)
    assert len(found) <= 1_024
    assert all(0 < item.end - item.start <= MAX_UNITS for item in found)
