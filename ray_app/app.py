"""The Ray Serve applications: thin deployments around the services.

`/` POST /m3/encode, GET /m3/info, GET /healthz · `/m3/rerank` POST, when a cross-encoder is configured. A deployment is
its own HTTP ingress, so a request passes Serve's proxy and one replica, nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import ray
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig
from starlette.requests import Request
from starlette.responses import Response

from ray_app.config import ServerConfig
from ray_app.service import answer

if TYPE_CHECKING:
    from ray_app.service import Service

EMBEDDER_PREFIX: Final = "/"
RERANKER_PREFIX: Final = "/m3/rerank"

# Requests a replica takes at once. The scheduler bounds the work in tokens and says 429; this only bounds coroutines.
_MAX_ONGOING: Final = 256
_TARGET_ONGOING: Final = 16
# Ray counts these against the node's cores to place replicas; torch uses the cores it is told to.
_REPLICA_CPUS: Final = 0.1


class EmbedderDeployment:
    """A replica of the embedder."""

    def __init__(self, config: str) -> None:
        """Load the model; `config` is a `ServerConfig` as JSON."""
        # torch belongs in the replica: the process that deploys must not pay seconds and memory for it.
        from ray_app.embedder_service import EmbedderService

        self._service: Service = EmbedderService(ServerConfig.model_validate_json(config))

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        return await answer(self._service, request)

    async def check_health(self) -> None:
        """Raise when a stage has died: Serve then replaces this replica."""
        self._service.check()


class RerankerDeployment:
    """A replica of the reranker."""

    def __init__(self, config: str) -> None:
        """Load the model; `config` is a `ServerConfig` as JSON."""
        from ray_app.reranker_service import RerankerService

        self._service: Service = RerankerService(ServerConfig.model_validate_json(config))

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        return await answer(self._service, request)

    async def check_health(self) -> None:
        """Raise when a stage has died: Serve then replaces this replica."""
        self._service.check()


def build(args: dict[str, Any] | ServerConfig) -> Application:
    """Return the embedder's application for a `ServerConfig` or its fields (as `serve run` passes them)."""
    config = args if isinstance(args, ServerConfig) else ServerConfig(**args)
    ceiling = max(config.min_replicas, config.max_replicas)
    return _bind(EmbedderDeployment, "embedder", config, config.min_replicas, ceiling)


def build_reranker(args: dict[str, Any] | ServerConfig) -> Application:
    """Return the reranker's application, to be run at `RERANKER_PREFIX`."""
    config = args if isinstance(args, ServerConfig) else ServerConfig(**args)
    return _bind(RerankerDeployment, "reranker", config, 1, 1)


def _bind(target: type, name: str, config: ServerConfig, floor: int, ceiling: int) -> Application:
    on_gpu = config.device.startswith("cuda") or (config.device == "auto" and _cluster_has_gpu())
    decorate = serve.deployment(
        name=name,
        max_ongoing_requests=_MAX_ONGOING,
        autoscaling_config=AutoscalingConfig(
            min_replicas=floor, max_replicas=ceiling, target_ongoing_requests=_TARGET_ONGOING
        ),
        ray_actor_options={"num_cpus": _REPLICA_CPUS, "num_gpus": 1 if on_gpu else 0},
        health_check_period_s=5,
        graceful_shutdown_timeout_s=5,
        logging_config={"enable_access_log": False},
    )
    application: Application = decorate(target).bind(config.model_dump_json())
    return application


def _cluster_has_gpu() -> bool:
    return ray.is_initialized() and bool(ray.cluster_resources().get("GPU"))  # type: ignore[no-untyped-call]
