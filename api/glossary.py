"""Terms of the glossary that a query names, and what else they are called: what else is searched for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shirabe.names import Named, name_key, names_in
from shirabe.protocols import Store
from shirabe.types import Query, Recognised, Stored, Term

MAX_TERMS: Final = 4
_MAX_NAMES: Final = 6


async def recognise(query: Query, store: Store) -> tuple[Recognised, ...]:
    """Return the terms that a query names, of those the principal may see; a name inside a longer one does not count.

    Raises: Unavailable, Timeout.
    """
    stretches = names_in(query.text)
    if not stretches:
        return ()
    found = await store.terms({stretch.key for stretch in stretches}, query.principal)
    by_key: dict[str, list[tuple[Stored, Term]]] = {}
    for stored in found:
        term = Term.of_meta(stored.chunk.meta["term"])
        for key in {name_key(name) for name in term.names}:
            by_key.setdefault(key, []).append((stored, term))
    asked = [stretch for stretch in stretches if stretch.key in by_key]
    keys = {stretch.key for stretch in asked if not any(_inside(stretch, other) for other in asked)}
    recognised: dict[str, Recognised] = {}
    for stretch in asked:
        for stored, term in by_key[stretch.key] if stretch.key in keys else ():
            recognised.setdefault(stored.chunk.chunk_id, Recognised(stored, term, _others(term, keys)))
    return tuple(recognised.values())[:MAX_TERMS]


def _inside(stretch: Named, other: Named) -> bool:
    is_within = other.start <= stretch.start and stretch.end <= other.end
    return is_within and (other.start, other.end) != (stretch.start, stretch.end)


def _others(term: Term, asked: set[str]) -> tuple[str, ...]:
    """Return the names of a term that the query does not have, one for each way they may be spelt."""
    others: dict[str, str] = {}
    for name in term.names:
        if (key := name_key(name)) and key not in asked:
            others.setdefault(key, name)
    return tuple(others.values())[:_MAX_NAMES]


def expanded(recognised: Sequence[Recognised]) -> tuple[tuple[str, ...], ...]:
    """Return the other names of each term, for `Query.also`."""
    return tuple(dict.fromkeys(item.others for item in recognised if item.others))
