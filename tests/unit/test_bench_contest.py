"""A comparison is fair: everyone does all the work equally often, and who cannot take part is said, not fatal."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from rich.console import Console

from bench.contest import Contest, Contestant, Result, table, take_turns


def test_everyone_does_each_item_once_a_round_after_a_warm_up() -> None:
    done: Counter[tuple[str, str]] = Counter()

    def work(name: str, item: str) -> None:
        done[name, item] += 1

    sides = [Contestant(name, partial(work, name), str) for name in ("ours", "theirs")]
    results = take_turns(sides, ["a", "b", "c"], rounds=4)

    assert done == {(name, item): 5 for name in ("ours", "theirs") for item in "abc"}
    assert [(result.name, len(result.seconds)) for result in results] == [("ours", 12), ("theirs", 12)]


def test_nobody_always_follows_the_same_one() -> None:
    order: list[str] = []
    sides = [Contestant(name, partial(lambda name, _: order.append(name), name), str) for name in "abc"]
    take_turns(sides, ["item"], rounds=12)
    timed = order[3:]
    assert all(sorted(timed[start : start + 3]) == ["a", "b", "c"] for start in range(0, 36, 3))
    assert len({tuple(timed[start : start + 3]) for start in range(0, 36, 3)}) > 2


def test_who_fails_becomes_a_row_that_says_why() -> None:
    def broken(_item: str) -> None:
        raise RuntimeError("CUDA out of memory\nand more")

    def missing(_item: str) -> None:
        raise ModuleNotFoundError("No module named 'm3serve'", name="m3serve")

    sides: list[Contestant[str]] = [
        Contestant("ours", str, str),
        Contestant("large", broken, str),
        Contestant("absent", missing, str),
    ]
    ours, large, absent = take_turns(sides, ["item"], rounds=2)

    assert len(ours.seconds) == 2
    assert large == Result("large", (), "did not run: RuntimeError: CUDA out of memory")
    assert absent == Result("absent", (), "did not run: the package m3serve is not installed")


def test_a_note_is_asked_for_after_the_last_round() -> None:
    seen: list[str] = []
    [result] = take_turns([Contestant("ours", seen.append, lambda: f"{len(seen)} calls")], ["item"], rounds=3)
    assert result.note == "4 calls"


def test_a_ratio_is_of_medians_and_none_without_both() -> None:
    contest = Contest(
        "work",
        100,
        (Result("ours", (1.0, 9.0, 2.0), ""), Result("theirs", (6.0, 6.0, 1.0), ""), Result("gone", (), "")),
    )
    assert contest.ratio("theirs", "ours") == pytest.approx(3.0)
    assert contest.ratio("ours", "theirs") == pytest.approx(1 / 3)
    assert contest.ratio("gone", "ours") is None
    assert contest.ratio("theirs", "gone") is None


def test_a_table_has_figures_of_who_took_part_and_the_reason_of_who_did_not() -> None:
    contest = Contest("work", 100, (Result("ours", (0.5,), "batch 8"), Result("gone", (), "did not run: no GPU")))
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table(contest, ["ours"]))
    shown = capture.get()
    assert "500.0 ms" in shown
    assert "200" in shown  # tokens a second
    assert "did not run: no GPU" in shown
