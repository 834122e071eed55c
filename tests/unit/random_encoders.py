"""A small encoder of random weights, and what to feed it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ray_app.checkpoint import Architecture

SHAPE = Architecture(dim=32, layers=2, heads=4, epsilon=1e-5, positions=300, first_position=2)


def random_state(prefix: str = "") -> dict[str, Tensor]:
    """Return random tensors of a two-layer encoder under their Hugging Face names."""
    generator = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.2

    dim, inner = SHAPE.dim, 4 * SHAPE.dim
    state = {
        "embeddings.word_embeddings.weight": normal(50, dim),
        "embeddings.position_embeddings.weight": normal(SHAPE.positions, dim),
        "embeddings.token_type_embeddings.weight": normal(1, dim),
    }

    def pair(name: str, *shape: int) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = normal(*shape), normal(shape[0])

    pair("embeddings.LayerNorm", dim)
    for index in range(SHAPE.layers):
        layer = f"encoder.layer.{index}"
        for part in ("query", "key", "value"):
            pair(f"{layer}.attention.self.{part}", dim, dim)
        pair(f"{layer}.attention.output.dense", dim, dim)
        pair(f"{layer}.attention.output.LayerNorm", dim)
        pair(f"{layer}.intermediate.dense", inner, dim)
        pair(f"{layer}.output.dense", dim, inner)
        pair(f"{layer}.output.LayerNorm", dim)
    return {prefix + name: tensor for name, tensor in state.items()}


def some_ids(lengths: Sequence[int]) -> Tensor:
    return torch.randint(0, 50, (sum(lengths),), generator=torch.Generator().manual_seed(5))


def worst_cosine(states: Tensor, others: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(states, others, dim=-1).min())
