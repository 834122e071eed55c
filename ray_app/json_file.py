"""Reading the JSON files of a checkpoint folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shirabe.errors import InvalidInput, NotFound


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises: NotFound, InvalidInput naming the file.
    """
    if not path.is_file():
        raise NotFound(f"no {path.name} in {path.parent}")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"not JSON: {error}", str(path)) from error
    if not isinstance(value, dict):
        raise InvalidInput("not a JSON object", str(path))
    return value
