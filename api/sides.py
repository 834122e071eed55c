"""The legs of a search where code lies in an index of its own, built by another model. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from api.links import LINKS, LINKS_WEIGHT
from shirabe.types import Embedding

CODE_PREFIX: Final = "code_"
"""What the legs of the code index begin with, where its model is another."""
MEANING: Final = ("dense", "sparse")


def leg_weights(legs: Collection[str], weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of each leg in the fusion; a code leg that nobody weighs counts as its namesake.

    The legs of the code model weigh together what those of the other do: a model of fewer outputs is not to lose by it.
    """
    found = {leg: weights.get(leg.removeprefix(CODE_PREFIX), 1.0) for leg in legs}
    if LINKS in found:
        found[LINKS] = LINKS_WEIGHT
    there = sum(weight for leg, weight in found.items() if leg in MEANING)
    here = sum(weight for leg, weight in found.items() if leg.startswith(CODE_PREFIX))
    if there and here:
        found |= {leg: weight * there / here for leg, weight in found.items() if leg.startswith(CODE_PREFIX)}
    return found


def askable(leg: str, embedding: Embedding | None) -> bool:
    """Tell whether a leg can be asked with what the models said."""
    if leg == "lexical":
        return True
    return any(
        each is not None and getattr(each, leg) is not None for each in (embedding, embedding and embedding.code)
    )
