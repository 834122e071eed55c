"""The command line. Heavy parts are imported by the commands that need them: `shirabe search` starts in a blink."""

from __future__ import annotations

import logging
import sys

import structlog
import typer

from shirabe import __version__
from shirabe.cli import (
    index_commands,
    plugin_commands,
    read_commands,
    run_commands,
    sync_command,
    upkeep_commands,
    write_commands,
)
from shirabe.cli.output import out

app = typer.Typer(name="shirabe", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(run_commands.up)
app.command()(run_commands.down)
app.command()(run_commands.status)
app.command()(write_commands.ingest)
app.command()(sync_command.sync)
app.command()(upkeep_commands.drift)
app.command()(upkeep_commands.failures)
app.command()(upkeep_commands.chunks)
app.command()(read_commands.search)
app.command("eval")(read_commands.evaluate)
app.add_typer(plugin_commands.app)
app.add_typer(index_commands.app, name="index")


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


def main() -> None:
    """Run the command line. Logs go to stderr: stdout holds a command's result."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    app()
