"""One model behind a scheduler: what waits, what was cut, and which limits hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from ray_app.config import ServerConfig
from ray_app.device import limits
from ray_app.lane import Lane
from ray_app.observer import Observer
from ray_app.pause import Pause
from ray_app.scheduler import Core, Scheduler
from ray_app.surface.parts import too_long
from ray_app.tokenizer import Ids, Tokenised
from shirabe.types import Output

_Raw = TypeVar("_Raw")
_Row = TypeVar("_Row")
_Model = TypeVar("_Model")

# What the prefix and the special tokens may add to a text.
_EXTRA_TOKENS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Ran(Generic[_Row]):
    """One row per text; `tokens` is how many the model saw in all, `truncated` how many texts were cut."""

    rows: list[_Row]
    tokens: int
    truncated: int


class ModelQueue(Generic[_Raw, _Row]):
    """Runs many callers' texts through one model. Built inside a running event loop."""

    def __init__(
        self,
        core: Core[_Raw],
        post: Callable[[_Raw, frozenset[Output]], Sequence[_Row]],
        config: ServerConfig,
        device: torch.device,
        observer: Observer,
        longest: int,
        core_thread: ThreadPoolExecutor,
    ) -> None:
        """Start taking work for a model's last two stages; `longest` is its longest input, tokens.

        core_thread: where the model was loaded and `core` runs; it is shut down with the queue.
        """
        self._device = device
        self._observer = observer
        self._longest = longest
        self._scheduler: Scheduler[_Raw, _Row] = Scheduler(
            _telling(core), post, limits(config, device), observer, core_thread
        )
        self._scheduler.start()

    @property
    def queued_tokens(self) -> int:
        """Tokens that wait or run."""
        return self._scheduler.queued_tokens

    def check(self) -> None:
        """Raise when a stage of the model has died."""
        self._scheduler.check()

    def reconfigure(self, config: ServerConfig) -> None:
        """Take another token budget and queue limit."""
        self._scheduler.reconfigure(limits(config, self._device))

    async def run(
        self,
        prepare: Callable[[], Tokenised],
        chars: Iterable[int],
        outputs: frozenset[Output],
        lane: Lane,
        *,
        cut: bool,
    ) -> Ran[_Row]:
        """Return one row per text that `prepare` tokenises, which have so many characters each.

        Too long ones are cut, or refused without `cut`.

        Raises: TooLong, Overloaded, Unavailable, what `prepare` raises.
        """
        prepared = Tokenised((), ())

        def tokenise() -> Tokenised:
            nonlocal prepared
            prepared = prepare()
            if prepared.cut and not cut:
                raise too_long(prepared.cut[0], self._longest)
            return prepared

        most = sum(min(count + _EXTRA_TOKENS, self._longest) for count in chars)
        rows = await self._scheduler.submit(tokenise, most, outputs, lane)
        truncated = len(prepared.cut)
        if truncated:
            self._observer.truncated(truncated)
        return Ran(rows, sum(map(len, prepared)), truncated)


def load(build: Callable[[], _Model]) -> tuple[_Model, ThreadPoolExecutor]:
    """Build a model, and run it once, in the thread that will run it; return both.

    OpenMP gives every thread that computes helpers of its own, and once all of them are more than the cores it puts
    them to sleep after each piece of work: a query takes three times as long.

    Raises: what `build` raises.
    """
    thread = ThreadPoolExecutor(1, "core")
    try:
        return thread.submit(build).result(), thread
    except BaseException:
        thread.shutdown(wait=False)
        raise


def _telling(core: Core[_Raw]) -> Core[_Raw]:
    """Return a stage that says in Python's own words when the device has no memory left, and gives back what it can."""

    def told(batch: Sequence[Ids], outputs: frozenset[Output], pause: Pause) -> _Raw:
        try:
            return core(batch, outputs, pause)
        except torch.OutOfMemoryError as error:
            message = str(error)
        # Not while the error is at hand: it holds the tensors of the pass that failed.
        torch.cuda.empty_cache()
        raise MemoryError(message)

    return told
