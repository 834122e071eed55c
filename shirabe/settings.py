"""Every setting, built once at the entry point and passed down.

Order: arguments, then environment (`SHIRABE_OPENSEARCH__URL=...`), then `shirabe.yaml` in the working directory or at
`SHIRABE_CONFIG`, then the defaults below.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

CONFIG_VARIABLE = "SHIRABE_CONFIG"
DEFAULT_CONFIG = "shirabe.yaml"

Provider = Literal["openai", "cohere"]
PROVIDERS: Final[tuple[Provider, ...]] = get_args(Provider)
"""Vendors whose API serves a model: it is configured as `PROVIDER:NAME`."""
Precision = Literal["auto", "fp32", "fp16", "bf16", "int8"]
Compression = Literal["1x", "2x", "4x", "8x", "16x", "32x"]
"""How many times smaller a dense vector is in memory, as k-NN's `compression_level` has it."""
IN_LUCENE: Final[tuple[Compression, ...]] = ("1x", "4x")
"""What the embedded node can do: the others need k-NN's native library, which is in OpenSearch's distributions.

So does Lucene's own `32x`, whose scorer is native: a node without the library ends at the first search.
"""
Japanese = Literal["kuromoji", "sudachi"]
"""What cuts Japanese text into words."""


def default_state_dir() -> Path:
    """Return the per-user state directory of the XDG base directory specification; for root, /var/lib/shirabe.

    Root's home is closed to the unprivileged user that the engine must run as.
    """
    if os.geteuid() == 0 and "XDG_STATE_HOME" not in os.environ:
        return Path("/var/lib/shirabe")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "shirabe"


def default_cache_dir() -> Path:
    """Return the per-user cache directory of the XDG base directory specification; for root, /var/cache/shirabe."""
    if os.geteuid() == 0 and "XDG_CACHE_HOME" not in os.environ:
        return Path("/var/cache/shirabe")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shirabe"


