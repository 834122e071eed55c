"""What settings and the cluster decide of a generation when it is made, beside its model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opensearchpy import AsyncOpenSearch

from opensearch.japanese_choice import choose_japanese
from opensearch.user_dictionary import read_user_dictionary
from shirabe.settings import Compression, Japanese, OpenSearchSettings
from shirabe.types import digest


@dataclass(frozen=True, slots=True)
class Shape:
    """How a generation lies on the cluster, what cuts its Japanese, and the words that this is told of."""

    compression: Compression = "1x"
    shards: int = 1
    user_dictionary: tuple[str, ...] = ()
    japanese: Japanese = "kuromoji"

    @property
    def meta(self) -> dict[str, Any]:
        """What a generation records of it."""
        words = digest(*self.user_dictionary)[:8] if self.user_dictionary else ""
        return {"compression": self.compression, "user_dictionary": words, "japanese": self.japanese}


ShapeOf = Callable[[], Awaitable[Shape]]
"""Tells the shape of a generation that is made now. Raises: as `choose_shape`."""


def recorded_shape(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a generation records of its shape; one made before a part was recorded has the first there was."""
    return {name: meta.get(name, first) for name, first in Shape().meta.items()}


def shape_of(settings: OpenSearchSettings, japanese: Japanese = "kuromoji") -> Shape:
    """Read what is configured. Raises: NotFound, InvalidInput naming the line of the user dictionary."""
    words = read_user_dictionary(settings.user_dictionary) if settings.user_dictionary else ()
    return Shape(settings.compression, settings.shards, words, japanese)


async def choose_shape(client: AsyncOpenSearch, settings: OpenSearchSettings) -> Shape:
    """Read what is configured, and ask the cluster for what is not.

    Raises: NotFound; InvalidInput naming the line of the user dictionary, or the nodes that lack what is configured;
        Unavailable, Timeout.
    """
    return shape_of(settings, await choose_japanese(client, settings))
