"""Why a model did not start, out of what Serve says of its deployments."""

from __future__ import annotations

import warnings

# Ray's own use of pydantic warns while it is imported.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ray.serve._private.common import DeploymentStatus, DeploymentStatusTrigger
    from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview, DeploymentStatusOverview, ServeStatus

from ray_app.server import APPLICATION, _reason

FAILED = """The deployment failed to start 3 times in a row. See controller logs for details. Error:
ray::ServeReplica:models:embedder.initialize_and_get_metadata() (pid=1, ip=127.0.0.1)
  File "ray_app/encoder_state.py", line 47, in tensor
    raise InvalidInput(f"the weights lack {self._prefix}{name}") from error
shirabe.errors.InvalidInput: the weights lack embeddings.LayerNorm.weight
"""


def _status(**messages: str) -> ServeStatus:
    deployments = {
        name: DeploymentStatusOverview(
            status=DeploymentStatus.DEPLOY_FAILED if message else DeploymentStatus.HEALTHY,
            status_trigger=DeploymentStatusTrigger.UNSPECIFIED,
            replica_states={},
            message=message,
        )
        for name, message in messages.items()
    }
    application = ApplicationStatusOverview(
        status=ApplicationStatus.DEPLOY_FAILED, message="", last_deployed_time_s=0, deployments=deployments
    )
    return ServeStatus(applications={APPLICATION: application})


def test_it_is_the_error_of_the_replica() -> None:
    said = "shirabe.errors.InvalidInput: the weights lack embeddings.LayerNorm.weight"
    assert _reason(_status(embedder=FAILED, reranker="")) == said


def test_serve_may_not_know() -> None:
    assert _reason(_status(embedder="", reranker="")) == "Serve does not say why"
