"""The index generation that answers, looked up anew while the same one does, and when another does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from opensearch.catalogue import Catalogue
from opensearch.generations import Generation
from shirabe.cli.live import LiveIndex
from shirabe.cli.model_servers import ModelServers
from shirabe.protocols import Chunker


class Shelf:
    """Answers with one generation after the other."""

    def __init__(self, *generations: Generation) -> None:
        self._left = list(generations)

    async def answering(self) -> Generation:
        return self._left.pop(0)

    def to_read(self, generation: Generation) -> object:
        return object()


def live(generations: Sequence[Generation]) -> LiveIndex:
    def chunker(_: int) -> Chunker:
        raise NotImplementedError

    return LiveIndex(cast(Catalogue, Shelf(*generations)), cast(ModelServers, object()), chunker, 320)


async def test_the_store_is_kept_while_the_same_generation_answers() -> None:
    index = live([Generation("x-1", "one", {"dim": 2}), Generation("x-1", "one", {"dim": 2})])
    first = await index.answering()
    assert (await index.answering(fresh=True)).store is first.store


async def test_another_generation_has_a_store_of_its_own() -> None:
    index = live([Generation("x-1", "one", {}), Generation("x-2", "two", {}), Generation("x-2", "made anew", {})])
    answers = [await index.answering(fresh=True) for _ in range(3)]
    assert len({id(answer.store) for answer in answers}) == 3
    assert [(answer.name, answer.identity) for answer in answers] == [
        ("x-1", "one"),
        ("x-2", "two"),
        ("x-2", "made anew"),
    ]


async def test_what_was_looked_up_just_now_is_not_looked_up_again() -> None:
    index = live([Generation("x-1", "one", {})])
    assert await index.answering() is await index.answering()
