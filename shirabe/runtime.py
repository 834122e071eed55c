"""What runs now and where: one small file in the state directory, written by `shirabe up`, read by every command."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from shirabe.errors import Unavailable

RUN_FILE = "run.json"
RAY_ADDRESS_FILE = "address"
"""Next to the token, where the local Ray is found; written anew whenever it starts."""


class ServedModel(BaseModel):
    """A model server beside the configured one, for index generations that another model built.

    `model` and `dimensions` are as they are configured; `error` says why it does not run.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    dimensions: int | None = None
    url: str | None = None
    error: str | None = None


class Runtime(BaseModel):
    """The addresses of a running Shirabe."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float
    api_url: str
    opensearch_url: str
    models_url: str
    checkpoint: Path
    dashboard_url: str | None = None
    token_path: Path | None = None
    more_models: tuple[ServedModel, ...] = ()

    @property
    def alive(self) -> bool:
        """Tell whether the process that wrote this file still runs (a recycled pid does not count)."""
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < 1.0
        except psutil.NoSuchProcess:
            return False

    @property
    def ray_address(self) -> str | None:
        """Where the Ray that hosts the models is now; None when there is no local one."""
        if self.token_path is None:
            return None
        try:
            return self.token_path.with_name(RAY_ADDRESS_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None


def write_runtime(state_dir: Path, runtime: Runtime) -> None:
    """Write the run file whole or not at all, readable by its owner only."""
    path = state_dir / RUN_FILE
    draft = path.with_suffix(".tmp")
    draft.touch(mode=0o600)
    draft.write_text(runtime.model_dump_json(indent=1), encoding="utf-8")
    os.replace(draft, path)


def read_runtime(state_dir: Path) -> Runtime | None:
    """Return what runs, or None; a file left by a crash is removed."""
    path = state_dir / RUN_FILE
    try:
        runtime = Runtime.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    if runtime.alive:
        return runtime
    path.unlink(missing_ok=True)
    return None


def require_runtime(state_dir: Path) -> Runtime:
    """Return what runs. Raises: Unavailable with what to do."""
    runtime = read_runtime(state_dir)
    if runtime is None:
        raise Unavailable("Shirabe is not running; start it with `shirabe up`")
    return runtime
