"""The index of code beside the first: opened when a code model is configured, made at once where nothing is indexed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from ingest.chunkers import CHUNKER_VERSION
from opensearch.catalogue import Catalogue
from opensearch.generations import Generation
from shirabe.cli.live import CHUNK_TOKENS
from shirabe.cli.model_servers import MODELS_URL, SERVED, ModelServers
from shirabe.cli.wanted_models import WantedModel, code_model
from shirabe.errors import InvalidInput, Timeout, Unavailable
from shirabe.runtime import ServedModel
from shirabe.settings import Settings
from shirabe.types import ModelInfo

CODE: Final = "code"
"""What the alias of the code index ends with."""
HOLDS: Final = "holds"
"""What a generation of the code index says it holds: recorded in its `_meta`."""

log = structlog.get_logger(__name__)


def code_models_url(settings: Settings, primary_url: str, served: Sequence[ServedModel]) -> str | None:
    """Return where the model that embeds code is served; None when nobody says so."""
    wanted, code = code_model(settings), settings.models.code
    if wanted is None or code.url is not None:
        return code.url
    if wanted == WantedModel(model=settings.models.model, dimensions=settings.models.dimensions):
        return primary_url
    return next(
        (each.url for each in served if (each.model, each.dimensions) == (wanted.model, wanted.dimensions)), None
    )


async def open_code(
    catalogue: Catalogue, answering: Generation, servers: ModelServers, settings: Settings, url: str | None
) -> Catalogue | None:
    """Return the catalogue of the code index, None where none is configured.

    `answering` is the first index's generation, and `url` a server of the code model. There may be no code index yet:
    where code lies in the first one, it is made by `shirabe index build --code`.

    Raises: InvalidInput when there is one and none is configured, when another index has its name, or when no server
        has the model that built it; Unavailable, Timeout.
    """
    shelf = catalogue.beside(CODE)
    found = await shelf.answering_or_none()
    if settings.models.code.model is None:
        await _require_none(shelf, found)
        return None
    if found is None:
        made = await shelf.others(None)
        if made or await catalogue.to_read(answering).counts():
            step = "verify" if made else "build"
            log.warning("code_lies_in_the_first_index", next=f"shirabe index {step} --code")
        else:
            await _first_generation(shelf, answering, servers, settings, url)
        return shelf
    if found.meta.get(HOLDS) != CODE:
        raise InvalidInput(f"the name {shelf.alias} is taken by an index that holds no code apart", "opensearch.alias")
    try:
        await servers.url_of(found)
    except (Unavailable, Timeout) as error:
        # The first index answers without it, and says so.
        log.warning("code_model_away", generation=found.name, reason=error.message)
    return shelf


async def configured_model(
    servers: ModelServers, settings: Settings, url: str | None
) -> tuple[ModelInfo, dict[str, object]]:
    """Return the model that is configured for code, and what a generation built by it records.

    Raises: InvalidInput when nobody says where it is served; Unavailable, Timeout.
    """
    if url is None:
        raise InvalidInput("nobody serves the model: say where it is, in `models.code.url`", "models.code.model")
    facts: dict[str, object] = {}
    if settings.models.code.url is not None:
        facts[MODELS_URL] = url
    elif (wanted := code_model(settings)) is not None:
        facts[SERVED] = wanted.model_dump()
    return await servers.client(url).info(), facts


async def _first_generation(
    shelf: Catalogue, answering: Generation, servers: ModelServers, settings: Settings, url: str | None
) -> None:
    """Make the first generation of the code index, which answers at once: nothing is indexed yet."""
    model, facts = await configured_model(servers, settings, url)
    facts[HOLDS] = CODE
    if CHUNK_TOKENS in answering.meta:
        facts[CHUNK_TOKENS] = answering.meta[CHUNK_TOKENS]
    made = await shelf.ensure(model, str(answering.meta.get("chunker_version", CHUNKER_VERSION)), facts)
    await shelf.note(made, "built")


async def _require_none(shelf: Catalogue, answering: Generation | None) -> None:
    """Refuse to go on without a model for code where an index of it is kept. Raises: InvalidInput."""
    if answering is not None and answering.meta.get(HOLDS) == CODE:
        raise InvalidInput(
            f"code lies in {answering.name}, built by {answering.meta['model']}: set the model that embeds it; "
            "`shirabe index rollback --code --into-main` takes the code back, and then none is needed",
            "models.code.model",
        )
    for kept in await shelf.others(answering):
        if kept.meta.get(HOLDS) == CODE:
            raise InvalidInput(
                f"{kept.name} holds code, built by {kept.meta['model']}: set the model that embeds it; "
                f"`shirabe index gc --code {kept.name}` deletes it, and then none is needed",
                "models.code.model",
            )
