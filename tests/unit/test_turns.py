"""What queries and the rest after them may take of passages' time, by a clock that the test sets."""

from __future__ import annotations

import pytest

from ray_app.turns import Turns


class Clock:
    """Goes on only when it is told to; waiting on it takes all that may be waited, or what a query leaves of it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waited: list[float] = []
        self.woken_after: float | None = None

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        took = seconds if self.woken_after is None else min(seconds, self.woken_after)
        self.waited.append(took)
        self.now += took


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turns(clock: Clock) -> Turns:
    return Turns(clock)


def passages(turns: Turns, clock: Clock, seconds: float) -> None:
    turns.begin()
    clock.now += seconds
    turns.earn()


def query(turns: Turns, clock: Clock, seconds: float, rest_s: float = 0.0) -> None:
    turns.begin()
    clock.now += seconds
    turns.spend(rest_s)


def test_without_a_query_there_is_no_rest(turns: Turns, clock: Clock) -> None:
    passages(turns, clock, 10)
    assert not turns.rest(clock.wait)
    assert clock.waited == []


def test_what_is_owed_is_rested_once(turns: Turns, clock: Clock) -> None:
    query(turns, clock, 0.125, rest_s=0.25)
    assert turns.rest(clock.wait)
    assert not turns.rest(clock.wait)
    assert clock.waited == [0.25]


def test_work_that_went_on_meanwhile_is_not_rested_for_again(turns: Turns, clock: Clock) -> None:
    turns.owe(0.25)
    passages(turns, clock, 0.125)
    assert turns.rest(clock.wait)
    assert clock.waited == [0.125]


def test_a_rest_that_a_query_ended_goes_on_after_it(turns: Turns, clock: Clock) -> None:
    turns.owe(0.5)
    clock.woken_after = 0.125
    assert turns.rest(clock.wait)
    clock.woken_after = None
    assert turns.rest(clock.wait)
    assert clock.waited == [0.125, 0.375]


def test_queries_go_first_until_they_have_spent_what_passages_earned(turns: Turns, clock: Clock) -> None:
    assert turns.for_queries
    query(turns, clock, 1.25)
    assert not turns.for_queries
    passages(turns, clock, 0.0625)
    assert not turns.for_queries
    passages(turns, clock, 0.0625)
    assert turns.for_queries


def test_queries_without_end_leave_a_fifth_of_the_time_for_passages(turns: Turns, clock: Clock) -> None:
    begun, worked = clock.now, 0.0
    while clock.now < begun + 1000:
        while turns.for_queries:
            query(turns, clock, 0.0625, rest_s=0.5)
            turns.rest(clock.wait)
        passages(turns, clock, 0.0625)
        worked += 0.0625
    assert worked / (clock.now - begun) == pytest.approx(0.2, abs=0.01)


def test_an_hour_of_work_does_not_earn_an_hour_of_rest(turns: Turns, clock: Clock) -> None:
    passages(turns, clock, 3600)
    turns.owe(60)
    while turns.rest(clock.wait):
        pass
    assert sum(clock.waited) == 1.0
