"""What commands print: tables and progress for people, one JSON document for programs, and exit codes.

Exit codes: 0 done, 1 done in part (the failures are listed), 2 the input is wrong, 3 a part is not there or too busy,
4 not found, 5 forbidden.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pydantic
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from shirabe.errors import Forbidden, InvalidInput, NotFound, PartialWrite, ShirabeError, Transient

PARTIAL = 1
EXIT_CODES: tuple[tuple[type[ShirabeError], int], ...] = (
    (InvalidInput, 2),
    (Transient, 3),
    (NotFound, 4),
    (Forbidden, 5),
    (PartialWrite, PARTIAL),
)

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

P = ParamSpec("P")
R = TypeVar("R")


def plain(value: object) -> Any:
    """Return a value as JSON can hold it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return value


def print_json(value: object) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")


def exit_code(error: ShirabeError) -> int:
    """Return the exit code of an error."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn our errors into a line on stderr and an exit code; the one place where that happens."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except ShirabeError as error:
            err.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False)
            raise typer.Exit(exit_code(error)) from None
        except pydantic.ValidationError as error:
            for item in error.errors(include_url=False, include_input=False):
                place = ".".join(str(part) for part in item["loc"])
                err.print(f"[bold red]error:[/] setting {escape(place)}: {escape(item['msg'])}", highlight=False)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    return wrapped


def progress_bar(quiet: bool) -> Progress:
    """Return a progress bar on stderr with counts and an ETA; silent when asked or when nobody watches."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        disable=quiet or not err.is_terminal,
        transient=True,
    )
