"""The model of a new generation: found on a server that runs, or started beside the configured one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

from opensearch.generations import Generation, serves
from shirabe.cli.compose import Parts
from shirabe.cli.model_servers import MODELS_URL, SERVED
from shirabe.cli.wanted_models import WantedModel, read_wanted, want, want_only
from shirabe.errors import InvalidInput, Timeout, Unavailable
from shirabe.runtime import require_runtime
from shirabe.settings import Settings
from shirabe.types import ModelInfo

_START_S: Final = 900.0
_LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model asked for: none is that of the generation that answers; `url` is a server that has it."""

    model: str | None = None
    dimensions: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """A model that is served, and what a generation records of where."""

    info: ModelInfo
    facts: dict[str, Any] = field(default_factory=dict)


async def chosen_model(parts: Parts, settings: Settings, answering: Generation, choice: ModelChoice) -> ChosenModel:
    """Return the model of the next generation, served. A model that is not is started by `shirabe up`.

    Raises: InvalidInput; Unavailable when it does not start; Timeout.
    """
    if choice.url is not None:
        return ChosenModel(await parts.servers.client(choice.url).info(), {MODELS_URL: choice.url})
    if choice.model is None and choice.dimensions is None:
        known = {key: answering.meta[key] for key in (SERVED, MODELS_URL) if key in answering.meta}
        return ChosenModel(await parts.index.embedder(answering).info(), known)
    configured = WantedModel(model=settings.models.model, dimensions=settings.models.dimensions)
    wanted = WantedModel(model=choice.model or configured.model, dimensions=choice.dimensions)
    if wanted == configured:
        return ChosenModel(await parts.models.info(), {SERVED: wanted.model_dump()})
    if settings.models.url is not None:
        raise InvalidInput("the configured model server has one model: say where the other is served", "--models-url")
    # The configured one too: it serves the generation that answers, whatever is configured after the switch.
    await asyncio.to_thread(want, settings.state_dir, configured, wanted)
    url = await _started(settings, wanted)
    return ChosenModel(await parts.servers.client(url).info(), {SERVED: wanted.model_dump()})


async def drop_models(parts: Parts, settings: Settings, generations: list[Generation]) -> None:
    """Have `shirabe up` stop serving what no generation needs any more. Raises: Unavailable, Timeout."""
    needed: set[WantedModel] = set()
    for generation in generations:
        if (served := generation.meta.get(SERVED)) is not None:
            needed.add(WantedModel.model_validate(served))
        elif not serves(generation, await parts.models.info()):
            return  # made before this was recorded: which of the wanted ones it needs is not known
    await asyncio.to_thread(want_only, settings.state_dir, needed)


async def _started(settings: Settings, wanted: WantedModel) -> str:
    """Wait until `shirabe up` serves a model, and return where. Raises: Unavailable, Timeout."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        runtime = await asyncio.to_thread(require_runtime, settings.state_dir)
        for served in runtime.more_models:
            if (served.model, served.dimensions) != (wanted.model, wanted.dimensions):
                continue
            if served.error is not None:
                others = {model for model in read_wanted(settings.state_dir) if model != wanted}
                await asyncio.to_thread(want_only, settings.state_dir, others)
                raise Unavailable(f"{wanted.model} is not to be had: {served.error}")
            if served.url is not None:
                return served.url
        await asyncio.sleep(_LOOK_S)
    raise Timeout(f"{wanted.model} was not served within {_START_S:.0f} s")
