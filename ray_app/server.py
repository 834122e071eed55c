"""`python -m ray_app.server --config JSON`: a local Ray head with the models deployed on it.

Prints one JSON line when it answers: {"url", "dashboard_url", "metrics_url", "token_path"}. Runs until SIGTERM, SIGINT,
or the end of its standard input where that is a pipe (whoever started it is gone then), and leaves no process behind.
The key that callers must show is read from the environment, as every replica does.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from pydantic import ValidationError

from ray_app import hub, m3_mini, provider_service, ray_node
from ray_app.checkpoint import read_checkpoint
from ray_app.config import ServerConfig
from ray_app.guardian import run_guarded
from ray_app.weight_files import require_whole
from shirabe.errors import InvalidInput, ShirabeError, Unavailable
from shirabe.ports import LOOPBACK, require_free_port

APPLICATION: Final = "models"
EXIT_USAGE: Final = 2
EXIT_PORT_TAKEN: Final = 3
EXIT_FAILED: Final = 4

_GRACE_S: Final = 10.0


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
    try:
        require_free_port(LOOPBACK, config.port, "models.port")
        require_free_port(LOOPBACK, config.dashboard_port, "models.dashboard_port")
    except InvalidInput as error:
        return _say(str(error), EXIT_PORT_TAKEN)
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
    if config.provider is None:
        folder = m3_mini.resolve(config.model, config.cache_dir)
        checkpoint = read_checkpoint(
            folder,
            config.max_tokens,
            dim=config.dimensions,
            instruction=config.instruction,
            cache_dir=config.cache_dir,
        )
        require_whole(folder, checkpoint.sha256)
        config = config.model_copy(update={"model": str(folder)})
    else:
        provider_service.identity(config)
    if config.reranker is not None:
        folder = hub.locate(config.reranker)
        require_whole(folder, read_checkpoint(folder, role="reranker", cache_dir=config.cache_dir).sha256)
    config = config.model_copy(update={"port": require_free_port(LOOPBACK, config.port)})
    ray_folder, token = ray_node.prepare(config.state_dir)

    import ray
    from ray import serve
    from ray.serve.config import HTTPOptions, ProxyLocation

    from ray_app import app

    try:
        dashboard_url = ray_node.start(ray_folder, token, config.dashboard_port)
        _stop_on_signals()  # ray.init has put its own handler in their place
        serve.start(
            proxy_location=ProxyLocation.HeadOnly,
            # A replica answers within the bound by itself; this is for one that no longer can.
            http_options=HTTPOptions(host=LOOPBACK, port=config.port, request_timeout_s=config.timeout_s + _GRACE_S),
        )
        try:
            serve.run(app.build(config), name=APPLICATION, route_prefix="/")
        except RuntimeError as error:
            raise Unavailable(f"the models did not start: {_reason(serve.status())}") from error
        yield {
            "url": f"http://{LOOPBACK}:{config.port}",
            "dashboard_url": dashboard_url,
            "metrics_url": ray_node.metrics_url(),
            "token_path": str(token),
        }
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if ray.is_initialized():
            serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


def _reason(status: Any) -> str:
    """Return why deployments are not healthy: the last line of what each says, which is its replica's error."""
    deployments = status.applications[APPLICATION].deployments
    said = [deployment.message.strip() for deployment in deployments.values() if deployment.status != "HEALTHY"]
    return "; ".join(message.splitlines()[-1] for message in said if message) or "Serve does not say why"


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


def _say(message: str, status: int) -> int:
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - the process's own error line
    return status


if __name__ == "__main__":
    sys.exit(run_guarded(main))
