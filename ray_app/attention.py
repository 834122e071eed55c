"""Attention of packed texts, which lie end to end: every text sees itself alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor

# Measured on two cores with 12 heads of 32 and 16 of 64 dimensions: in longer texts the scores leave the cache, as they
# do (half a megabyte) when more texts are taken together.
_PLAIN_LENGTH: Final = 512
_PLAIN_SCORES: Final = 1 << 17

# (tokens, 3 * dim), query, key and value side by side, to (tokens, dim).
Attention = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Where texts lie: text i has the tokens from `starts[i]` up to `starts[i + 1]`.

    starts: int32 (texts + 1,) on the device. longest: no text has more tokens.
    """

    starts: Tensor
    longest: int

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> Bounds:
        """Return the bounds of texts by their tokens."""
        starts = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)
        return cls(starts, max(lengths))


def has_varlen(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether `varlen_attention` is to be had."""
    return device.type == "cuda" and dtype is not torch.float32


def varlen_attention(query: Tensor, key: Tensor, value: Tensor, bounds: Bounds, *, causal: bool = False) -> Tensor:
    """Return the attention of all texts in one kernel of CUDA, (tokens, heads, head_dim), half precision.

    `key` and `value` may have fewer heads, each shared by as many of the query's.
    """
    # Brings torch's compiler along, which takes four seconds to import: for a GPU only, when it warms up.
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.attention.varlen import varlen_attn

    # cuDNN, which torch prefers, makes a plan for every shape it meets, and lengths vary: a fraction of the speed.
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        mixed = varlen_attn(
            *(query, key, value, bounds.starts, bounds.starts, bounds.longest, bounds.longest),
            window_size=(-1, 0) if causal else (-1, -1),
            enable_gqa=key.shape[1] < query.shape[1],
        )
    # A tuple only where more than the result is asked for.
    return cast(Tensor, mixed)


def packed_varlen(bounds: Bounds, heads: int) -> Attention:
    """Return the attention of every text over itself in one kernel of CUDA."""

    def attend(qkv: Tensor) -> Tensor:
        query, key, value = qkv.view(len(qkv), 3, heads, -1).unbind(1)
        return varlen_attention(query, key, value, bounds).reshape(len(qkv), -1)

    return attend


@dataclass(frozen=True, slots=True)
class _Group:
    """`count` neighbouring texts of `length` tokens each, their tokens from `start` on."""

    start: int
    count: int
    length: int


def packed_groups(lengths: Sequence[int], heads: int, *, plain: bool) -> Attention:
    """Return the same for any device and precision, in groups of neighbouring texts of equal length.

    plain: texts of up to 512 tokens without the fused kernel, which takes up to half more time for them on a CPU in
        fp32.
    """
    longest = _PLAIN_LENGTH if plain else 0
    groups = _groups(
        lengths, lambda length: _PLAIN_SCORES // (heads * length**2) if length <= longest else len(lengths)
    )

    def attend(qkv: Tensor) -> Tensor:
        mixed = qkv.new_empty((len(qkv), qkv.shape[1] // 3))
        for group in groups:
            rows = slice(group.start, group.start + group.count * group.length)
            attention = _plain if group.length <= longest else _fused
            mixed[rows] = attention(qkv[rows], group, heads)
        return mixed

    return attend


def _fused(qkv: Tensor, group: _Group, heads: int) -> Tensor:
    """Return the attention of a group of equally long texts over themselves, (tokens, dim)."""
    split = qkv.view(group.count, group.length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(split[0], split[1], split[2])
    return mixed.transpose(1, 2).reshape(len(qkv), -1)


def _plain(qkv: Tensor, group: _Group, heads: int) -> Tensor:
    """Return the same, all scores at once."""
    split = qkv.view(group.count, group.length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    # Of one text these are views.
    query, key, value = split.reshape(3, group.count * heads, group.length, -1)
    scores = torch.baddbmm(query.new_empty(1), query, key.transpose(1, 2), beta=0, alpha=query.shape[2] ** -0.5)
    mixed = torch.bmm(scores.softmax(-1), value).view(group.count, heads, group.length, -1)
    return mixed.transpose(1, 2).reshape(len(qkv), -1)


def _groups(lengths: Sequence[int], most: Callable[[int], int]) -> list[_Group]:
    """Return the groups of texts; most: how many of a length are one group, if more than one."""
    groups: list[_Group] = []
    start = 0
    for length in lengths:
        last = groups[-1] if groups else None
        if last is not None and last.length == length and last.count < most(length):
            groups[-1] = _Group(last.start, last.count + 1, length)
        else:
            groups.append(_Group(start, 1, length))
        start += length
    return groups
