"""What the API families speak to: a model that embeds, a model that scores pairs, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ray_app.lane import Lane
from ray_app.models import check_dim
from ray_app.problems import TooLong
from ray_app.providers.usage import Usage
from ray_app.wire import Row
from shirabe.errors import InvalidInput, NotFound
from shirabe.types import Output, TextKind


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is: `name` and `revision` name the vector space (for a scorer: the scores).

    `max_tokens` is the longest input. `dim` is the width of the vectors, `smallest_dim` how far they may be cut (None:
    not at all). `dtype` is what it computes in, where that is known. `prefixes` go before the texts of a kind.
    `aliases` are other names that callers may use.
    """

    name: str
    revision: str
    max_tokens: int
    dim: int = 0
    smallest_dim: int | None = None
    outputs: tuple[Output, ...] = ()
    pooling: str = ""
    dtype: str = "unknown"
    prefixes: Mapping[TextKind, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names callers may use: in full, without the organisation, and the aliases."""
        return tuple(dict.fromkeys((self.name, self.name.rpartition("/")[2], *self.aliases)))

    def check_name(self, name: str | None) -> None:
        """Raise NotFound unless a name is this model's, in any case; None is."""
        if name is not None and name.lower() not in map(str.lower, self.names):
            raise NotFound(f"the model {name!r} is not served here, {self.name!r} is")

    def check_revision(self, revision: str | None) -> None:
        """Raise InvalidInput when a caller was set up for another revision: vector spaces must not mix."""
        if revision is not None and revision != self.revision:
            raise InvalidInput(f"{self.name} is served at revision {self.revision}, not {revision}", "revision")

    def check_dimensions(self, dimensions: int | None) -> None:
        """Raise InvalidInput when vectors may not be cut to so many dimensions."""
        if dimensions is not None:
            check_dim(self.name, dimensions, self.dim, self.smallest_dim)


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One row per text; `tokens` is how many the model saw in all, `truncated` how many texts were cut."""

    rows: list[Row]
    tokens: int
    truncated: int


@dataclass(frozen=True, slots=True)
class Scored:
    """One score per passage as the model gives it, the same within [0, 1], and what `Encoded` counts."""

    scores: list[float]
    relevances: list[float]
    tokens: int
    truncated: int


class EmbeddingModel(Protocol):
    """A model that embeds."""

    @property
    def card(self) -> ModelCard:
        """What the model is."""

    @property
    def queued_tokens(self) -> int:
        """Tokens that wait or run."""

    @property
    def usage(self) -> Usage | None:
        """What a provider was used for since the start; None for a model of our own."""

    async def encode(
        self, texts: Sequence[str], kind: TextKind, outputs: frozenset[Output], lane: Lane, *, cut: bool = True
    ) -> Encoded:
        """Return the outputs of each text. Too long texts are cut, or refused without `cut`.

        Raises: InvalidInput for an output the model has not, TooLong, Overloaded, Unavailable; of a provider Forbidden,
            NotFound, Timeout.
        """

    def check(self) -> None:
        """Raise when the model has died."""


class PairScorer(Protocol):
    """A model that scores passages against a query, higher is better."""

    @property
    def card(self) -> ModelCard:
        """What the model is."""

    async def score(self, query: str, passages: Sequence[str], *, cut: bool = True) -> Scored:
        """Return the passages' scores, in order. Too long pairs are cut, or refused without `cut`.

        Raises: TooLong, Overloaded, Unavailable, Timeout.
        """


def too_long(number: int, max_tokens: int) -> TooLong:
    """Return the error for the text at an index (0-based) that is longer than the model takes."""
    return TooLong(f"text {number} is longer than the {max_tokens} tokens the model takes")


def interactive(kind: TextKind, texts: Sequence[str]) -> Lane:
    """Return the lane for an API that names none: a query or one short text is what somebody waits for."""
    return "query" if kind == "query" or (len(texts) == 1 and len(texts[0]) <= _SHORT_CHARS) else "passage"


_SHORT_CHARS = 1000
