"""The model servers beside the configured one, as `shirabe up` keeps them: started when wanted, stopped when not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from shirabe.cli.models_process import ModelsProcess, ensure_checkpoint
from shirabe.cli.supervision import keep_alive
from shirabe.cli.wanted_models import WantedModel, code_model, read_wanted
from shirabe.errors import ShirabeError
from shirabe.ports import LOOPBACK, require_free_port
from shirabe.runtime import ServedModel
from shirabe.settings import Settings
from shirabe.types import digest

_LOOK_S: Final = 0.5

log = structlog.get_logger(__name__)


class MoreModels:
    """Serves the wanted models; `on_change` is called whenever `served` is another."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._own = WantedModel(model=settings.models.model, dimensions=settings.models.dimensions)
        self._tasks: dict[WantedModel, asyncio.Task[None]] = {}
        self._served: dict[WantedModel, ServedModel] = {}
        self._ready = asyncio.Event()
        self.on_change: Callable[[], None] = _nothing

    @property
    def served(self) -> tuple[ServedModel, ...]:
        """What runs, and what does not and why."""
        return tuple(self._served.values())

    @property
    def urls(self) -> list[str]:
        """Where the servers are."""
        return [served.url for served in self._served.values() if served.url]

    def hush(self) -> None:
        """Tell nobody of changes any more."""
        self.on_change = _nothing

    async def ready(self) -> None:
        """Return when everything that was wanted at first runs, or has failed."""
        await self._ready.wait()

    async def run(self) -> None:
        """Serve what is wanted, until cancelled; then stop everything."""
        try:
            while True:
                await self._match([model for model in self._wanted() if model != self._own])
                if all(model in self._served for model in self._tasks):
                    self._ready.set()
                await asyncio.sleep(_LOOK_S)
        finally:
            await self._match([])

    def _wanted(self) -> list[WantedModel]:
        """Return the models that are served here: none where the configured one runs elsewhere."""
        if self._settings.models.url:
            return []
        code = code_model(self._settings) if self._settings.models.code.url is None else None
        return list(dict.fromkeys([*([code] if code else []), *read_wanted(self._settings.state_dir)]))

    async def _match(self, wanted: list[WantedModel]) -> None:
        gone = [self._tasks.pop(model) for model in [*self._tasks] if model not in wanted]
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        for model in wanted:
            if model not in self._tasks:
                self._tasks[model] = asyncio.create_task(self._serve(model))

    async def _serve(self, model: WantedModel) -> None:
        settings = self._settings_of(model)
        server: ModelsProcess | None = None
        try:
            server = process = ModelsProcess(settings, await ensure_checkpoint(settings))
            port = require_free_port(LOOPBACK, 0)
            self._say(model, url=(await process.start(port)).url)
            await keep_alive(f"models ({model.model})", process.wait, lambda: process.start(port))
        except ShirabeError as error:
            log.warning("a model is not served", model=model.model, reason=error.message)
            self._say(model, error=error.message)
        finally:
            if server is not None:
                await server.stop()
            if model not in self._tasks and self._served.pop(model, None) is not None:
                self.on_change()

    def _say(self, model: WantedModel, *, url: str | None = None, error: str | None = None) -> None:
        self._served[model] = ServedModel(model=model.model, dimensions=model.dimensions, url=url, error=error)
        self.on_change()

    def _settings_of(self, model: WantedModel) -> Settings:
        folder = self._settings.state_dir / "models" / digest(model.model, str(model.dimensions))[:12]
        folder.mkdir(parents=True, exist_ok=True)
        is_code = model == code_model(self._settings)
        models = self._settings.models.model_copy(
            update={
                "model": model.model,
                "dimensions": model.dimensions,
                "instruction": (self._settings.models.code if is_code else self._settings.models).instruction,
                "reranker": None,
                "port": 0,
                "dashboard_port": 0,
            }
        )
        return self._settings.model_copy(update={"state_dir": folder, "models": models})


def _nothing() -> None:
    """Tell nobody."""
