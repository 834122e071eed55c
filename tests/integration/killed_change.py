"""A process that changes generations and dies of SIGKILL in the middle, where it is told to."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from opensearch.catalogue import Catalogue
from opensearch.store import OpenSearchStore
from shirabe.cli.compose import open_parts
from shirabe.cli.generation_build import build
from shirabe.cli.generation_models import ModelChoice
from shirabe.cli.generation_switch import promote
from shirabe.settings import Settings

Step = Literal["create", "write", "note", "switch"]
_STEPS: dict[str, type] = {"create": Catalogue, "write": OpenSearchStore, "note": Catalogue, "switch": Catalogue}
_PATIENCE_S = 120


async def killed(
    command: Literal["build", "promote"], step: Step, times: int, settings: Settings, *where: str | Path | bool
) -> None:
    """Run a command in a process of its own, which dies when it has done a step so many times.

    `where`: the engine, the models of prose and of code, the checkpoint, and whether all is read from its sources.
    """
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(command, step, times, settings, *where))
    process.start()
    await asyncio.to_thread(process.join, _PATIENCE_S)
    try:
        assert process.exitcode == -signal.SIGKILL, f"{command} was to die at {step} {times}: {process.exitcode}"
    finally:
        process.kill()
        process.join()


def _run(
    command: str, step: Step, times: int, settings: Settings, url: str, prose: str, code: str, at: Path, again: bool
) -> None:
    _die(step, times)
    asyncio.run(_work(command, settings, url, prose, code, at, again))


async def _work(command: str, settings: Settings, url: str, prose: str, code: str, at: Path, again: bool) -> None:
    async with open_parts(settings, url, prose, at, beside=list, code_models_url=code) as parts:
        if command == "build":
            await build(parts, settings, ModelChoice(), lambda *_: None, code=not again, from_sources=again)
        else:
            await promote(parts, None, force=False, max_age=timedelta(days=1), code=not again)


def _die(step: Step, times: int) -> None:
    of = _STEPS[step]
    done: Callable[..., Awaitable[Any]] = getattr(of, step)
    left = [times]

    async def dying(*arguments: object, **named: object) -> object:
        result = await done(*arguments, **named)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(of, step, dying)
