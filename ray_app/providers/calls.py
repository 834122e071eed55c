"""Requests to a vendor: within its limits, sent again where that may help, never for longer than the caller waits."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import random
from collections.abc import Mapping
from typing import Final

import httpx

from ray_app.providers.clock import Clock
from ray_app.providers.dialects import Dialect, Json
from ray_app.providers.keys import key_place, read_key
from ray_app.providers.models import VENDORS, ProviderModel
from ray_app.providers.rate_limit import RateLimit, Taken
from ray_app.providers.refusals import Refusal, read_refusal
from shirabe.errors import InvalidInput, Overloaded, Timeout, Unavailable
from shirabe.settings import ModelSettings
from shirabe.types import TextKind

_ATTEMPTS: Final = 5
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 8.0
_CONNECT_S: Final = 5.0
# A vendor that says "tomorrow" is asked again all the same: somebody may have raised the limit.
_LONGEST_HOLD_S: Final = 600.0
# One attempt may take this part of the time left: ingest sends again, whoever asks a question has no time to.
_SHARE: Final[dict[TextKind, float]] = {"query": 1.0, "passage": 0.5}


class Calls:
    """The way to one vendor. Used from one event loop."""

    def __init__(self, settings: ModelSettings, model: ProviderModel, dialect: Dialect, clock: Clock) -> None:
        """Connect lazily. Raises: InvalidInput naming the setting when the address or the key cannot be used."""
        self._key = read_key(settings)
        self._key_place = key_place(settings)
        self._base = _base_url(settings.provider_url or VENDORS[model.provider].url)
        self._who = model.provider if settings.provider_url is None else f"the provider at {self._base.host}"
        self._dialect = dialect
        self._clock = clock
        self._http = httpx.AsyncClient(
            # A vendor may be behind the proxy of the environment; this machine never is.
            trust_env=not _is_loopback(self._base.host),
            limits=httpx.Limits(max_connections=4 * settings.provider_concurrency),
        )
        budgets = {
            "requests": model.requests_per_minute,
            "texts": model.texts_per_minute,
            "tokens": model.tokens_per_minute,
        }
        self._rate = RateLimit({name: limit for name, limit in budgets.items() if limit is not None}, clock)
        # Each lane queues for the budget by itself: queries do not wait behind passages.
        self._turns: dict[TextKind, asyncio.Lock] = {"query": asyncio.Lock(), "passage": asyncio.Lock()}
        self.sent = 0
        self.sent_again = 0

    def most(self, budget: str) -> int | None:
        """Return how much of a budget one request may ask for at most; None where nothing bounds it."""
        return self._rate.most(budget)

    async def ask(self, body: Json, texts: int, tokens: int, lane: TextKind, deadline: float) -> Json:
        """Return the answer to a request of so many texts and about so many tokens.

        Transient errors are asked again, after what the vendor says or a growing random wait, until `deadline` (by the
        clock).

        Raises: InvalidInput, Forbidden, NotFound; Unavailable, Overloaded, Timeout when time or attempts are up.
        """
        content = _encoded(body)
        for attempt in range(1, _ATTEMPTS + 1):
            taken = await self._turn({"requests": 1, "texts": texts, "tokens": tokens}, lane, deadline)
            self.sent_again += attempt > 1
            answer = await self._send(content, _SHARE[lane] * (deadline - self._clock.now()))
            if not isinstance(answer, Refusal):
                _correct(taken, self._dialect.tokens(answer))
                return answer
            wait_s = _wait_s(answer, attempt)
            if answer.after_s is not None:
                self._rate.hold(min(answer.after_s, _LONGEST_HOLD_S))
            if not answer.again or attempt == _ATTEMPTS or self._clock.now() + wait_s >= deadline:
                raise answer.error
            await self._clock.sleep(wait_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _turn(self, need: Mapping[str, int], lane: TextKind, deadline: float) -> Taken:
        """Wait until the budgets allow a request. Raises: Overloaded when that is after the deadline."""
        async with self._turns[lane]:
            while True:
                wait_s = self._rate.wait_s(need)
                if self._clock.now() + wait_s >= deadline:
                    raise Overloaded(f"the rate limit of {self._who} is used up for {wait_s:.1f} s", max(wait_s, 1.0))
                if wait_s == 0:
                    return self._rate.take(need)
                await self._clock.sleep(wait_s)

    async def _send(self, content: bytes, timeout_s: float) -> Json | Refusal:
        """Return the answer, or why there is none. Raises: Unavailable when the answer is not JSON."""
        headers = {"Content-Type": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        timeout_s = max(timeout_s, 0.001)
        self.sent += 1
        try:
            response = await self._http.post(
                f"{self._base}{self._dialect.path}",
                content=content,
                headers=headers,
                timeout=httpx.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s)),
            )
        except httpx.TimeoutException:
            return Refusal(Timeout(f"{self._who} did not answer in time"), again=True, after_s=None)
        except httpx.TransportError as error:
            return Refusal(Unavailable(f"{self._who} is not reachable: {error}"), again=True, after_s=None)
        self._rate.learn(response.headers)
        if response.status_code != httpx.codes.OK:
            return read_refusal(response, self._dialect, self._who, self._key_place)
        try:
            answer = json.loads(response.content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Unavailable(f"{self._who} answered something that is not a JSON object")
        return answer


def _wait_s(refusal: Refusal, attempt: int) -> float:
    """Return how long to wait before the next attempt: what the vendor says, and a little more to spread callers."""
    backoff_s = min(_FIRST_WAIT_S * 2.0 ** (attempt - 1), _LONGEST_WAIT_S) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads callers, not a secret
    return backoff_s if refusal.after_s is None else refusal.after_s + 0.1 * backoff_s


def _correct(taken: Taken, tokens: int | None) -> None:
    """Count what was billed in place of what was estimated."""
    if tokens is not None:
        taken.amounts["tokens"] = tokens


def _encoded(body: Json) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"a text is not Unicode: {error.reason}", "texts") from None


def _base_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text.rstrip("/"))
    except httpx.InvalidURL as error:
        raise InvalidInput(f"not a URL: {error}", "models.provider_url") from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise InvalidInput("not a plain http or https URL", "models.provider_url")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
