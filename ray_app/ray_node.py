"""The local Ray head: loopback only, token-authenticated, small, quiet, and gone when we are."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Final

from shirabe.errors import Unavailable
from shirabe.ports import LOOPBACK
from shirabe.runtime import RAY_ADDRESS_FILE
from shirabe.types import digest

_OBJECT_STORE_BYTES: Final = 80 * 1024 * 1024
# Ray puts `/session_<time>_<pid>/sockets/dash_MetricsHead` below its folder, and a Unix socket's path holds 107 bytes.
_LONGEST_FOLDER: Final = 107 - 68
_KEPT_SESSIONS: Final = 2
# Ray lets everybody write to the folder it is given, and whoever reaches its sockets can run code as us.
_SESSIONS: Final = "r"

_ENVIRONMENT: Final = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Despite its name this decides on every system whether the node's address is the machine's or loopback: with
    # loopback, all of Ray's servers listen there only.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Nothing here runs Ray tasks, so no idle workers are kept ready for them.
    "RAY_enable_worker_prestart": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # How soon autoscaling hears of load, seconds.
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
    # The services never block their loop, so they need no loops of their own: two thread switches less a request.
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    # Ray's workers run at nice 15 by default; here they answer queries next to the search engine.
    "RAY_worker_niceness": "0",
    # torch's threads spin between two pieces of a forward pass, for about a millisecond, and sleep between two passes:
    # waking them for each piece takes longer than a query does, and to spin on takes a core from the search engine.
    "GOMP_SPINCOUNT": "20000",
}


def prepare(state_dir: Path) -> tuple[Path, Path]:
    """Set up this process's environment for Ray, before ray is imported; return (Ray's folder, the token's path).

    Nobody else can enter either's parent.

    Raises: Unavailable when the folder belongs to someone else.
    """
    home = state_dir / "ray"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)  # an earlier version left it open
    token = home / "auth_token"
    _write_token(token)
    os.environ.update(_ENVIRONMENT)
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    folder = _folder(home)
    _forget_sessions(folder)
    return folder, token


def start(folder: Path, token: Path, dashboard_port: int) -> str:
    """Start the head and return the dashboard's URL; where other drivers find it is written next to the token.

    Raises: Unavailable when it does not start.
    """
    import ray

    try:
        context = ray.init(
            address="local",
            num_cpus=len(os.sched_getaffinity(0)),
            object_store_memory=_OBJECT_STORE_BYTES,
            include_dashboard=True,
            dashboard_host=LOOPBACK,
            dashboard_port=dashboard_port or None,
            log_to_driver=False,
            logging_level=logging.WARNING,
            _node_ip_address=LOOPBACK,
            _temp_dir=str(folder),
        )
    except Exception as error:  # Ray raises nothing narrower when its processes do not come up
        raise Unavailable(f"Ray did not start: {error}") from error
    token.with_name(RAY_ADDRESS_FILE).write_text(ray.get_runtime_context().gcs_address, encoding="utf-8")
    return f"http://{context.dashboard_url}"


def metrics_url() -> str:
    """Return where the head's metrics are read, in Prometheus' format. The head must have started."""
    import ray

    port: int = ray.nodes()[0]["MetricsExportPort"]  # type: ignore[no-untyped-call]
    return f"http://{LOOPBACK}:{port}/metrics"


def _write_token(path: Path) -> None:
    """Write a fresh secret that only its owner may read: each run has its own."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))


def _folder(home: Path) -> Path:
    if len(os.fsencode(home / _SESSIONS)) <= _LONGEST_FOLDER:
        return home / _SESSIONS
    short = Path(tempfile.gettempdir()) / f"shirabe-{os.geteuid()}-{digest(str(home))[:8]}"
    short.mkdir(mode=0o700, exist_ok=True)
    status = short.lstat()
    if short.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise Unavailable(f"{short} is not ours alone; remove it, or choose a shorter state directory")
    return short / _SESSIONS


def _forget_sessions(folder: Path) -> None:
    """Remove the logs of all but the latest sessions."""
    sessions = sorted(path for path in folder.glob("session_2*") if path.is_dir() and not path.is_symlink())
    for path in sessions[:-_KEPT_SESSIONS]:
        shutil.rmtree(path, ignore_errors=True)
