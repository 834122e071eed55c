"""What the vendors publish of their models: one frozen record each.

Limits and prices are the vendors' public ones of 2026; settings overrule them, because contracts differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from shirabe.errors import InvalidInput
from shirabe.settings import ModelSettings, Provider


@dataclass(frozen=True, slots=True)
class Vendor:
    """Where a vendor is and where its key is looked for when nothing else is said."""

    provider: Provider
    url: str
    key_env: str


@dataclass(frozen=True, slots=True)
class ProviderModel:
    """A hosted model.

    dim: width of its vectors, None where only the server knows. adjustable: takes a smaller width. max_tokens: longest
    text. truncates: the vendor cuts a longer one itself, else it refuses. tokens_per_request: over all texts.
    usd_per_million: price of a million tokens, None where unknown.
    """

    provider: Provider
    name: str
    dim: int | None
    adjustable: bool
    max_tokens: int
    truncates: bool
    texts_per_request: int
    tokens_per_request: int
    texts_per_minute: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    usd_per_million: float | None = None
    licence: str = "proprietary"


VENDORS: Final = {
    "openai": Vendor("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    "cohere": Vendor("cohere", "https://api.cohere.com", "CO_API_KEY"),
}

_LARGE = ProviderModel(
    provider="openai",
    name="text-embedding-3-large",
    dim=3072,
    adjustable=True,
    max_tokens=8191,
    truncates=False,
    texts_per_request=2048,
    tokens_per_request=300_000,
    usd_per_million=0.13,
)
_MULTILINGUAL = ProviderModel(
    provider="cohere",
    name="embed-multilingual-v3.0",
    dim=1024,
    adjustable=False,
    max_tokens=512,
    truncates=True,
    texts_per_request=96,
    tokens_per_request=96 * 512,
    texts_per_minute=2000,
    usd_per_million=0.10,
)
# Of another name only the server knows the width; 32 texts is what the strictest of the common servers takes.
_UNKNOWN: Final = {
    "openai": ProviderModel(
        provider="openai",
        name="",
        dim=None,
        adjustable=True,
        max_tokens=8191,
        truncates=False,
        texts_per_request=32,
        tokens_per_request=300_000,
        licence="unknown",
    ),
    "cohere": replace(_MULTILINGUAL, dim=None, usd_per_million=None),
}
MODELS: Final = (_LARGE, replace(_LARGE, name="text-embedding-3-small", dim=1536, usd_per_million=0.02), _MULTILINGUAL)


def provider_model(settings: ModelSettings) -> ProviderModel:
    """Return the record of the configured model, with what the settings say otherwise.

    Raises: InvalidInput naming the setting; ValueError when the model is not a provider's.
    """
    provider, name = settings.provider, settings.model.partition(":")[2]
    if provider is None:
        raise ValueError(f"{settings.model} is not a provider's model")
    if not name:
        raise InvalidInput(f"name a model: `{provider}:NAME`", "models.model")
    known = next((model for model in MODELS if (model.provider, model.name) == (provider, name)), None)
    model = known or replace(_UNKNOWN[provider], name=name)
    return replace(
        model,
        dim=_dim(model, settings.dimensions),
        max_tokens=min(model.max_tokens, settings.max_tokens or model.max_tokens),
        truncates=model.truncates and (settings.max_tokens is None or settings.max_tokens >= model.max_tokens),
        texts_per_request=settings.provider_batch or model.texts_per_request,
        texts_per_minute=settings.provider_texts_per_minute or model.texts_per_minute,
        requests_per_minute=settings.provider_requests_per_minute,
        tokens_per_minute=settings.provider_tokens_per_minute,
        usd_per_million=(
            model.usd_per_million if settings.provider_usd_per_million is None else settings.provider_usd_per_million
        ),
    )


def _dim(model: ProviderModel, dimensions: int | None) -> int | None:
    if dimensions is None or dimensions == model.dim:
        return model.dim
    if not model.adjustable:
        raise InvalidInput(
            f"{model.name} gives {model.dim or 'its own number of'} dimensions only", "models.dimensions"
        )
    if model.dim is not None and dimensions > model.dim:
        raise InvalidInput(f"{model.name} gives at most {model.dim} dimensions", "models.dimensions")
    return dimensions
