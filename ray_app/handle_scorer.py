"""A `PairScorer` behind a Ray Serve handle: the one place where the errors of a handle are caught."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from ray_app.surface.parts import ModelCard, Scored
from shirabe.errors import Overloaded, ShirabeError, Timeout, Unavailable


class HandleScorer:
    """Scores pairs in another deployment."""

    def __init__(self, handle: DeploymentHandle[Any], card: ModelCard, timeout_s: float) -> None:
        """Take the deployment and what its model is; timeout_s bounds one call, seconds."""
        self.card = card
        self._handle = handle
        self._timeout_s = timeout_s

    async def score(self, query: str, passages: Sequence[str], *, cut: bool = True) -> Scored:
        """Return the passages' scores, in order. Too long pairs are cut, or refused without `cut`.

        Raises: TooLong, Overloaded, Unavailable, Timeout.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                scored: Scored = await self._handle.score.remote(query, list(passages), cut)
                return scored
        except RayTaskError as error:
            if isinstance(error.cause, ShirabeError):
                raise error.cause from None
            raise
        except BackPressureError as error:
            raise Overloaded("the reranker's queue is full") from error
        except (RayActorError, DeploymentUnavailableError) as error:
            raise Unavailable("the reranker ended while it was at work") from error
        except TimeoutError:
            raise Timeout(f"the reranker did not answer within {self._timeout_s:g} s") from None
