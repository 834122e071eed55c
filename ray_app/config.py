"""What a model server is told when it starts; passed between processes as JSON."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from shirabe.settings import ModelSettings, default_cache_dir, default_state_dir


class ServerConfig(ModelSettings):
    """`shirabe.settings.ModelSettings`, and where to keep things."""

    state_dir: Path = Field(default_factory=default_state_dir, description="Logs and the Ray token")
    cache_dir: Path = Field(default_factory=default_cache_dir, description="Where the m3-mini checkpoint is kept")
