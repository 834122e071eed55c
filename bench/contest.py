"""Contestants that do the same work in turns, and the table of what they took."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

from rich.table import Table

T = TypeVar("T")

# Threads that wait for their next work awake must not take a core from whoever comes next.
_PAUSE_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Contestant(Generic[T]):
    """One side. `note` is asked for after the last round: its settings, and what it learnt about itself."""

    name: str
    work: Callable[[T], object]
    note: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Result:
    """The seconds of each piece of work of one side; none when it could not take part, and `note` says why."""

    name: str
    seconds: tuple[float, ...]
    note: str

    @property
    def median(self) -> float:
        """The median, seconds. Only of one that took part."""
        return statistics.median(self.seconds)


@dataclass(frozen=True, slots=True)
class Contest:
    """What was done, the tokens of one piece of it, and everyone's results."""

    what: str
    tokens: float
    results: tuple[Result, ...]

    def ratio(self, name: str, reference: str) -> float | None:
        """Return how many times faster `reference` is than `name`; None when either did not take part."""
        medians = {result.name: result.median for result in self.results if result.seconds}
        return medians[name] / medians[reference] if {name, reference} <= medians.keys() else None


def take_turns(contestants: Sequence[Contestant[T]], items: Sequence[T], rounds: int) -> list[Result]:
    """Let everyone do every item once to warm up, then in each round one side after another, in an order drawn anew.

    A turn is all items, one after another: a server answers query after query, and does not find the caches as another
    model left them. Who fails while warming up does not take part.
    """
    rng = random.Random(7)
    absent: dict[str, str] = {}
    for contestant in contestants:
        try:
            for item in items:
                contestant.work(item)
        except Exception as error:  # somebody else's code: whatever it raises is its result
            absent[contestant.name] = reason(error)
    present = [contestant for contestant in contestants if contestant.name not in absent]
    seconds: dict[str, list[float]] = {contestant.name: [] for contestant in present}
    for _ in range(rounds):
        for contestant in rng.sample(present, len(present)):
            time.sleep(_PAUSE_S)
            seconds[contestant.name] += [timed(partial(contestant.work, item)) for item in items]
    return [
        Result(one.name, (), absent[one.name])
        if one.name in absent
        else Result(one.name, tuple(seconds[one.name]), one.note())
        for one in contestants
    ]


def timed(work: Callable[[], object]) -> float:
    """Return the seconds a piece of work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def reason(error: Exception) -> str:
    """Say in one line why somebody cannot take part."""
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or str(error)).partition(".")[0]
        return f"did not run: the package {package} is not installed"
    first = str(error).strip().splitlines()
    return f"did not run: {type(error).__name__}: {first[0] if first else ''}"[:200]


def table(contest: Contest, references: Sequence[str]) -> Table:
    """Return a contest as a table with a column of ratios for each reference."""
    view = Table(title=contest.what, title_justify="left")
    view.add_column("who")
    for heading in ("median", "tokens/s", *(f"{name}:\ntimes faster" for name in references), "times"):
        view.add_column(heading, justify="right")
    view.add_column("settings")
    for result in contest.results:
        ratios = [contest.ratio(result.name, reference) for reference in references]
        figures = (
            [f"{result.median * 1000:.1f} ms", f"{contest.tokens / result.median:,.0f}"]
            if result.seconds
            else ["—"] * 2
        )
        shown = ["—" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        view.add_row(result.name, *figures, *shown, str(len(result.seconds)), result.note)
    return view
