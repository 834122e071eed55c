"""The key of a vendor, by reference: settings name an environment variable or a file, never the key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from ray_app.providers.models import VENDORS
from shirabe.errors import InvalidInput
from shirabe.settings import ModelSettings

_MAX_BYTES: Final = 4096


def read_key(settings: ModelSettings) -> SecretStr | None:
    """Return the key to send; None for a server of one's own that was given none.

    The vendor's usual variable is read only for the vendor's own address: a key is never sent to somebody else unasked.

    Raises: InvalidInput naming the setting, the variable or the file.
    """
    if settings.provider_key_file is not None:
        return _checked(_read(settings.provider_key_file), key_place(settings), "models.provider_key_file")
    variable = _variable(settings)
    if variable is None:
        return None
    return _checked(os.environ.get(variable, ""), key_place(settings), "models.provider_key_env")


def key_place(settings: ModelSettings) -> str:
    """Return where the key is taken from, for people to read."""
    if settings.provider_key_file is not None:
        return f"the file {settings.provider_key_file}"
    variable = _variable(settings)
    return (
        f"the environment variable {variable}"
        if variable
        else "nowhere: none is configured (models.provider_key_env, models.provider_key_file)"
    )


def _variable(settings: ModelSettings) -> str | None:
    if settings.provider_key_env is not None or settings.provider_url is not None:
        return settings.provider_key_env
    return VENDORS[settings.provider].key_env if settings.provider else None


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            return file.read(_MAX_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise InvalidInput(f"the key in {path} cannot be read: {reason}", "models.provider_key_file") from None


def _checked(value: str, where: str, place: str) -> SecretStr:
    key = value.strip()
    if not key:
        raise InvalidInput(f"{where} holds no key", place)
    # It becomes a header: a line break in it would start another one.
    if not key.isascii() or not key.isprintable():
        raise InvalidInput(f"{where} holds what cannot be a key", place)
    return SecretStr(key)
