"""What every answer of a model says in its headers."""

from __future__ import annotations

from typing import Final

from ray_app.surface.parts import Encoded, ModelCard, Scored

REVISION: Final = "X-Model-Revision"
TRUNCATED: Final = "X-Truncated"


def said(card: ModelCard, result: Encoded | Scored) -> dict[str, str]:
    """Return the model's revision (vectors of two must not be mixed) and how many texts were cut."""
    return {REVISION: card.revision, TRUNCATED: str(result.truncated)}