class Section(BaseModel):
    """A group of settings: immutable, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OpenSearchSettings(Section):
    """The engine. With no `url`, `shirabe up` runs the embedded node."""

    url: str | None = Field(None, description="An OpenSearch >= 3.6 to use instead of the embedded node")
    username: str | None = Field(None, description="Basic authentication")
    password: SecretStr | None = Field(None, description="Basic authentication")
    verify_certs: bool = Field(True, description="Check the server's certificate")
    ca_certs: Path | None = Field(
        None, description="A file of the authorities that sign it, in PEM; default: the public ones and the system's"
    )
    alias: str = Field(
        "shirabe-chunks", pattern=r"^[a-z][a-z0-9-]{0,60}$", description="Alias of the index generations"
    )
    timeout_s: float = Field(10.0, gt=0, description="Bound on one request, seconds")
    port: int = Field(0, ge=0, le=65535, description="Embedded node: HTTP port, 0 picks a free one")
    heap_mb: int = Field(768, ge=256, description="Embedded node: JVM heap, MiB")
    ml_commons: bool = Field(False, description="Embedded node: install ml-commons (390 MB more)")
    java_home: Path | None = Field(None, description="Embedded node: the JDK >= 21 to use")
    java_options: tuple[Annotated[str, Field(pattern="^-")], ...] = Field(
        (), description="Embedded node: further options of the JVM"
    )
    compression: Compression = Field(
        "1x",
        description="Of dense vectors in memory, for a new generation: `1x` or `4x`; with `url` also `2x` to `32x`",
    )
    shards: int = Field(1, ge=1, le=1024, description="Primary shards of a new generation")
    japanese: Literal["auto"] | Japanese = Field(
        "auto", description="Of a new generation; `auto`: `sudachi` where the cluster has its plugin, else `kuromoji`"
    )
    user_dictionary: Path | None = Field(
        None, description="Words of a new generation's Japanese analysis: a file as kuromoji's user dictionary"
    )

    @model_validator(mode="after")
    def _check_japanese(self) -> OpenSearchSettings:
        if self.japanese == "sudachi" and self.user_dictionary is not None:
            raise ValueError(
                "user_dictionary is for kuromoji: Sudachi's plugin takes no words in an index's settings, only built "
                "dictionaries on every node; choose japanese kuromoji, or leave user_dictionary out"
            )
        return self

    @model_validator(mode="after")
    def _check_compression(self) -> OpenSearchSettings:
        if self.url is None and self.compression not in IN_LUCENE:
            raise ValueError(
                f"compression {self.compression} needs k-NN's native library, which the embedded node does not have: "
                f"choose {' or '.join(IN_LUCENE)}, or name a cluster in `url`"
            )
        return self


class CodeModelSettings(Section):
    """The code index: code in generations of its own, built by its own model. Off unless `model` is set."""

    model: str | None = Field(None, description="The model that embeds code, as in `models.model`; none: no code index")
    dimensions: int | None = Field(None, ge=1, description="Width of its vectors where the model offers a choice")
    instruction: str | None = Field(
        None, description="What queries for code are for, in words, for a model that is told (Qwen3)"
    )
    url: str | None = Field(None, description="A server that has this model, instead of the local Ray Serve")


class ModelSettings(Section):
    """The models that Ray Serve hosts."""

    model: str = Field(
        "m3-mini",
        description="`m3-mini`, a checkpoint's folder, `ORG/NAME` in the hub's cache, `openai:NAME` or `cohere:NAME`",
    )
    reranker: str | None = Field(
        None, description="Cross-encoder such as bge-reranker-v2-m3, a folder or `ORG/NAME`; none: late interaction"
    )
    instruction: str | None = Field(
        None, description="What queries are for, in words, for a model that is told (Qwen3); default: web search"
    )
    code: CodeModelSettings = CodeModelSettings()
    url: str | None = Field(None, description="A model server to use instead of the local Ray Serve")
    max_tokens: int | None = Field(
        None, ge=16, description="Longest input in tokens; default: what the model takes, at most 8192"
    )
    batch_tokens: int = Field(4096, ge=64, description="Token budget of one forward pass")
    queue_tokens: int = Field(262_144, ge=1024, description="Tokens that may wait before requests are refused")
    threads: int = Field(0, ge=0, description="Torch threads of a replica, 0: all cores")
    device: str = Field("auto", description="`auto`, `cpu`, `cuda`")
    precision: Precision = Field(
        "auto",
        description="`fp32`, `fp16`, `bf16`, on a CPU `int8`; `auto`: fp16 on a GPU, on a CPU bf16 with AMX, else fp32",
    )
    min_replicas: int = Field(1, ge=1, description="Autoscaling floor of the embedder")
    max_replicas: int = Field(1, ge=1, description="Autoscaling ceiling of the embedder")
    timeout_s: float = Field(60.0, gt=0, description="Bound on one request, seconds")
    port: int = Field(0, ge=0, le=65535, description="Local Ray Serve: HTTP port, 0 picks a free one")
    dashboard_port: int = Field(0, ge=0, le=65535, description="Local Ray dashboard: port, 0 picks a free one")
    api_key: SecretStr | None = Field(
        None, exclude=True, description="Bearer key that the model server asks of everyone, and its clients show"
    )
    dimensions: int | None = Field(
        None, ge=1, description="Width of dense vectors where the model offers a choice; default: the model's own"
    )
    provider_url: str | None = Field(None, description="Provider: base URL of a server that speaks its API")
    provider_key_env: str | None = Field(
        None, description="Provider: environment variable that holds the key; default: OPENAI_API_KEY, CO_API_KEY"
    )
    provider_key_file: Path | None = Field(None, description="Provider: file that holds the key")
    provider_concurrency: int = Field(4, ge=1, description="Provider: requests at once for passages, and for queries")
    provider_batch: int | None = Field(None, ge=1, description="Provider: texts in one request; default: its own limit")
    provider_requests_per_minute: int | None = Field(None, ge=1, description="Provider: bound on requests a minute")
    provider_texts_per_minute: int | None = Field(None, ge=1, description="Provider: bound on texts a minute")
    provider_tokens_per_minute: int | None = Field(None, ge=1, description="Provider: bound on tokens a minute")
    provider_usd_per_million: float | None = Field(
        None, ge=0, description="Provider: price of a million tokens; default: the list price, where known"
    )

    @property
    def provider(self) -> Provider | None:
        """The vendor that hosts the model; None for a model of our own."""
        prefix, colon, _ = self.model.partition(":")
        return next((name for name in PROVIDERS if colon and name == prefix), None)


class SearchSettings(Section):
    """The read path."""

    max_top_k: int = Field(100, ge=1, description="Cap on `top_k`")
    max_query_chars: int = Field(8_000, ge=1, description="Cap on the length of a query, characters")
    leg_depth: int = Field(100, ge=1, description="Hits taken from each leg")
    rerank_depth: int = Field(100, ge=1, description="Candidates that are reranked")
    weights: dict[str, float] = Field(
        default_factory=lambda: {"lexical": 1.0, "dense": 2.0, "sparse": 1.0}, description="Weight of each leg in RRF"
    )
    versions_together: bool = Field(True, description="Keep the language versions of a page together")


class LogSettings(Section):
    """What is kept of searches and syncs, for dashboards and comparisons."""

    queries: bool = Field(True, description="Keep queries and clicks: their words and a pseudonym, never a name")
    retention_days: int = Field(30, ge=1, description="Days that queries, clicks and syncs are kept")


class IngestSettings(Section):
    """The write path."""

    chunk_tokens: int = Field(320, ge=32, description="Longest chunk, model tokens, context line included")
    max_file_bytes: int = Field(10_000_000, ge=1, description="Larger files are left out, with the reason")
    sources: Path | None = Field(
        None, description="The file of sources that `sync` makes true; default: `sources.yaml` in the working directory"
    )
    batch_chunks: int = Field(64, ge=1, description="Chunks embedded together")
    bulk_chunks: int = Field(256, ge=1, description="Chunks that wait and are written together, about")
    allowed_roots: tuple[Path, ...] = Field((), description="Folders that sources added over REST may lie in")
    ray_address: str | None = Field(
        None, description="Ray cluster of backfills, `host:port` or `ray://host:port`; default: that of `shirabe up`"
    )


class ApiSettings(Section):
    """The facade."""

    host: str = Field("127.0.0.1", description="Address to bind; beyond loopback only on purpose")
    port: int = Field(8080, ge=0, le=65535, description="Port of REST and the search page")
    max_body_bytes: int = Field(1_000_000, ge=1024, description="Cap on a request body")


class Settings(BaseSettings):
    """All of Shirabe's settings."""

    model_config = SettingsConfigDict(
        env_prefix="SHIRABE_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    state_dir: Path = Field(default_factory=default_state_dir, description="Index data, ledger, logs, tokens")
    cache_dir: Path = Field(default_factory=default_cache_dir, description="Engine artifacts and model checkpoints")
    opensearch: OpenSearchSettings = OpenSearchSettings()
    models: ModelSettings = ModelSettings()
    search: SearchSettings = SearchSettings()
    log: LogSettings = LogSettings()
    ingest: IngestSettings = IngestSettings()
    api: ApiSettings = ApiSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments, environment, then the YAML file."""
        path = Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG))
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=path)


def load_settings(**overrides: object) -> Settings:
    """Build the settings; `overrides` win over environment and file.

    Raises: pydantic.ValidationError naming the field.
    """
    return Settings(**overrides)  # type: ignore[arg-type]
