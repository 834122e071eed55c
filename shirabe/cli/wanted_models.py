"""The models that `shirabe up` serves beside the configured one: one small file, read by `up`, written by builds."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from shirabe.settings import Settings

WANTED_FILE: Final = "models-wanted.json"


class WantedModel(BaseModel):
    """A model as it is configured: its name, and the width of its vectors where it offers a choice."""

    model_config = ConfigDict(frozen=True)

    model: str
    dimensions: int | None = None


_FILE: Final = TypeAdapter(tuple[WantedModel, ...])


def code_model(settings: Settings) -> WantedModel | None:
    """Return the model that embeds code, as it is configured; None: there is no code index."""
    code = settings.models.code
    return None if code.model is None else WantedModel(model=code.model, dimensions=code.dimensions)


def read_wanted(state_dir: Path) -> tuple[WantedModel, ...]:
    """Return the models that are wanted."""
    try:
        return _FILE.validate_json((state_dir / WANTED_FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return ()


def want(state_dir: Path, *models: WantedModel) -> None:
    """Have models served, those that are served already included, from now on and after a restart."""
    with _changing(state_dir) as wanted:
        wanted += [model for model in dict.fromkeys(models) if model not in wanted]


def want_only(state_dir: Path, models: set[WantedModel]) -> None:
    """Have no other models served than these of the wanted ones."""
    with _changing(state_dir) as wanted:
        wanted[:] = [model for model in wanted if model in models]


@contextmanager
def _changing(state_dir: Path) -> Iterator[list[WantedModel]]:
    """Give the list to change, and write it whole or not at all."""
    path = state_dir / WANTED_FILE
    with path.with_suffix(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read_wanted(state_dir)
        wanted = list(before)
        yield wanted
        if tuple(wanted) != before:
            draft = path.with_suffix(".tmp")
            draft.write_bytes(_FILE.dump_json(tuple(wanted), indent=1))
            os.replace(draft, path)
