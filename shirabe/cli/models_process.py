"""The model server as a child process: torch and ray stay out of this one."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from shirabe.errors import Timeout, Unavailable
from shirabe.settings import Settings

READY_TIMEOUT_S = 240.0
STOP_TIMEOUT_S = 30.0
BUILD_TIMEOUT_S = 600.0
TAIL_LINES = 15
M3_MINI = "m3-mini"


class Ready(BaseModel):
    """The line a model server prints when it answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    url: str
    dashboard_url: str | None = None
    metrics_url: str | None = None
    token_path: Path | None = None


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log."""
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


async def ensure_checkpoint(settings: Settings) -> Path:
    """Return the folder of the configured checkpoint; m3-mini is built when it is not there.

    A provider's model has none: m3-mini's then counts the tokens of chunks, so that they are the same chunks.

    Raises: Unavailable, Timeout.
    """
    model = M3_MINI if settings.models.provider else settings.models.model
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    log = settings.state_dir / "checkpoint.log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ray_app.m3_mini",
            "--cache",
            str(settings.cache_dir),
            "--model",
            model,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
        try:
            stdout, _ = await asyncio.wait_for(process.communicate(), BUILD_TIMEOUT_S)
        except TimeoutError:
            raise Timeout(f"making {model} ready took more than {BUILD_TIMEOUT_S:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
    if process.returncode != 0:
        raise Unavailable(f"{model} is not to be had; {log}:\n{tail(log)}")
    return Path(stdout.decode().strip().splitlines()[-1])


class ModelsProcess:
    """Starts, watches and stops `python -m ray_app.server`.

    The child ends when its stdin closes, so it never outlives us.
    """

    def __init__(self, settings: Settings, checkpoint: Path) -> None:
        self._settings = settings
        self._checkpoint = checkpoint
        self._process: asyncio.subprocess.Process | None = None
        self.log = settings.state_dir / "models.log"

    async def start(self, port: int) -> Ready:
        """Start the server on a port and wait until it answers.

        Raises: Unavailable with the end of the log, Timeout.
        """
        config = {
            **self._settings.models.model_dump(mode="json"),
            "model": self._settings.models.model if self._settings.models.provider else str(self._checkpoint),
            "port": port,
            "state_dir": str(self._settings.state_dir),
        }
        with self.log.open("ab") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "ray_app.server",
                "--config",
                json.dumps(config),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env=self._environment(),
                start_new_session=True,
            )
        assert self._process.stdout is not None  # noqa: S101 - asked for with PIPE
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                async for line in self._process.stdout:
                    with suppress(ValidationError):
                        return Ready.model_validate_json(line)
        except TimeoutError:
            await self.stop()
            raise Timeout(f"the model server was not ready within {READY_TIMEOUT_S:.0f} s; see {self.log}") from None
        await self._process.wait()
        raise Unavailable(f"the model server ended while starting; {self.log}:\n{tail(self.log)}")

    def _environment(self) -> dict[str, str]:
        """Return what the child sees; the key goes this way because a command line can be read by everyone."""
        key = self._settings.models.api_key
        shown = {} if key is None else {"SHIRABE_MODELS__API_KEY": key.get_secret_value()}
        return {**os.environ, "PYTHONUNBUFFERED": "1", **shown}

    async def wait(self) -> int:
        """Wait until the server ends, and return its exit status."""
        if self._process is None:
            raise Unavailable("the model server was not started")
        return await self._process.wait()

    async def stop(self) -> None:
        """Stop the server: asked first; asked again, it is killed with all it started."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        for ask in (process.terminate, process.terminate, process.kill):
            with suppress(ProcessLookupError):
                ask()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
                return
