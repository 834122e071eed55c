"""What an operation does, in the words of both languages that people ask with.

`取引（収入・支出）の作成` is asked for as `取引を登録する` and as `create a deal`: a summary says one of many words for
the same act, and Japanese ones say it as a noun.
"""

from __future__ import annotations

import re
from typing import Final

from ingest.chunkers.openapi_units import Operation
from ingest.chunkers.openapi_words import one_line

_MAX_OBJECT_CHARS: Final = 30

# The verb ends a Japanese summary or a clause of it, and begins an English one; 自動登録ルール registers nothing.
_AT_END: Final = r"(?=$|する|[\s（）()／/・、,])"
_AT_START: Final = r"(?:^|[/／(（]\s*|\b(?:and|or)\s+)"
_ACTIONS: Final = tuple(
    (name, re.compile(rf"(?:{japanese})|{_AT_START}(?:{english})s?\b", re.IGNORECASE))
    for name, japanese, english in (
        ("create", rf"(?:作成|登録|追加){_AT_END}", "create|add|register|insert"),
        ("list", rf"一覧|検索{_AT_END}", "list|search|find|(?:get|retrieve) all"),
        ("get", rf"(?:取得|参照|照会){_AT_END}", "get|retrieve|fetch|show|read|view"),
        ("update", rf"(?:更新|変更|編集|修正){_AT_END}", "update|modify|edit|change|replace"),
        ("delete", rf"削除{_AT_END}", "delete|remove|destroy"),
        ("cancel", rf"(?:取消|取り消し|キャンセル){_AT_END}", "cancel|revoke"),
    )
)
_WORDS: Final = {
    "create": ("create, add, register", "作成・登録・追加", "{0}を登録する・作成する・追加する"),
    "list": ("list, search", "一覧・検索", "{0}の一覧を取得する・検索する"),
    "get": ("get, show", "取得・参照", "{0}を取得する・参照する"),
    "update": ("update, change, edit", "更新・変更・編集", "{0}を更新する・変更する・編集する"),
    "delete": ("delete, remove", "削除", "{0}を削除する"),
    "cancel": ("cancel", "取消・キャンセル", "{0}を取り消す・キャンセルする"),
}
_BY_METHOD: Final = {"put": "update", "patch": "update", "delete": "delete"}
_WORD_START: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|_")
_ASIDE: Final = re.compile(r"[（(][^（）()]*[）)]")
_OBJECT: Final = re.compile(
    r"^(?P<object>\S+?)(?:(?:の|を)?一覧)?(?:の|を)?(?:詳細)?(?:の|を)?"
    r"(?:作成|登録|追加|検索|取得|参照|照会|更新|変更|編集|修正|削除|取消|取り消し|キャンセル)?(?:する)?$"
)


def action_words(operation: Operation) -> tuple[str, str]:
    """Return what an operation does in other words: what stands with its name, and what stands apart from it.

    The summary or the operation's id says it; without both, the method. Empty where nothing tells. A Japanese summary
    becomes phrases with its object in them; beside the words of another language they would be worth less.
    """
    named = _WORD_START.sub(" ", one_line(operation.node.get("operationId")))
    summary = one_line(operation.node.get("summary")) or named
    found = [name for name, pattern in _ACTIONS if pattern.search(summary)]
    if "list" in found:
        found = [name for name in found if name != "get"]
    if not summary and operation.method in _BY_METHOD:
        found = [_BY_METHOD[operation.method]]
    if not found:
        return "", ""
    words = [_WORDS[name] for name in found]
    if target := _object_of(summary):
        return "、".join(one[2].format(target) for one in words), f"Action: {', '.join(one[0] for one in words)}"
    return f"Action: {'; '.join(f'{one[0]} / {one[1]}' for one in words)}", ""


def _object_of(summary: str) -> str:
    """Return what a Japanese summary is about, without its asides; empty for a summary in another form."""
    first = re.split(r"\s*[/／]\s*", summary)[0]
    found = _OBJECT.match(_ASIDE.sub("", first).strip())
    words = found["object"] if found else ""
    is_japanese = re.search("[\u3041-\u30ff\u4e00-\u9fff]", words) is not None
    return words if is_japanese and len(words) <= _MAX_OBJECT_CHARS else ""
