"""An `Embedder` over a vendor's HTTP API: dense vectors only."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final

import numpy as np

from ray_app.bodies import check_filled
from ray_app.problems import TooLong
from ray_app.providers.calls import Calls
from ray_app.providers.clock import Clock, SystemClock
from ray_app.providers.dialects import CohereDialect, Dialect, OpenAIDialect
from ray_app.providers.models import provider_model
from ray_app.providers.text_length import Part, cut, cut_bytes, estimated_tokens, split
from ray_app.providers.usage import Usage
from shirabe.errors import InvalidInput, Unavailable
from shirabe.settings import ModelSettings, Provider
from shirabe.types import Embedding, Floats, ModelInfo, Output, TextKind

_OUTPUTS: Final[tuple[Output, ...]] = ("dense",)
_DIALECTS: Final[Mapping[Provider, Dialect]] = {"openai": OpenAIDialect(), "cohere": CohereDialect()}
# Whoever asks a question is gone after this; a passage's caller needs the rest to hear of a failure.
_QUERY_S: Final = 4.0
_PASSAGE_SHARE: Final = 0.8
_SHORT: Final = "a"
# No word of a model that cuts by itself is longer: what lies beyond this many characters a token is never looked at.
_CHARS_A_TOKEN: Final = 32


class ProviderEmbedder:
    """One model of a vendor. Used from one event loop."""

    def __init__(self, settings: ModelSettings, clock: Clock | None = None) -> None:
        """Connect lazily. `settings.timeout_s` bounds one request of a caller, waiting and sending again included.

        Raises: InvalidInput naming the setting when the model, its width, its address or its key cannot be used.
        """
        self.model = provider_model(settings)
        self._dialect = _DIALECTS[self.model.provider]
        self._clock: Clock = clock or SystemClock()
        self._calls = Calls(settings, self.model, self._dialect, self._clock)
        self._dimensions = settings.dimensions if self.model.adjustable else None
        self._dim = self.model.dim
        self._patience_s: dict[TextKind, float] = {
            "query": min(_QUERY_S, settings.timeout_s * _PASSAGE_SHARE),
            "passage": settings.timeout_s * _PASSAGE_SHARE,
        }
        self._slots: dict[TextKind, asyncio.Semaphore] = {
            "query": asyncio.Semaphore(settings.provider_concurrency),
            "passage": asyncio.Semaphore(settings.provider_concurrency),
        }
        self._texts = 0
        self._tokens = 0

    @property
    def usage(self) -> Usage:
        """What was asked and billed since the start."""
        price = self.model.usd_per_million
        cost_usd = None if price is None else self._tokens * price / 1_000_000
        return Usage(self._calls.sent, self._calls.sent_again, self._texts, self._tokens, cost_usd)

    async def info(self) -> ModelInfo:
        """Return the identity of the model; where only the server knows the width, a short text is embedded to see.

        Raises: Forbidden, NotFound, InvalidInput, Unavailable, Overloaded, Timeout.
        """
        if self._dim is None:
            await self.embed([_SHORT], "query", _OUTPUTS)
        dim = self._dim or 0
        return ModelInfo(f"{self.model.provider}:{self.model.name}", f"{dim}d", dim, self.model.max_tokens, _OUTPUTS)

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        """Return one embedding per text, in order; longer texts are cut.

        Raises: InvalidInput; Forbidden for a key that is refused or a quota that is used up; NotFound for a model the
            vendor does not have; Unavailable, Overloaded, Timeout.
        """
        if not outputs:
            raise InvalidInput("ask for one output at least", "outputs")
        check_filled("texts", texts)
        if set(outputs) - set(_OUTPUTS):
            raise InvalidInput(f"{self.model.name} gives dense vectors only", "outputs")
        vectors, _ = await self.encode(texts, kind, kind)
        return [Embedding(dense=vector) for vector in vectors]

    async def encode(
        self, texts: Sequence[str], kind: TextKind, lane: TextKind, *, cut: bool = True
    ) -> tuple[list[Floats], int]:
        """Return the vector of each text, and the tokens that are billed for all.

        `lane` tells how long to wait for it: `query` where somebody does. Without `cut` no text is shortened.

        Raises: as `embed` does; TooLong.
        """
        parts = self._parts([self._fitting(text) for text in texts] if cut else texts)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._in_turn(part, kind, lane, cut=cut)) for part in parts]
        except ExceptionGroup as failed:
            first = failed.exceptions[0]
            raise first from first.__cause__
        results = [task.result() for task in tasks]
        return list(chain.from_iterable(vectors for vectors, _ in results)), sum(tokens for _, tokens in results)

    def cuts(self, text: str) -> bool:
        """Tell whether a text is estimated to be longer than the model takes."""
        return estimated_tokens(text) > self.model.max_tokens

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    def _parts(self, texts: Sequence[str]) -> list[Part]:
        model, calls = self.model, self._calls
        most_texts = min(model.texts_per_request, calls.most("texts") or model.texts_per_request)
        most_tokens = min(model.tokens_per_request, calls.most("tokens") or model.tokens_per_request)
        return list(split(texts, most_texts, most_tokens))

    def _fitting(self, text: str) -> str:
        if self.model.truncates:
            # The vendor knows its tokens; it is only spared what it would never look at.
            return text[: self.model.max_tokens * _CHARS_A_TOKEN]
        return cut(text, self.model.max_tokens)

    async def _in_turn(self, part: Part, kind: TextKind, lane: TextKind, *, cut: bool) -> tuple[Floats, int]:
        async with self._slots[lane]:
            deadline = self._clock.now() + self._patience_s[lane]
            try:
                return await self._ask(part, kind, lane, deadline, cut=cut)
            except TooLong:
                # The estimate was wrong. A token is a byte at least, so this many bytes fit without a doubt.
                shorter = replace(part, texts=tuple(cut_bytes(text, self.model.max_tokens) for text in part.texts))
                if shorter == part or not cut:
                    raise
                return await self._ask(shorter, kind, lane, deadline, cut=cut)

    async def _ask(
        self, part: Part, kind: TextKind, lane: TextKind, deadline: float, *, cut: bool
    ) -> tuple[Floats, int]:
        body = self._dialect.body(self.model.name, part.texts, kind, self._dimensions, cut=cut)
        answer = await self._calls.ask(body, len(part.texts), part.tokens, lane, deadline)
        billed = self._dialect.tokens(answer)
        tokens = part.tokens if billed is None else billed
        self._texts += len(part.texts)
        self._tokens += tokens
        return self._checked(self._dialect.vectors(answer), len(part.texts)), tokens

    def _checked(self, vectors: Floats, texts: int) -> Floats:
        """Return the vectors at length 1. Raises: Unavailable when they are not what was asked for."""
        if self._dim is None:
            self._dim = vectors.shape[1]
        if vectors.shape != (texts, self._dim):
            raise Unavailable(f"the provider answered vectors of shape {vectors.shape}, not {(texts, self._dim)}")
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise Unavailable("the provider answered a vector that has no direction")
        return np.asarray(vectors / norms, dtype=np.float32)
