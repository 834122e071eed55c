"""Glossaries into terms: Markdown with one term a page or with tables of terms, and terms that were pushed as JSON.

What a page says beside its terms is cut as any page is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Final

from ingest.chunkers.draft import Draft, Drafts, trail
from ingest.chunkers.front_matter import FrontMatter, read_front_matter
from ingest.chunkers.glossary_tables import PageHeading, PageTable, read_page
from ingest.chunkers.glossary_terms import term_drafts
from ingest.chunkers.markdown import chunk_markdown
from ingest.chunkers.source import SourceText
from ingest.chunkers.split import Splitter
from ingest.glossary import LISTS, META, TermColumns, field_of_key, term_columns, term_of, terms_of_json
from shirabe.errors import InvalidInput
from shirabe.types import Document, Term

_DECLARED: Final = re.compile(r"\A---[ \t]*\n(?:.*\n){0,60}?(?:kind|type):[ \t]*[\"']?glossary[\"']?[ \t]*\n")
_BLANK_LINES: Final = re.compile(r"\n(?:[ \t]*\n){2,}")
_NO_TERM: Final = re.compile(r"^(?:_.*|index|readme|contributing|license)$", re.IGNORECASE)
_SLUG: Final = re.compile(r"^[a-z][a-z]+(?:-[a-z0-9]+)*$", re.IGNORECASE)
_REMARK: Final = re.compile(r"^(.+?)\s*[(（]([^()（）]{1,60})[)）]$")
_ABBREVIATION: Final = re.compile(r"^[A-Za-z][A-Za-z0-9.&/-]{0,9}$")
_JAPANESE: Final = re.compile("[\u3041-\u30ff\u3400-\u9fff]")


def holds_terms(document: Document, text: str) -> bool:
    """Tell whether a Markdown page is one of a glossary: its source is one, or its front matter says so."""
    return META in document.meta or _DECLARED.match(text) is not None


def columns_of(document: Document) -> TermColumns | None:
    """Return the columns of the terms that a document's source says it holds; None when it is no glossary."""
    facts = document.meta.get(META)
    return None if facts is None else term_columns(facts.get("columns"), "options.columns")


