"""The model server that a benchmark asks: one that runs already, or one of its own."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from shirabe.cli.models_process import ModelsProcess, ensure_checkpoint
from shirabe.settings import Precision, load_settings


@dataclass(frozen=True, slots=True)
class Server:
    """A model server that answers, and what it serves."""

    url: str
    checkpoint: Path
    precision: Precision


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a model server and what it serves."""
    parser.add_argument("--url", help="a model server that runs already on this machine (with --checkpoint)")
    parser.add_argument("--checkpoint", type=Path, help="folder of the checkpoint that is served")
    parser.add_argument("--precision", choices=get_args(Precision), default="auto", help="what it is served in")


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line, those arguments in it; end the process when it is wrong."""
    arguments = parser.parse_args()
    if arguments.url is not None and arguments.checkpoint is None:
        parser.error("--url needs --checkpoint")
    return arguments


@asynccontextmanager
async def model_server(arguments: argparse.Namespace) -> AsyncIterator[Server]:
    """Give the server that the arguments name; without a URL one is started, and stopped in the end."""
    if arguments.url is not None:
        yield Server(arguments.url, arguments.checkpoint, arguments.precision)
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as state:
        settings = load_settings(state_dir=Path(state))
        models = settings.models.model_copy(update={"precision": arguments.precision})
        settings = settings.model_copy(update={"models": models})
        folder = arguments.checkpoint or await ensure_checkpoint(settings)
        process = ModelsProcess(settings, folder)
        try:
            yield Server((await process.start(0)).url, folder, arguments.precision)
        finally:
            await process.stop()
