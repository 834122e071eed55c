"""The last steps of the read path: no document crowds the page, and a page's language versions stand together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from shirabe.types import Stored

PAGE_KINDS = frozenset({"section", "table", "code_block", "document"})
"""Kinds of pages that exist in several languages."""
PROSE_KINDS = PAGE_KINDS | {"text"}
HITS_PER_PROSE_DOCUMENT = 1
HITS_PER_DOCUMENT = 3


UNIT_KINDS = frozenset({"operation", "schema", "record", "term", "message", "channel"})
"""Kinds whose units answer by themselves: their neighbours in the document say nothing for them."""
SECTION_EVIDENCE = 0.05
EVIDENT_SECTIONS = 6
VERSION_EVIDENCE = 0.3
VERSION_MARGIN = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """A candidate on its way to be a hit; `score` is of the last stage that scored it."""

    stored: Stored
    score: float
    legs: Mapping[str, tuple[int, float]]


def by_page(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return a ranking in which a chunk counts what it scored, plus what the rest of its page says for it.

    The page adds a twentieth of each of its chunks that come second to seventh, and three tenths of the best chunk of
    its second language version: several passages that speak to a question are better evidence than one (Callan:
    passage-level evidence in document retrieval, SIGIR 1994). Scores are scaled to [0, 1] first, and the sums are the
    new ones; a page's chunks keep their order.
    """
    if not ranked:
        return []
    values = [item.score for item in ranked]
    low, high = min(values), max(values)
    scaled = [(value - low) / (high - low) if high > low else 1.0 for value in values]
    pages: dict[str, list[tuple[float, str]]] = {}
    for item, value in zip(ranked, scaled, strict=True):
        pages.setdefault(_page(item), []).append((value, item.stored.chunk.doc_id))
    support = {page: _support(chunks) for page, chunks in pages.items()}
    scores = [value + support[_page(item)] for item, value in zip(ranked, scaled, strict=True)]
    order = sorted(range(len(ranked)), key=lambda place: -scores[place])
    return [
        replace(ranked[place], score=scores[place], legs={**ranked[place].legs, "page": (rank, scores[place])})
        for rank, place in enumerate(order, start=1)
    ]


def _page(item: Ranked) -> str:
    chunk = item.stored.chunk
    return chunk.chunk_id if chunk.kind in UNIT_KINDS else item.stored.version_key


def _support(chunks: Sequence[tuple[float, str]]) -> float:
    """Return what a page adds to each of its chunks, from the (score, document) of all of them."""
    scores = sorted((score for score, _ in chunks), reverse=True)
    best: dict[str, float] = {}
    for score, document in chunks:
        best[document] = max(best.get(document, 0.0), score)
    versions = sorted(best.values(), reverse=True)
    more = SECTION_EVIDENCE * sum(scores[1 : 1 + EVIDENT_SECTIONS])
    return more + VERSION_EVIDENCE * sum(versions[1:2])


def diverse(ranked: Sequence[Ranked]) -> tuple[list[Ranked], list[Ranked]]:
    """Split a ranking in two, both in its order: what stands first, and what a document has beyond its share.

    A prose document is one answer, shown by its best chunk; code, operations and records answer apart, to a limit. A
    unit that was cut in parts (`meta["unit"]`, an operation with a long body) is one answer too, and so is what stands
    word for word in several documents. The branches and tags of a repository share what a document may have: ten
    releases of a page are no ten answers.
    """
    seen: Counter[str] = Counter()
    units: set[tuple[str, str]] = set()
    texts: set[str] = set()
    first: list[Ranked] = []
    overflow: list[Ranked] = []
    for item in ranked:
        chunk = item.stored.chunk
        document = _document(item.stored)
        unit = (document, str(chunk.meta.get("unit") or chunk.chunk_id))
        share = HITS_PER_PROSE_DOCUMENT if chunk.kind in PROSE_KINDS else HITS_PER_DOCUMENT
        if seen[document] < share and unit not in units and chunk.content_hash not in texts:
            first.append(item)
            seen[document] += 1
        else:
            overflow.append(item)
        units.add(unit)
        texts.add(chunk.content_hash)
    return first, overflow


def _document(stored: Stored) -> str:
    """Return a key that the versions of one file in a repository share."""
    version = str(stored.chunk.meta.get("version", ""))
    path = stored.path.removeprefix(f"{version}:") if version else stored.path
    return f"{stored.source_id}:{path}"


def page_keys(ranked: Sequence[Ranked]) -> list[str]:
    """Return the version keys of the pages in a ranking, each once, best first."""
    return list(dict.fromkeys(item.stored.version_key for item in ranked if item.stored.chunk.kind in PAGE_KINDS))


def together(ranked: Sequence[Ranked], siblings: Sequence[Stored]) -> list[Ranked]:
    """Return a ranking with each page's other language versions after its best one.

    A version that was found comes directly after it. One that was not, and is only known to be a version, comes after
    pages that stand hardly lower too (a tenth of the span from the first to the last): who reads one version has little
    of the next, and more of a page that may be the one that was meant.

    Args:
        ranked: one item per prose document, best first.
        siblings: chunks that stand for documents the ranking may lack; each goes after the page it is a version of,
            with that page's score, for it has none of its own.
    """
    pages: dict[str, tuple[float, int, float]] = {}
    standing: list[tuple[float, int, Ranked]] = []
    for place, (height, item) in enumerate(zip(_heights(ranked), ranked, strict=True)):
        if item.stored.chunk.kind in PAGE_KINDS:
            top, first, _ = pages.setdefault(item.stored.version_key, (height, place, item.score))
            standing.append((-top, first, item))
        else:
            standing.append((-height, place, item))
    present = {item.stored.chunk.doc_id for item in ranked}
    for stored in siblings:
        if stored.version_key in pages and stored.chunk.doc_id not in present:
            present.add(stored.chunk.doc_id)
            top, first, score = pages[stored.version_key]
            standing.append((VERSION_MARGIN - top, first, Ranked(stored, score, {})))
    return _counted([item for _, _, item in sorted(standing, key=lambda one: one[:2])])


def _counted(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return the ranking, each version of a page but the first telling which it is."""
    versions: Counter[str] = Counter()
    told: list[Ranked] = []
    for item in ranked:
        if item.stored.chunk.kind in PAGE_KINDS:
            versions[item.stored.version_key] += 1
            place = versions[item.stored.version_key]
            note = {} if place == 1 else {"version": (place, item.score)}
            told.append(replace(item, legs={**item.legs, **note}))
        else:
            told.append(item)
    return told


def _heights(ranked: Sequence[Ranked]) -> list[float]:
    """Return where each item of a ranking stands between its last (0) and its first (1).

    Behind the candidates that a cross-encoder has read stand others with scores of another kind: none rises above what
    stands before it.
    """
    falling = list(accumulate((item.score for item in ranked), min))
    span = falling[0] - falling[-1] if falling else 0.0
    return [(score - falling[-1]) / span if span > 0 else 1.0 for score in falling]
