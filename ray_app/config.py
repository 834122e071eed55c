"""What a model server is told when it starts: passed between processes as JSON, but for the key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from shirabe.errors import InvalidInput
from shirabe.settings import ModelSettings, default_cache_dir, default_state_dir

# A command line and Serve's arguments can be read by others; an environment cannot. It is the variable of the setting.
API_KEY_VARIABLE: Final = "SHIRABE_MODELS__API_KEY"


class ServerConfig(ModelSettings):
    """`shirabe.settings.ModelSettings`, where to keep things, and how a deployment is sized."""

    state_dir: Path = Field(default_factory=default_state_dir, description="Logs and the Ray token")
    cache_dir: Path = Field(default_factory=default_cache_dir, description="Where the m3-mini checkpoint is kept")
    queue_requests: int = Field(256, ge=1, description="Requests a replica answers at once before it refuses more")
    target_requests: float = Field(16, gt=0, description="Requests in a replica that autoscaling aims at")
    upscale_delay_s: float = Field(10, ge=0, description="Load lasts this long before a replica is added, seconds")
    downscale_delay_s: float = Field(300, ge=0, description="Quiet lasts this long before one is removed, seconds")


class Tuning(BaseModel):
    """What `user_config` may change in a replica that runs; what is left out stays as the server was started."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_tokens: int | None = Field(None, ge=64, description="Token budget of one forward pass")
    queue_tokens: int | None = Field(None, ge=1024, description="Tokens that may wait before requests are refused")
    queue_requests: int | None = Field(None, ge=1, description="Requests answered at once before more are refused")
    timeout_s: float | None = Field(None, gt=0, description="Bound on one request, seconds")


def tuned(config: ServerConfig, user_config: Mapping[str, Any]) -> ServerConfig:
    """Return the configuration with the changes of a `user_config`.

    Raises: InvalidInput naming the field.
    """
    try:
        changes = Tuning.model_validate(dict(user_config))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidInput(first["msg"], "user_config." + ".".join(map(str, first["loc"]))) from None
    return config.model_copy(update=changes.model_dump(exclude_none=True))


def read_api_key() -> SecretStr | None:
    """Return the bearer key of this process's environment; empty is none."""
    key = os.environ.get(API_KEY_VARIABLE)
    return SecretStr(key) if key else None
