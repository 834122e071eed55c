"""Finding a model's files on this machine: a folder, or a snapshot in the Hugging Face hub's cache. No network."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from ray_app.models import RECORDS, named
from shirabe.errors import NotFound

# ORG/NAME, and the commit to take after an @.
_REPOSITORY: Final = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[0-9a-f]{40}))?")


def cache() -> Path:
    """Return the hub's cache folder, as its own library finds it."""
    if explicit := os.environ.get("HF_HUB_CACHE"):
        return Path(explicit)
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    return Path(home) / "hub"


def locate(model: str) -> Path:
    """Return the folder of a checkpoint given as a folder, or as ORG/NAME or ORG/NAME@COMMIT in the hub's cache.

    Without a commit it is the one that the model's record pins, else the one that `main` points to.

    Raises: NotFound saying what there is.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    match = _REPOSITORY.fullmatch(model)
    if match is None:
        known = ", ".join(record.name for record in RECORDS)
        raise NotFound(f"no model {model!r}: neither a folder nor a name such as {known}")
    return _snapshot(match["name"], match["revision"])


def _snapshot(name: str, revision: str | None) -> Path:
    repository = cache() / f"models--{name.replace('/', '--')}"
    snapshots = repository / "snapshots"
    if not snapshots.is_dir():
        raise NotFound(f"{name} is neither a folder nor in the hub's cache at {cache()}")
    record = named(name)
    wanted = revision or (record.revision if record else None) or _main(repository)
    if wanted is not None and (snapshots / wanted).is_dir():
        return snapshots / wanted
    found = ", ".join(sorted(path.name for path in snapshots.iterdir()))
    raise NotFound(
        f"{name}: the hub's cache at {cache()} has revision {found or 'none'}, not {wanted}; "
        f"to take another than the pinned one say {name}@COMMIT"
    )


def _main(repository: Path) -> str | None:
    reference = repository / "refs" / "main"
    return reference.read_text(encoding="ascii").strip() if reference.is_file() else None
