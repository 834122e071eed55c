"""The models that a query is embedded by: one, or two where code has an index of its own with a model of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from api.stages import Progress, within
from shirabe.errors import Forbidden, NotFound, ShirabeError, Transient, Unavailable
from shirabe.legs import MEANING
from shirabe.protocols import CodeApart, Embedder
from shirabe.types import Embedding, Output, Query, Rerank

# Not only what passes: a provider may refuse the key or lack the model, and whoever searches cannot mend that.
MODEL_GONE: Final = (Transient, Forbidden, NotFound)

_MODELS: Final = ("embedder", "code-embedder")


class QueryModels:
    """Embeds queries by every model that the indexes they are asked of were built by."""

    def __init__(self, embedder: Embedder, code: CodeApart | None, timeout_s: float) -> None:
        self._embedder = embedder
        self._code = code
        self._timeout_s = timeout_s

    async def embed(self, query: Query, legs: Sequence[str], rerank: Rerank, progress: Progress) -> Embedding | None:
        """Return what the legs and the reranking need of the models; one that is gone is told in `progress`.

        Raises: Unavailable when no model answers and the mode is one that needs it.
        """
        wanted: set[Output] = {leg for leg in ("dense", "sparse") if leg in legs}
        if rerank != "none":
            wanted |= {"dense", "tokens"}
        if not wanted:
            return None
        models = self._models_of(query)
        with progress.stage("embed"):
            asked = [self._embedding_of(query, wanted, embedder, progress) for embedder in models.values()]
            found = dict(zip(models, await asyncio.gather(*asked), strict=True))
        errors = {name: answer for name, answer in found.items() if isinstance(answer, ShirabeError)}
        if query.mode in MEANING and len(errors) == len(models):
            error = next(iter(errors.values()))
            raise Unavailable(f"mode {query.mode} needs the embedding model: {error.message}") from error
        progress.degraded += errors
        prose, code = (None if isinstance(one, ShirabeError) else one for one in map(found.get, _MODELS))
        return prose if code is None else replace(prose or Embedding(), code=code)

    def _models_of(self, query: Query) -> dict[str, Embedder]:
        """Return the models that a query is asked with, by the name that tells of one that is missing."""
        if self._code is None or self._code.embedder is None:
            return {"embedder": self._embedder}
        if query.mode == "code" and self._code.settled:
            return {"code-embedder": self._code.embedder}
        return {"embedder": self._embedder, "code-embedder": self._code.embedder}

    async def _embedding_of(
        self, query: Query, wanted: set[Output], embedder: Embedder, progress: Progress
    ) -> Embedding | ShirabeError | None:
        """Return what a model has of what is wanted, for fewer outputs are not a fault; or why it did not answer."""

        async def ask() -> Embedding | None:
            outputs = wanted.intersection((await embedder.info()).outputs)
            if query.rerank == "late" and "tokens" not in outputs:
                progress.degraded.append("rerank")
            return (await embedder.embed([query.text], "query", outputs))[0] if outputs else None

        try:
            return await within(self._timeout_s, ask(), "the embedding model")
        except MODEL_GONE as error:
            return error
