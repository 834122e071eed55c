"""A client of the Akane API that retries safely: the idempotency key is made before the first attempt."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any

from akane.errors import AkaneError
from akane.retry import Retryable, RetryPolicy, retry_call

RETRIED_STATUS = frozenset({429, 502, 503, 504})
RETRIED_CODES = frozenset({"E1012", "E1025"})
TIMEOUT_S = 3.0


class AkaneClient:
    """Calls the API under `base_url`, such as http://localhost:8000/v1."""

    def __init__(self, base_url: str, token: str, policy: RetryPolicy = RetryPolicy()) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"base_url must be http or https, got {base_url!r}")
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._policy = policy

    def create_order(self, order: Mapping[str, Any], key: str | None = None) -> Mapping[str, Any]:
        """POST /orders; pass the `key` of an earlier try to repeat it after a restart."""
        return self._send("POST", "/orders", order, key or str(uuid.uuid4()))

    def cancel_order(self, order_id: str, reason: str, key: str | None = None) -> Mapping[str, Any]:
        """POST /orders/{orderId}/cancel."""
        return self._send("POST", f"/orders/{order_id}/cancel", {"reason": reason}, key or str(uuid.uuid4()))

    def get_order(self, order_id: str) -> Mapping[str, Any]:
        """GET /orders/{orderId}."""
        return self._send("GET", f"/orders/{order_id}", None, None)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, key: str | None) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base_url + path, data, headers, method=method)
        return retry_call(lambda: _once(request), self._policy)


def _once(request: urllib.request.Request) -> Mapping[str, Any]:
    """Make one attempt. Raises: Retryable, AkaneError."""
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return dict(json.load(response))
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        code = str(problem.get("code", "E1099"))
        title = str(problem.get("title", error.reason))
        if error.code in RETRIED_STATUS or code in RETRIED_CODES:
            after = error.headers.get("Retry-After")
            raise Retryable(f"{code}: {title}", float(after) if after else None) from error
        raise AkaneError(title, code) from error
    except (urllib.error.URLError, TimeoutError) as error:
        raise Retryable(f"no answer: {error}") from error
