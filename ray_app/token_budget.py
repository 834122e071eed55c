"""Cutting work into forward passes by how many tokens it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def cut(items: Iterable[T], length: Callable[[T], int], budget: int) -> list[list[T]]:
    """Cut a list into runs of at most `budget` tokens, one item at least. `length` tells an item's tokens."""
    batches: list[list[T]] = []
    room = 0
    for item in items:
        tokens = length(item)
        if not batches or tokens > room:
            batches.append([])
            room = budget
        batches[-1].append(item)
        room -= tokens
    return batches
