"""`python -m ray_app.server --config JSON`: a local Ray head with the models deployed on it.

Prints one JSON line when it answers: {"url", "dashboard_url", "token_path"}. Runs until SIGTERM, SIGINT, or the end of
its standard input where that is a pipe (whoever started it is gone then), and leaves no process behind.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from pydantic import ValidationError

from ray_app import m3_mini, ray_node
from ray_app.checkpoint import read_architecture, read_checkpoint
from ray_app.config import ServerConfig
from shirabe.errors import ShirabeError

EXIT_USAGE: Final = 2
EXIT_PORT_TAKEN: Final = 3
EXIT_FAILED: Final = 4


class _Stop(BaseException):
    """Somebody wants us to end."""


def main() -> int:
    """Run the server; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ray_app.server", description="Serve the models on a local Ray.")
    parser.add_argument("--config", default="{}", help="settings as JSON: those of `models`, state_dir, cache_dir")
    try:
        config = ServerConfig.model_validate_json(parser.parse_args().config)
    except ValidationError as error:
        return _say(f"--config: {error}", EXIT_USAGE)
    taken = next((port for port in (config.port, config.dashboard_port) if port and not _is_free(port)), None)
    if taken is not None:
        return _say(f"port {taken} is taken on {ray_node.LOOPBACK}", EXIT_PORT_TAKEN)
    _stop_on_signals()
    _stop_with_stdin()
    try:
        with _serving(config) as ready:
            print(json.dumps(ready), flush=True)  # noqa: T201 - the contract with whoever starts us
            threading.Event().wait()
    except _Stop:
        return 0
    except ShirabeError as error:
        return _say(str(error), EXIT_FAILED)
    return 0


@contextmanager
def _serving(config: ServerConfig) -> Iterator[dict[str, str]]:
    """Start Ray and the applications; stop them in the end. Gives what the ready line says."""
    # What is wrong with a checkpoint is said here, not in the log of a replica that Serve starts again and again.
    folder = m3_mini.resolve(config.model, config.cache_dir)
    read_checkpoint(folder, config.max_tokens)
    if config.reranker is not None:
        read_architecture(config.reranker)
    config = config.model_copy(update={"model": str(folder), "port": config.port or _free_port()})
    ray_folder, token = ray_node.prepare(config.state_dir)

    import ray
    from ray import serve
    from ray.serve.config import HTTPOptions, ProxyLocation

    from ray_app import app

    try:
        dashboard_url = ray_node.start(ray_folder, config.dashboard_port)
        _stop_on_signals()  # ray.init has put its own handler in their place
        serve.start(
            proxy_location=ProxyLocation.HeadOnly,
            http_options=HTTPOptions(host=ray_node.LOOPBACK, port=config.port),
        )
        serve.run(app.build(config), name="embedder", route_prefix=app.EMBEDDER_PREFIX)
        if config.reranker is not None:
            serve.run(app.build_reranker(config), name="reranker", route_prefix=app.RERANKER_PREFIX)
        yield {
            "url": f"http://{ray_node.LOOPBACK}:{config.port}",
            "dashboard_url": dashboard_url,
            "token_path": str(token),
        }
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if ray.is_initialized():
            serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


def _stop_on_signals() -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _Stop

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _stop_with_stdin() -> None:
    """Ask ourselves to end when the pipe or socket on standard input closes; a terminal or /dev/null says nothing."""
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ray_node.LOOPBACK, port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ray_node.LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _say(message: str, status: int) -> int:
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - the process's own error line
    return status


if __name__ == "__main__":
    sys.exit(main())
