"""The legs of a search where code lies in an index of its own, built by another model. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from api.links import LINKS, LINKS_WEIGHT
from shirabe.legs import CODE_LEGS, LEXICAL, MEANING
from shirabe.types import Embedding

_NAMESAKES: Final = {code: leg for leg, code in CODE_LEGS.items()}


def leg_weights(legs: Collection[str], weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of each leg in the fusion; a code leg that nobody weighs counts as its namesake.

    The legs of the code model weigh together what those of the other do: a model of fewer outputs is not to lose by it.
    """
    found = {leg: weights.get(_NAMESAKES.get(leg, leg), 1.0) for leg in legs}
    if LINKS in found:
        found[LINKS] = LINKS_WEIGHT
    there = sum(weight for leg, weight in found.items() if leg in MEANING)
    here = sum(weight for leg, weight in found.items() if leg in _NAMESAKES)
    if there and here:
        found |= {leg: weight * there / here for leg, weight in found.items() if leg in _NAMESAKES}
    return found


def askable(leg: str, embedding: Embedding | None) -> bool:
    """Tell whether a leg can be asked with what the models said."""
    if leg == LEXICAL:
        return True
    return any(
        each is not None and getattr(each, leg) is not None for each in (embedding, embedding and embedding.code)
    )
