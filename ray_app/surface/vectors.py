"""Dense vectors for the APIs that give nothing else: checked, embedded, cut to fewer dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ray_app.surface.parts import EmbeddingModel, Encoded, interactive
from shirabe.types import Floats, TextKind


async def dense_vectors(
    model: EmbeddingModel, texts: Sequence[str], kind: TextKind, dimensions: int | None, *, cut: bool
) -> tuple[Encoded, list[Floats]]:
    """Return the vectors, float32 (dimensions or dim,) each, L2 norm 1, and what was counted.

    Raises: InvalidInput when the model's vectors may not be cut so, what `encode` raises.
    """
    model.card.check_dimensions(dimensions)
    encoded = await model.encode(texts, kind, frozenset({"dense"}), interactive(kind, texts), cut=cut)
    vectors = [row.dense for row in encoded.rows if row.dense is not None]
    if dimensions is None or dimensions == model.card.dim:
        return encoded, vectors
    return encoded, [_cut(vector, dimensions) for vector in vectors]


def _cut(vector: Floats, dimensions: int) -> Floats:
    head = vector[:dimensions]
    cut: Floats = (head / max(float(np.linalg.norm(head)), 1e-12)).astype(np.float32)
    return cut
