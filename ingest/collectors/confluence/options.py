"""The options of a Confluence source, checked when it is opened."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr

from ingest.collectors.selection import text_option
from ingest.collectors.service_options import compare_every_option, require_known
from ingest.collectors.web import allow_private_option, base_address, bearer
from ingest.secrets import secret_text_option
from shirabe.errors import InvalidInput
from shirabe.types import Source

_OWN: Final = ("deployment", "spaces", "user", "time_zone")
_SPACE_KEY: Final = re.compile(r"~?[\w.:@-]{1,255}")
_COMPARE_MINUTES: Final = 15


@dataclass(frozen=True, slots=True)
class Options:
    """A source's options. `headers`: the credentials. `spaces`: keys, all that are visible when there is none."""

    base_url: str
    base_path: str
    cloud: bool
    spaces: tuple[str, ...]
    headers: Mapping[str, SecretStr]
    permissions: Literal["confluence", "source"]
    time_zone: ZoneInfo | None
    compare_every: timedelta
    allow_private: bool

    @classmethod
    def of(cls, source: Source) -> Options:
        """Read the options of a source. Raises: InvalidInput."""
        options = source.options
        require_known(options, _OWN)
        allow_private = allow_private_option(options)
        base = base_address(source.location, allow_private=allow_private)
        cloud = _is_cloud(options, base.host)
        if cloud and "wiki" not in base.path.split("/"):
            base = base.join("wiki/")
        permissions = text_option(options, "permissions") or "confluence"
        if permissions not in ("confluence", "source"):
            raise InvalidInput("must be confluence or source", "options.permissions")
        return cls(
            base_url=str(base),
            base_path=base.path,
            cloud=cloud,
            spaces=_spaces(options),
            headers=_headers(options),
            permissions="source" if permissions == "source" else "confluence",
            time_zone=_time_zone(options),
            compare_every=compare_every_option(options, _COMPARE_MINUTES),
            allow_private=allow_private,
        )


def zone_of(name: str) -> ZoneInfo | None:
    """Return a time zone by its name, None for one that nobody knows."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _is_cloud(options: Mapping[str, Any], host: str) -> bool:
    deployment = text_option(options, "deployment")
    if deployment not in ("", "cloud", "data_center"):
        raise InvalidInput("must be cloud or data_center", "options.deployment")
    return deployment == "cloud" or (not deployment and host.endswith((".atlassian.net", "api.atlassian.com")))


def _spaces(options: Mapping[str, Any]) -> tuple[str, ...]:
    keys = options.get("spaces", [])
    if not isinstance(keys, list | tuple) or not all(
        isinstance(key, str) and _SPACE_KEY.fullmatch(key) for key in keys
    ):
        raise InvalidInput("must be a list of space keys", "options.spaces")
    return tuple(dict.fromkeys(keys))


def _headers(options: Mapping[str, Any]) -> Mapping[str, SecretStr]:
    user, token = text_option(options, "user"), secret_text_option(options, "token")
    if token is None:
        if user:
            raise InvalidInput("a user needs a token", "options.token")
        return {}
    if not user:
        return bearer(token)
    pair = base64.b64encode(f"{user}:{token.get_secret_value()}".encode()).decode("ascii")
    return {"Authorization": SecretStr(f"Basic {pair}")}


def _time_zone(options: Mapping[str, Any]) -> ZoneInfo | None:
    name = text_option(options, "time_zone")
    zone = zone_of(name)
    if name and zone is None:
        raise InvalidInput("no time zone is called so; Asia/Tokyo is one", "options.time_zone")
    return zone
