"""Secrets of sources, by reference only: the environment or a file has the value, the configuration its name.

What is stored, shown and compared is the reference. The value is read each time a source is opened, so a rotated
token is taken up by the next sync.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from shirabe.errors import InvalidInput

_REFERENCES: Final = ("env", "file")
_MAX_BYTES: Final = 65_536
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def secret_option(options: Mapping[str, Any], name: str) -> SecretStr | None:
    """Return the secret that an option refers to as `{env: NAME}` or `{file: PATH}`; None when the option is absent.

    Raises: InvalidInput for a value in place of a reference, and when there is nothing where it points.
    """
    value = options.get(name)
    if value is None:
        return None
    place = f"options.{name}"
    if not is_reference(value):
        # What was written here may be the secret itself: it is not repeated.
        raise InvalidInput("a secret is named, not written: {env: NAME} or {file: PATH}", place)
    ((kind, where),) = value.items()
    text = _from_environment(where, place) if kind == "env" else _from_file(where, place)
    if not text:
        raise InvalidInput(f"there is nothing in {kind} {where}", place)
    return SecretStr(text)


def secret_text_option(options: Mapping[str, Any], name: str) -> SecretStr | None:
    """Return a secret as `secret_option` does, when it is one line that may stand in an HTTP header.

    Raises: InvalidInput.
    """
    secret = secret_option(options, name)
    if secret is not None and (_CONTROL.search(secret.get_secret_value()) or not secret.get_secret_value().isascii()):
        raise InvalidInput("the secret must be one line of ASCII", f"options.{name}")
    return secret


def is_reference(value: Any) -> bool:
    """Tell whether an option's value refers to a secret."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    ((kind, where),) = value.items()
    return kind in _REFERENCES and isinstance(where, str) and bool(where)


def has_reference(value: Any) -> bool:
    """Tell whether an option's value refers to a secret at any depth."""
    if is_reference(value):
        return True
    if isinstance(value, Mapping):
        return any(has_reference(item) for item in value.values())
    return isinstance(value, list | tuple) and any(has_reference(item) for item in value)


def _from_environment(name: str, place: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise InvalidInput(f"the environment has no variable {name}", place)
    return value.strip()


def _from_file(where: str, place: str) -> str:
    path = Path(where).expanduser()
    try:
        # Opening a pipe would wait for a writer.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InvalidInput(f"{path} is not a regular file", place)
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", place) from None
    if len(content) > _MAX_BYTES:
        raise InvalidInput(f"{path} is larger than {_MAX_BYTES} bytes", place)
    try:
        return content.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is not UTF-8 text", place) from None
