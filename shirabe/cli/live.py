"""The index generations there are now, each with its store and its model: what reads and writes are given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import structlog

from ingest.generations import Live
from ingest.models import Models
from opensearch.catalogue import Catalogue
from opensearch.generations import Generation, is_same_model
from opensearch.history import ITSELF, last_event, partner_of
from opensearch.pair import Countable, Own, PairStore
from shirabe.cli.model_servers import GenerationEmbedder, ModelServers
from shirabe.errors import ShirabeError
from shirabe.protocols import Answering, Chunker, CodeApart
from shirabe.types import digest

CHUNK_TOKENS: Final = "chunk_tokens"
"""How long the chunks of a generation are: recorded in its `_meta`."""
_FRESH_S: Final = 0.25

log = structlog.get_logger(__name__)


class LiveIndex:
    """Implements `shirabe.protocols.Index` and `ingest.generations.Generations` over a catalogue.

    With a catalogue of the code index, every generation is given as a pair: with its partner, or with the one that
    answers in the other index.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        servers: ModelServers,
        chunker: Callable[[int], Chunker],
        chunk_tokens: int,
        code: Catalogue | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._servers = servers
        self._make_chunker = chunker
        self._chunk_tokens = chunk_tokens
        self._code = code
        self._chunkers: dict[int, Chunker] = {}
        self._looked_up_s = 0.0
        self._generations: tuple[Generation, Generation | None] | None = None
        self._answering: Answering | None = None

    async def answering(self, *, fresh: bool = False) -> Answering:
        """Return the generation that answers, looked up a quarter of a second ago at most.

        Raises: Unavailable, Timeout, InvalidInput.
        """
        now = time.monotonic()
        if self._answering is None or fresh or now - self._looked_up_s >= _FRESH_S:
            if self._code is None:
                found: tuple[Generation, Generation | None] = await self._catalogue.answering(), None
            else:
                # Asked together: a switch of both is seen of both or of neither.
                found = await self._catalogue.answering_with(self._code)
            # The same store as long as it is of the same generations: it learns how it is best asked.
            if self._answering is None or found != self._generations:
                self._answering = self.whole(*found)
            self._looked_up_s, self._generations = now, found
        return self._answering

    async def code_answering(self) -> Generation | None:
        """Return the generation of the code index that answers, None where there is none.

        Raises: Unavailable, Timeout, InvalidInput.
        """
        return await self._code.answering_or_none() if self._code is not None else None

    async def code_others(self, answering: Generation | None) -> list[Generation]:
        """Return every generation of the code index but the one that answers, the newest first.

        Raises: Unavailable, Timeout.
        """
        return await self._code.others(answering) if self._code is not None else []

    def whole(self, prose: Generation, code: Generation | None) -> Answering:
        """Return what answers when these generations do."""
        store, embedder = self.store_of(prose, code), self.embedder(prose)
        if code is None:
            return Answering(prose.name, prose.uuid, store, embedder)
        of_code = None if is_same_model(prose, code) else self.embedder(code)
        identity = digest(prose.uuid, code.uuid)
        return Answering(prose.name, identity, store, embedder, CodeApart(of_code, is_settled(code)))

    def store_of(self, prose: Generation, code: Generation | None) -> Countable:
        """Return what is read of these generations together."""
        store = self._catalogue.to_read(prose)
        if code is None or self._code is None:
            return store
        one_model, words = is_same_model(prose, code), self._catalogue.words(prose.name, code.name)
        return PairStore(store, self._code.to_read(code), words, one_model=one_model, settled=is_settled(code))

    async def live(self) -> Sequence[Live]:
        """Return every generation, the one that answers first, those of the code index last.

        Two that are switched together are one of them, under the name of the one of the first index.

        Raises: InvalidInput, Unavailable, Timeout.
        """
        leader, *others = await self._catalogue.live()
        first = await self.code_answering()
        found = [await self.live_of(leader, first)]
        for prose, of_code, own in followers_of(leader, others, first, await self.code_others(first)):
            try:
                found.append(await self.live_of(prose, of_code, own))
            except ShirabeError as error:
                # The one that answers is written to all the same.
                name = prose.name if own == "prose" or of_code is None else of_code.name
                log.warning("generation_not_written", generation=name, reason=str(error))
        return found

    async def live_of(
        self, prose: Generation, code: Generation | None = None, own: Own = "both", *, apart: bool = True
    ) -> Live:
        """Return generations as runs into them need them, of which `own` is written to; not `apart`: code to the first.

        What is known of a generation of the code index is known under its own UUID.

        Raises: Unavailable, Timeout.
        """
        chunk_tokens = self.chunk_tokens(prose)
        if chunk_tokens not in self._chunkers:
            self._chunkers[chunk_tokens] = self._make_chunker(chunk_tokens)
        named = code if own == "code" and code is not None else prose
        store, embedder = await self._catalogue.to_write(prose), self.embedder(prose)
        cut = (self._chunkers[chunk_tokens], str(prose.meta["chunker_version"]), chunk_tokens)
        if code is None or self._code is None:
            return Live(named.name, named.uuid, store, embedder, *cut)
        pair = PairStore(
            store,
            await self._code.to_write(code),
            self._catalogue.words(prose.name, code.name),
            one_model=is_same_model(prose, code),
            own=own,
            apart=apart,
        )
        of_code = self.embedder(code) if apart else embedder
        models = Models(embedder if own != "code" else None, of_code if own != "prose" else None)
        return Live(named.name, named.uuid, pair, embedder, *cut, models)

    def chunk_tokens(self, generation: Generation) -> int:
        """Return how long the chunks of a generation are at most."""
        return int(generation.meta.get(CHUNK_TOKENS, self._chunk_tokens))

    def embedder(self, generation: Generation) -> GenerationEmbedder:
        """Return what embeds for a generation."""
        return GenerationEmbedder(generation, self._servers)


def followers_of(
    leader: Generation, others: Sequence[Generation], code: Generation | None, code_others: Sequence[Generation]
) -> Iterator[tuple[Generation, Generation | None, Own]]:
    """Give what follows `leader` and `code`, which answer: the generations that are written, and what of them."""
    free = {each.name: each for each in code_others}
    for prose in others:
        partner = partner_of(prose)
        if partner == ITSELF:
            yield prose, None, "both"
        elif partner in free:
            yield prose, free.pop(partner), "both"
        elif partner is None or (code is not None and partner == code.name):
            yield prose, code, "prose"
        else:
            log.warning("generation_not_written", generation=prose.name, reason=f"{partner} is not there")
    if code is not None:
        for each in free.values():
            yield leader, each, "code"


def is_settled(code: Generation) -> bool:
    """Tell whether all code lies in the code index: some may be on its way there from the first, or back."""
    last = last_event(code, "created", "built", "emptying")
    return last is not None and last["event"] != "emptying"
