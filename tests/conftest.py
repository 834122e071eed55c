"""The real parts, started once per test session on free ports, and stopped at its end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio

from opensearch.node import EmbeddedNode
from shirabe.cli.models_process import ModelsProcess, Ready, ensure_checkpoint
from shirabe.ports import LOOPBACK, require_free_port
from shirabe.settings import Settings, load_settings
from shirabe.tokens import CheckpointTokens

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("shirabe", deadline=None)
hypothesis.settings.load_profile("shirabe")

# Engines live for minutes here: what C2 compiles costs more than it gives, half of the processor time of a start.
os.environ.setdefault("SHIRABE_OPENSEARCH__JAVA_OPTIONS", '["-XX:TieredStopAtLevel=1"]')

# These start the parts that are slow to start; whatever uses one runs in the worker that has it.
_SERVERS = {"opensearch_url", "models_ready"}

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in this hook too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares fixtures in one worker: the session's servers in one, every other file whole."""
    for item in items:
        # Contract suites ask for the real part by its name, as late as the test itself.
        is_served = "contracts" in item.path.parts or _SERVERS & set(getattr(item, "fixturenames", ()))
        item.add_marker(pytest.mark.xdist_group("servers" if is_served else item.path.name))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real documents beside the checkout; tests that need it are skipped without it."""
    if not (SHARED / "corpora").is_dir():
        pytest.skip("no ../shared beside this checkout: the real documents are not here")
    return SHARED


@pytest.fixture(scope="session")
def session_dir() -> Iterator[Path]:
    """A folder that the engine's unprivileged user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="shirabe-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def settings(session_dir: Path) -> Settings:
    """Settings whose state is the session's own; downloads are shared with the user's cache.

    The model computes in fp32 everywhere, so that what must be equal is, whatever shared a batch with it.
    """
    engine = {"heap_mb": 512, "ml_commons": True}
    return load_settings(state_dir=session_dir / "state", opensearch=engine, models={"precision": "fp32"})


@pytest_asyncio.fixture(scope="session")
async def opensearch_url(settings: Settings) -> AsyncIterator[str]:
    """A real OpenSearch with ml-commons."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    node = EmbeddedNode(settings.opensearch, settings.state_dir, settings.cache_dir)
    try:
        yield await node.start()
    finally:
        await node.stop()


@pytest_asyncio.fixture(scope="session")
async def checkpoint(settings: Settings) -> Path:
    """The folder of the m3-mini checkpoint."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    return await ensure_checkpoint(settings)


@pytest_asyncio.fixture(scope="session")
async def models_ready(settings: Settings, checkpoint: Path) -> AsyncIterator[Ready]:
    """A real model server on Ray Serve."""
    server = ModelsProcess(settings, checkpoint)
    try:
        yield await server.start(require_free_port(LOOPBACK, 0))
    finally:
        await server.stop()


@pytest.fixture(scope="session")
def models_url(models_ready: Ready) -> str:
    """The model server's address."""
    return models_ready.url


@pytest.fixture(scope="session")
def tokens(checkpoint: Path) -> CheckpointTokens:
    """The real token counter."""
    return CheckpointTokens(checkpoint)
