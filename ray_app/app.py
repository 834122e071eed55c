"""The Ray Serve application: thin deployments around the services.

The embedder is the ingress and answers every path (see `ray_app.surface`), so an embedding request passes Serve's proxy
and one replica, nothing else. A cross-encoder, where one is configured, is a second deployment behind a handle: its one
more hop is small beside the pairs it scores.

Sizes. A replica that serves S tokens a second and may keep a request of T tokens waiting W seconds aims at S * W / T
requests at once: an L4 (S = 60 000), ingest requests of 2 000 tokens and half a second give 15. A replica itself
refuses what is beyond `queue_requests` or `queue_tokens`, with all the headers that callers need; Serve lets twice as
many through, so that its own refusal (which has no such headers) is met by a flood only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import ray
from pydantic import ValidationError
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, BackpressureConfig
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import Response

from ray_app.config import API_KEY_VARIABLE, ServerConfig, read_api_key, tuned
from shirabe.errors import InvalidInput

if TYPE_CHECKING:
    from ray_app.embedder_service import Embedder
    from ray_app.observer import Observer
    from ray_app.provider_service import ProviderService
    from ray_app.surface.parts import Scored

# Ray counts these against the node's cores to place replicas; torch uses the cores it is told to.
_REPLICA_CPUS: Final = 0.1
# Requests that were accepted are answered before a replica ends; one rarely takes longer.
_DRAIN_S: Final = 20.0
_DRAIN_LOOK_S: Final = 0.2
_HEALTH_PERIOD_S: Final = 5.0
_HEALTH_TIMEOUT_S: Final = 15.0
# Load is averaged over this time; it must be longer than Ray's 10 s between two reports.
_LOOK_BACK_S: Final = 15.0


class EmbedderDeployment:
    """A replica of the embedder, and the door to all models."""

    def __init__(self, config: str, reranker: DeploymentHandle[Any] | None = None) -> None:
        """Load the model; `config` is a `ServerConfig` as JSON, `reranker` the other deployment."""
        from ray_app.service import Bounds
        from ray_app.surface.routes import open_service
        from ray_app.telemetry import RayObserver

        self._config = ServerConfig.model_validate_json(config)
        observer = RayObserver()
        self._model = _open_model(self._config, observer)
        bounds = Bounds(self._config.queue_requests, self._config.timeout_s)
        self._service = open_service(self._model, self._scorer(reranker), bounds, read_api_key(), observer)

    def _scorer(self, handle: DeploymentHandle[Any] | None) -> Any:
        if handle is None:
            return None
        from ray_app.handle_scorer import HandleScorer
        from ray_app.reranker_service import reranker_card

        return HandleScorer(handle, reranker_card(self._config), self._config.timeout_s)

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take another token budget or other queue limits while running."""
        from ray_app.service import Bounds

        config = tuned(self._config, user_config)
        self._model.reconfigure(config)
        self._service.bounds = Bounds(config.queue_requests, config.timeout_s)

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        return await self._service.answer(request)

    async def check_health(self) -> None:
        """Raise when a stage has died: Serve then replaces this replica."""
        self._model.check()


class RerankerDeployment:
    """A replica of the cross-encoder."""

    def __init__(self, config: str) -> None:
        """Load the model; `config` is a `ServerConfig` as JSON."""
        from ray_app.reranker_service import CrossReranker
        from ray_app.telemetry import RayObserver

        self._config = ServerConfig.model_validate_json(config)
        self._model = CrossReranker(self._config, RayObserver())

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take another token budget or other queue limits while running."""
        self._model.reconfigure(tuned(self._config, user_config))

    async def score(self, query: str, passages: list[str], cut: bool) -> Scored:
        """Score passages for the embedder's replicas."""
        return await self._model.score(query, passages, cut=cut)

    async def check_health(self) -> None:
        """Raise when a stage has died: Serve then replaces this replica."""
        self._model.check()


def build(args: dict[str, Any] | ServerConfig) -> Application:
    """Return the application for a `ServerConfig` or its fields, as `serve run` and serve.yaml pass them.

    Raises: InvalidInput naming the field.
    """
    try:
        config = args if isinstance(args, ServerConfig) else ServerConfig(**args)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidInput(first["msg"], "args." + ".".join(map(str, first["loc"]))) from None
    if config.api_key is not None:
        raise InvalidInput(f"would be shown to everyone; set {API_KEY_VARIABLE} where the replicas run", "args.api_key")
    told = config.model_dump_json()
    reranker = None if config.reranker is None else _deployment(RerankerDeployment, "reranker", config).bind(told)
    # A provider's model needs no GPU here, and one replica that waits for it: its rate limits are one account's.
    waits = {"device": "cpu", "min_replicas": 1, "max_replicas": 1} if config.provider else {}
    sized = config.model_copy(update=waits)
    application: Application = _deployment(EmbedderDeployment, "embedder", sized).bind(told, reranker)
    return application


def _open_model(config: ServerConfig, observer: Observer) -> Embedder | ProviderService:
    # torch belongs in a replica that computes: whoever deploys, or waits for a provider, must not pay for it.
    if config.provider is not None:
        from ray_app.provider_service import ProviderService

        return ProviderService(config, observer)
    from ray_app.embedder_service import Embedder

    return Embedder(config, observer)


def _deployment(target: type, name: str, config: ServerConfig) -> Any:
    on_gpu = config.device.startswith("cuda") or (config.device == "auto" and _cluster_has_gpu())
    ceiling = max(config.min_replicas, config.max_replicas)
    decorate = serve.deployment(
        name=name,
        max_ongoing_requests=2 * config.queue_requests,
        max_queued_requests=config.queue_requests,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=1),
        autoscaling_config=AutoscalingConfig(
            min_replicas=config.min_replicas,
            max_replicas=ceiling,
            target_ongoing_requests=config.target_requests,
            upscale_delay_s=config.upscale_delay_s,
            downscale_delay_s=config.downscale_delay_s,
            look_back_period_s=_LOOK_BACK_S,
        ),
        ray_actor_options={"num_cpus": _REPLICA_CPUS, "num_gpus": 1 if on_gpu else 0},
        health_check_period_s=_HEALTH_PERIOD_S,
        health_check_timeout_s=_HEALTH_TIMEOUT_S,
        graceful_shutdown_wait_loop_s=_DRAIN_LOOK_S,
        graceful_shutdown_timeout_s=_DRAIN_S,
        logging_config={"enable_access_log": False},
    )
    return decorate(target)


def _cluster_has_gpu() -> bool:
    return ray.is_initialized() and bool(ray.cluster_resources().get("GPU"))  # type: ignore[no-untyped-call]
