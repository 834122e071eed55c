"""A store of its own connections that stays with the generations that answer when it is opened."""

from __future__ import annotations

from opensearch.catalogue import open_catalogue
from opensearch.generations import check_meta, is_same_model
from opensearch.pair import PairStore
from opensearch.store import OpenSearchStore
from shirabe.settings import OpenSearchSettings
from shirabe.types import ModelInfo


async def open_pinned(
    settings: OpenSearchSettings, model: ModelInfo, code: tuple[str, ModelInfo] | None = None
) -> OpenSearchStore | PairStore:
    """Connect to the generation that answers now, and stay with it; with `code`, to that of the code index too.

    `code` is what the name of the code index ends with, and its model.

    Raises: InvalidInput when a generation is of another model; Unavailable, Timeout.
    """
    catalogue = await open_catalogue(settings)
    try:
        generation = await catalogue.answering()
        check_meta(generation, model)
        store = await catalogue.to_write(generation)
        if code is None:
            return store
        shelf = catalogue.beside(code[0])
        apart = await shelf.answering()
        check_meta(apart, code[1])
        words = catalogue.words(generation.name, apart.name)
        return PairStore(store, await shelf.to_write(apart), words, one_model=is_same_model(generation, apart))
    except BaseException:
        await catalogue.close()
        raise
