"""Attention in groups: the same numbers with and without the fused kernel, whatever the groups."""

from __future__ import annotations

import pytest
import torch

from ray_app.attention import packed_groups

HEADS, DIM = 4, 64
# One text above what is taken plainly; more short ones than one group holds; neighbours of equal and of other lengths.
LENGTHS = [513, 512, 512, 90, 90, *[3] * 5, 1, 400]


@pytest.mark.parametrize("lengths", [LENGTHS, [1], [16], [200] * 9, [6] * 2_000])
def test_plain_attention_is_the_fused_one(lengths: list[int]) -> None:
    qkv = torch.randn(sum(lengths), 3 * DIM, generator=torch.Generator().manual_seed(1))

    plain, fused = (packed_groups(lengths, HEADS, plain=plain)(qkv) for plain in (True, False))

    assert plain.shape == (sum(lengths), DIM)
    assert torch.allclose(plain, fused, atol=2e-6)


def test_a_text_sees_only_itself() -> None:
    qkv = torch.randn(sum(LENGTHS), 3 * DIM, generator=torch.Generator().manual_seed(2))

    together = packed_groups(LENGTHS, HEADS, plain=True)(qkv)
    alone = [packed_groups([len(part)], HEADS, plain=True)(part) for part in torch.split(qkv, LENGTHS)]

    assert torch.allclose(together, torch.cat(alone), atol=2e-6)
