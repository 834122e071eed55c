"""From code that was found to the documents that name it: by symbol, or by the file it is in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shirabe.definitions import is_code
from shirabe.legs import LEXICAL
from shirabe.protocols import Store
from shirabe.types import Chunk, LegHit, Query

LINKS: Final = "links"
"""The leg of documents that name the code that was found."""
LINKS_WEIGHT: Final = 0.0
"""They become candidates, and what reranks them decides. Weighed as a leg they took places from what was asked for."""
LINKED_UNITS: Final = 1
"""How far down the fusion code is looked at for its names: what code further down is named by is seldom asked for."""
LINK_PLACES: Final = 3
"""Candidates that links may bring in."""
_DEPTH: Final = 20
_MAX_NAMES: Final = 8
_CODE_LIKE: Final = re.compile(r"[a-z0-9][A-Z]|[_.:]")
_SHORTEST_NAME: Final = 6


async def linked_documents(store: Store, query: Query, chunk_ids: Sequence[str]) -> list[LegHit]:
    """Return the ranking of what is no code and names the code among these chunks, of what the query allows.

    Raises: what the store raises.
    """
    wordless = replace(query, text="", also=())
    first = await store.fetch(chunk_ids, wordless, None)
    units = [item for item in first if is_code(item.chunk)]
    names = names_of([item.chunk for item in units], [item.path for item in units])
    if not names:
        return []
    found = (await store.legs(replace(wordless, also=names), [LEXICAL], None, _DEPTH))[LEXICAL]
    shown = await store.fetch([hit.chunk_id for hit in found], wordless, None)
    documents = {item.chunk.chunk_id for item in shown if not is_code(item.chunk)}
    kept = (hit for hit in found if hit.chunk_id in documents)
    return [LegHit(hit.chunk_id, rank, hit.score) for rank, hit in enumerate(kept, start=1)]


def names_of(chunks: Sequence[Chunk], paths: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return what documents would call these units of code, best first: a symbol that no plain word is, and the file.

    Args:
        chunks: units of code.
        paths: the path of each.
    """
    names: dict[str, None] = {}
    for chunk, path in zip(chunks, paths, strict=True):
        symbol = str(chunk.meta.get("symbol") or "")
        if len(symbol) >= _SHORTEST_NAME and _CODE_LIKE.search(symbol):
            names[symbol] = None
        if "/" in path:
            names["/".join(path.split("/")[-2:])] = None
    return tuple((name,) for name in list(names)[:_MAX_NAMES])
