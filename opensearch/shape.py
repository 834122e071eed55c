"""What settings decide of a generation when it is made, beside its model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opensearch.user_dictionary import read_user_dictionary
from shirabe.settings import Compression, OpenSearchSettings
from shirabe.types import digest


@dataclass(frozen=True, slots=True)
class Shape:
    """How a generation lies on the cluster, and the words that its analysis is told of."""

    compression: Compression = "1x"
    shards: int = 1
    user_dictionary: tuple[str, ...] = ()

    @property
    def meta(self) -> dict[str, Any]:
        """What a generation records of it."""
        words = digest(*self.user_dictionary)[:8] if self.user_dictionary else ""
        return {"compression": self.compression, "user_dictionary": words}


def shape_of(settings: OpenSearchSettings) -> Shape:
    """Read what is configured. Raises: NotFound, InvalidInput naming the line of the user dictionary."""
    words = read_user_dictionary(settings.user_dictionary) if settings.user_dictionary else ()
    return Shape(settings.compression, settings.shards, words)