def chunk_terms(path: str, title: str, text: str, splitter: Splitter) -> Drafts:
    """Return pushed terms; the locator is a JSON pointer. Raises: InvalidInput with the place of what is no term."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput("not JSON", path) from None
    drafts: list[Draft] = []
    for number, term in enumerate(terms_of_json(data, path)):
        pointer = f"/terms/{number}" if isinstance(data, dict) else f"/{number}"
        drafts += term_drafts(
            term, splitter, context=trail(title), locator=f"{path}#{pointer}", meta={"pointer": pointer}
        )
    return Drafts(title, tuple(drafts))


def chunk_glossary(document: Document, fallback_title: str, text: str, splitter: Splitter) -> Drafts:
    """Return the terms of a Markdown page, and the sections of what else it says.

    Raises: InvalidInput when its front matter names a field that no term has.
    """
    path = document.path
    source = splitter.read(text)
    matter = read_front_matter(source.text, path)
    body = "\n" * matter.lines + source.text[source.line_start(matter.lines + 1) :]
    headings, tables = read_page(body)
    title = matter.title or next((heading.text for heading in headings if heading.level == 1), "") or fallback_title
    columns = columns_of(document) or TermColumns({})
    if not columns.given and "columns" in matter.values:
        columns = term_columns(matter.values["columns"], path)
    page = _Page(path, title, source, splitter)
    drafts = [draft for table in tables for draft in page.table(table, columns)]
    if not drafts and META in document.meta and not _NO_TERM.match(PurePosixPath(path).stem):
        drafts = page.term(matter, headings)
    rest = page.rest(matter.lines)
    left = chunk_markdown(path, fallback_title, rest, splitter).chunks if rest else ()
    # The lines of the terms are blank in it, so that the others keep their places.
    return Drafts(title, (*drafts, *(replace(draft, text=_BLANK_LINES.sub("\n\n", draft.text)) for draft in left)))


class _Page:
    """One page; the lines that became terms are taken out of what is left of it."""

    def __init__(self, path: str, title: str, source: SourceText, splitter: Splitter) -> None:
        self._path = path
        self._title = title
        self._source = source
        self._splitter = splitter
        self._lines = source.text.split("\n")
        self._taken: set[int] = set()

    def table(self, table: PageTable, columns: TermColumns) -> list[Draft]:
        """Return the terms of a table; none when its columns name none."""
        fields = columns.fields(table.header)
        if not fields:
            return []
        drafts: list[Draft] = []
        for row in table.rows:
            values = {name: text for name, text in zip(table.header, row.cells, strict=False) if text}
            term = term_of({fields[name]: text for name, text in values.items() if name in fields})
            if term is not None:
                more = [f"{name}={text}" for name, text in values.items() if name not in fields]
                drafts += self._drafts(term, table.headings, row.line, row.line, more)
        if drafts:
            self._taken.update(range(table.first, table.last + 1))
        return drafts

    def term(self, matter: FrontMatter, headings: Sequence[PageHeading]) -> list[Draft]:
        """Return the term that the page is about, defined by its first paragraph."""
        body = matter.lines + 1
        name = next((heading for heading in headings if heading.text == self._title), None)
        first = name.line + 1 if name is not None else body
        after = next((heading.line for heading in headings if heading.line >= first), len(self._lines) + 1)
        while first < after and not self._lines[first - 1].strip():
            first += 1
        # Its first paragraph; what goes on is a section like the others.
        after = next((line for line in range(first, after) if not self._lines[line - 1].strip()), after)
        values = {"definition": "\n".join(self._lines[first - 1 : after - 1]), **_values(matter.values)}
        if not values["definition"].strip():
            return []
        for field, text in _names(self._title, PurePosixPath(self._path).stem).items():
            values.setdefault(field, text)
        term = term_of(values)
        if term is None:
            return []
        self._taken.update(range(first, after))
        return self._drafts(term, (), first, max(first, after - 1), [matter.searched])

    def rest(self, matter_lines: int) -> str:
        """Return the page without its terms, every line in its place; empty when it says nothing else."""
        lines = ["" if number in self._taken else line for number, line in enumerate(self._lines, start=1)]
        said = (line for line in lines[matter_lines:] if line.strip() and not line.startswith("#"))
        return "\n".join(lines) if not self._taken or any(said) else ""

    def _drafts(self, term: Term, headings: tuple[str, ...], first: int, last: int, more: Sequence[str]) -> list[Draft]:
        return list(
            term_drafts(
                term,
                self._splitter,
                context=trail(self._title, *headings),
                locator=f"{self._path}#L{first}-L{last}",
                headings=headings,
                meta={"start_line": first, "end_line": last},
                more=more,
            )
        )


def _values(matter: Mapping[str, Any]) -> dict[str, str]:
    """Return what the front matter says of a term, by field."""
    found: dict[str, str] = {}
    for key, value in matter.items():
        field = field_of_key(key)
        items = value if isinstance(value, list) else [value]
        if field and all(isinstance(item, str) for item in items):
            found[field] = ("\n" if field in LISTS else ", ").join(items)
    return found


def _names(title: str, stem: str) -> dict[str, str]:
    """Return the names that a title gives a term: `継続的デリバリー(CD)`; `service-mesh.md` is named in English too."""
    remark = _REMARK.match(title)
    name = remark[1] if remark else title
    found = {"ja" if _JAPANESE.search(name) else "en": name}
    if remark:
        found["abbreviation" if _ABBREVIATION.match(remark[2]) else "synonyms"] = remark[2]
    if "ja" in found and _SLUG.match(stem):
        found["en"] = stem.replace("-", " ")
    return found
