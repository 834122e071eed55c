"""`shirabe up`: the engine, the models and the facade as one foreground process that watches them."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
import structlog

from api.live import AnsweringEmbedder, LiveSearch
from api.main import ApiServer, create_app
from opensearch.node import EmbeddedNode
from shirabe.cli.code_index import code_models_url
from shirabe.cli.compose import Parts, open_parts
from shirabe.cli.models_process import ModelsProcess, Ready, ensure_checkpoint
from shirabe.cli.more_models import MoreModels
from shirabe.cli.supervision import keep_alive
from shirabe.errors import InvalidInput, ShirabeError
from shirabe.ports import LOOPBACK, require_free_port
from shirabe.protocols import ActivityLog
from shirabe.runtime import RUN_FILE, Runtime, read_runtime, write_runtime
from shirabe.settings import Settings

LOCK_FILE = "up.lock"
PRUNE_EVERY_S = 86_400.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def only_one(state_dir: Path) -> AsyncIterator[None]:
    """Hold the state directory for this process. Raises: InvalidInput naming who holds it."""
    state_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(state_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            runtime = read_runtime(state_dir)
            at = f" at {runtime.api_url} (pid {runtime.pid})" if runtime else ""
            raise InvalidInput(f"Shirabe already runs{at}; stop it with `shirabe down`", str(state_dir)) from None
        yield
    finally:
        os.close(descriptor)


async def prune_daily(activity: ActivityLog) -> None:
    """Delete what is kept of searches and syncs for too long: at once, and once a day."""
    while True:
        try:
            await activity.prune()
        except ShirabeError as error:
            log.warning("old activity was not deleted", error=error.message)
        await asyncio.sleep(PRUNE_EVERY_S)


async def run_up(
    settings: Settings, when_ready: Callable[[Runtime, Parts], Coroutine[None, None, None]], *, quiet: bool
) -> None:
    """Start everything, call `when_ready`, and run until SIGINT or SIGTERM; whatever was started is stopped.

    Raises: InvalidInput (a taken port, a second `up`), Unavailable, Timeout.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(only_one(settings.state_dir))
        port = require_free_port(settings.api.host, settings.api.port, "--port")
        work = asyncio.create_task(_run(settings, port, stack, when_ready, quiet))
        ended = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            work.cancel()
            await _outcome(work)


async def _outcome(work: asyncio.Task[None]) -> None:
    """Wait for the work to end. Raises: what it failed with, taken out of the task groups around it."""
    try:
        await work
    except asyncio.CancelledError:
        return
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


async def _run(
    settings: Settings,
    port: int,
    stack: AsyncExitStack,
    when_ready: Callable[[Runtime, Parts], Coroutine[None, None, None]],
    quiet: bool,
) -> None:
    async with asyncio.TaskGroup() as starting:
        engine = starting.create_task(_start_engine(settings, stack, quiet))
        served = starting.create_task(_start_models(settings, stack))
    node, opensearch_url = engine.result()
    models, ready, checkpoint = served.result()
    more = await _start_more_models(settings, stack)
    code_url = code_models_url(settings, ready.url, more.served)
    parts = await stack.enter_async_context(
        open_parts(settings, opensearch_url, ready.url, checkpoint, beside=lambda: more.urls, code_models_url=code_url)
    )
    search = LiveSearch(parts.index, parts.models if settings.models.reranker else None, settings.search)
    kept = parts.activity if settings.log.queries else None
    code_embedder = AnsweringEmbedder(parts.index, code=True) if parts.code is not None else None
    app = create_app(search, parts.documents, parts.embedder, parts.sources, settings.api, kept, code_embedder)
    server = ApiServer(app, settings.api.host, port)
    await server.start()
    stack.push_async_callback(server.stop)
    runtime = Runtime(
        pid=os.getpid(),
        started=psutil.Process().create_time(),
        api_url=f"http://{settings.api.host}:{port}",
        opensearch_url=opensearch_url,
        models_url=ready.url,
        checkpoint=checkpoint,
        dashboard_url=ready.dashboard_url,
        token_path=ready.token_path,
    )

    def tell() -> None:
        write_runtime(settings.state_dir, runtime.model_copy(update={"more_models": more.served}))

    tell()
    more.on_change = tell
    stack.callback((settings.state_dir / RUN_FILE).unlink, missing_ok=True)
    stack.callback(more.hush)
    async with asyncio.TaskGroup() as watching:
        watching.create_task(when_ready(runtime, parts))
        if node is not None:
            watching.create_task(keep_alive("opensearch", node.wait_dead, node.start))
        if models is not None:
            models_port = int(ready.url.rsplit(":", 1)[1])
            watching.create_task(keep_alive("models", models.wait, lambda: models.start(models_port)))
        watching.create_task(prune_daily(parts.activity))


async def _start_engine(settings: Settings, stack: AsyncExitStack, quiet: bool) -> tuple[EmbeddedNode | None, str]:
    if settings.opensearch.url:
        return None, settings.opensearch.url
    node = EmbeddedNode(settings.opensearch, settings.state_dir, settings.cache_dir, quiet=quiet)
    stack.push_async_callback(node.stop)
    return node, await node.start()


async def _start_more_models(settings: Settings, stack: AsyncExitStack) -> MoreModels:
    """Start the servers of other models that index generations were built by, and wait for those wanted now."""
    more = MoreModels(settings)
    serving = asyncio.create_task(more.run())

    async def stop() -> None:
        serving.cancel()
        await asyncio.wait([serving])

    stack.push_async_callback(stop)
    await more.ready()
    return more


async def _start_models(settings: Settings, stack: AsyncExitStack) -> tuple[ModelsProcess | None, Ready, Path]:
    checkpoint = await ensure_checkpoint(settings)
    if settings.models.url:
        return None, Ready(url=settings.models.url), checkpoint
    models = ModelsProcess(settings, checkpoint)
    stack.push_async_callback(models.stop)
    port = require_free_port(LOOPBACK, settings.models.port, "models.port")
    return models, await models.start(port), checkpoint
