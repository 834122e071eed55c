"""Rows and JSON objects as terms: which column of a table holds what, told by the source or by the columns' names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shirabe.errors import InvalidInput
from shirabe.types import Term

FIELDS: Final = ("ja", "en", "reading", "abbreviation", "definition", "forbidden", "scope", "synonyms")
LISTS: Final = ("abbreviation", "forbidden", "synonyms")
"""The fields that may have several values."""
META: Final = "glossary"
"""The key of a document's meta that says that it holds terms; its value may have `columns`."""

_SYNONYMS_OF_FIELDS: Final = {
    **{"term_ja": "ja", "japanese": "ja", "term": "term", "name": "term", "term_en": "en", "english": "en"},
    **{"yomi": "reading", "abbreviations": "abbreviation", "synonym": "synonyms", "aliases": "synonyms"},
    **{"description": "definition", "meaning": "definition", "deprecated": "forbidden"},
}
# In the order in which they are tried: `禁止用語` is no `用語`, `英語名称` no `名称`.
_HEADERS: Final = (
    ("forbidden", r"使わない|使用しない|使用禁止|禁止|非推奨|誤用|誤記|^ng|不可|forbidden|deprecated|avoid|do not use"),
    ("synonyms", r"同義|類義|別名|別称|言い?換え|synonym|alias|also known"),
    ("abbreviation", r"略語|略称|略号|略記|abbr|acronym"),
    ("reading", r"読み|よみ|ふりがな|フリガナ|ルビ|^かな$|^カナ$|reading|yomi|kana"),
    ("definition", r"定義|説明|意味|解説|definition|description|meaning"),
    ("scope", r"適用|範囲|分野|領域|対象|分類|区分|カテゴリ|scope|domain|category|context"),
    ("en", r"英|english|^en$|term[_ ]?en"),
    ("ja", r"日本語|和名|和文|japanese|^ja$|^jp$|term[_ ]?ja"),
    ("term", r"用語|語句|単語|名称|名前|見出し|^term|^word$|^name$"),
)
_SPLIT: Final = re.compile(r"\s*(?:[、，,;；\n／|]| / )\s*(?![^()（）]*[)）])")
_NOTHING: Final = re.compile(r"^(?:[-–—ー－]+|なし|無し|n/?a|none)?$", re.IGNORECASE)
_JAPANESE: Final = re.compile("[\u3041-\u30ff\u3400-\u9fff々]")
_MAX_CHARS: Final = 20_000


@dataclass(frozen=True, slots=True)
class TermColumns:
    """Which column holds which field; a field without a name given is told from the names of the columns."""

    given: Mapping[str, str]

    def fields(self, names: Iterable[str]) -> dict[str, str]:
        """Return column name -> field (`term`: a name in either language); empty when these are no terms."""
        found: dict[str, str] = {}
        names = list(dict.fromkeys(names))
        for field, wanted in self.given.items():
            name = next((name for name in names if _is_called(name, wanted) and name not in found), None)
            if name is not None:
                found[name] = field
        for name in names:
            field = _field_of(name) if name not in found else ""
            if field and field not in found.values():
                found[name] = field
        named = {"ja", "en", "term"} & set(found.values())
        return found if named and len(found) > 1 else {}


def term_columns(value: Any, place: str) -> TermColumns:
    """Return the columns that an option or the front matter of a page names: `{ja: 用語, en: 英語}`.

    Raises: InvalidInput for a field that no term has.
    """
    if value is None:
        return TermColumns({})
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value.values()):
        raise InvalidInput("must map fields of a term to names of columns", place)
    for key in value:
        if not field_of_key(str(key)):
            raise InvalidInput(f"a term has no field {key!r}; it has {', '.join(FIELDS)}", place)
    return TermColumns({field_of_key(str(key)): name for key, name in value.items()})


def term_of(values: Mapping[str, str]) -> Term | None:
    """Return the term that has these values by field; None when nothing names it."""
    clean = {field: _clean(value) for field, value in values.items()}
    name = clean.pop("term", "")
    if name:
        clean.setdefault("ja" if _JAPANESE.search(name) else "en", name)
    ja, en = clean.get("ja", ""), clean.get("en", "")
    if not ja and not en:
        return None
    lists = {field: _items(clean.get(field, "")) for field in LISTS}
    return Term(
        ja=_line(ja),
        en=_line(en),
        reading=_line(clean.get("reading", "")),
        abbreviations=lists["abbreviation"],
        definition=clean.get("definition", ""),
        forbidden=lists["forbidden"],
        scope=_line(clean.get("scope", "")),
        synonyms=lists["synonyms"],
    )


def field_of_key(key: str) -> str:
    """Return the field that a key of JSON or YAML names, `term` for a name in either language; empty for none."""
    field = _SYNONYMS_OF_FIELDS.get(key, key)
    return field if field in (*FIELDS, "term") else ""


def terms_of_json(data: Any, path: str) -> list[Term]:
    """Return the terms of `{"terms": [{"ja": …, "en": …}, …]}`, or of the list alone.

    Raises: InvalidInput with the place of what is no term.
    """
    items = data.get("terms") if isinstance(data, Mapping) else data
    if not isinstance(items, list):
        raise InvalidInput('must be {"terms": [...]}', path)
    at = f"{path}#/terms" if isinstance(data, Mapping) else f"{path}#"
    return [_term_of_object(item, f"{at}/{number}") for number, item in enumerate(items)]


def _term_of_object(item: Any, place: str) -> Term:
    if not isinstance(item, Mapping):
        raise InvalidInput("must be an object", place)
    values: dict[str, str] = {}
    for key, value in item.items():
        field = field_of_key(key)
        if not field:
            raise InvalidInput(f"a term has no field {key!r}; it has {', '.join(FIELDS)}", place)
        if isinstance(value, list) and field in LISTS and all(isinstance(one, str) for one in value):
            values[field] = "\n".join(value)
        elif isinstance(value, str):
            values[field] = value
        else:
            raise InvalidInput("must be text, or a list of texts where there may be several", f"{place}/{key}")
        if len(values[field]) > _MAX_CHARS:
            raise InvalidInput(f"longer than {_MAX_CHARS} characters", f"{place}/{key}")
    term = term_of(values)
    if term is None:
        raise InvalidInput("a term has a name: `ja` or `en`", place)
    return term


def _is_called(name: str, wanted: str) -> bool:
    """Tell whether a column has a name, or bears it among several: `定義` is in `定義 / Definition`."""
    parts = re.split(r"\s*[/／（）()]\s*", name)
    return _folded(wanted) in {_folded(name), *map(_folded, parts)}


def _field_of(name: str) -> str:
    folded = _folded(name)
    return next((field for field, pattern in _HEADERS if re.search(pattern, folded)), "")


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _clean(value: str) -> str:
    text = value.strip()
    return "" if _NOTHING.match(text) else text


def _line(value: str) -> str:
    return " ".join(value.split())


def _items(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for part in _SPLIT.split(value) if (item := _line(_clean(part)))))
