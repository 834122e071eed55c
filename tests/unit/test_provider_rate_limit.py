from __future__ import annotations

import pytest
from fake_clock import FakeClock

from ray_app.providers.rate_limit import RateLimit, duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("17", 17), ("0.5", 0.5), ("1d", 86_400)],
)
def test_durations_are_read_as_vendors_write_them(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "1x", "-1", "1 s", "s"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert duration_s(text) is None


def test_nothing_is_bounded_without_limits() -> None:
    rate = RateLimit({}, FakeClock())
    for _ in range(1000):
        rate.take({"requests": 1, "tokens": 10**9})
    assert rate.wait_s({"requests": 1, "tokens": 10**9}) == 0
    assert rate.most("tokens") is None


async def test_any_minute_holds_no_more_than_the_limit() -> None:
    clock = FakeClock()
    rate = RateLimit({"requests": 3}, clock)
    times = []
    for _ in range(10):
        await clock.sleep(7)
        await clock.sleep(rate.wait_s({"requests": 1}))
        assert rate.wait_s({"requests": 1}) == 0
        rate.take({"requests": 1})
        times.append(clock.now())
    for start in times:
        assert sum(start <= time < start + 60 for time in times) <= 3
    assert times[-1] - times[0] < 4 * 60


def test_the_wait_is_until_enough_is_forgotten() -> None:
    clock = FakeClock()
    rate = RateLimit({"tokens": 100}, clock)
    rate.take({"tokens": 30})
    clock.time += 10
    rate.take({"tokens": 60})
    assert rate.wait_s({"tokens": 10}) == 0
    assert rate.wait_s({"tokens": 40}) == pytest.approx(50)
    assert rate.wait_s({"tokens": 41}) == pytest.approx(60)
    clock.time += 50
    assert rate.wait_s({"tokens": 40}) == 0


def test_what_was_billed_counts_in_place_of_the_estimate() -> None:
    clock = FakeClock()
    rate = RateLimit({"tokens": 100}, clock)
    taken = rate.take({"tokens": 90})
    assert rate.wait_s({"tokens": 50}) == pytest.approx(60)
    taken.amounts["tokens"] = 40
    assert rate.wait_s({"tokens": 50}) == 0


def test_a_request_beyond_the_limit_goes_alone() -> None:
    clock = FakeClock()
    rate = RateLimit({"tokens": 100}, clock)
    assert rate.wait_s({"tokens": 500}) == 0
    rate.take({"tokens": 1})
    assert rate.wait_s({"tokens": 500}) == pytest.approx(60)


def test_what_the_vendor_says_is_left_is_respected() -> None:
    clock = FakeClock()
    rate = RateLimit({}, clock)
    rate.learn(
        {
            "x-ratelimit-limit-tokens": "1000",
            "x-ratelimit-remaining-tokens": "100",
            "x-ratelimit-reset-tokens": "54s",
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-reset-requests": "1s",
        }
    )
    assert rate.most("tokens") == 1000
    assert rate.wait_s({"requests": 1, "tokens": 100}) == 0
    # 900 come back in 54 s, so 200 more in 12.
    assert rate.wait_s({"requests": 1, "tokens": 300}) == pytest.approx(12)
    clock.time += 6
    assert rate.wait_s({"requests": 1, "tokens": 300}) == pytest.approx(6)
    rate.take({"requests": 1, "tokens": 100})
    assert rate.wait_s({"requests": 1, "tokens": 300}) == pytest.approx(12)
    clock.time += 54
    assert rate.wait_s({"requests": 1, "tokens": 5000}) == 0


def test_without_the_limit_the_wait_is_until_the_reset() -> None:
    rate = RateLimit({}, FakeClock())
    rate.learn({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2m0s"})
    assert rate.wait_s({"requests": 1}) == pytest.approx(120)
    assert rate.wait_s({"tokens": 5}) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-reset-tokens": "0"},
        {"x-ratelimit-remaining-tokens": "none", "x-ratelimit-reset-tokens": "1s"},
        {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "tomorrow"},
        {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "0s"},
        {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-limit-tokens": "0", "x-ratelimit-reset-tokens": "0ms"},
    ],
)
def test_headers_that_make_no_sense_hold_nothing_up(headers: dict[str, str]) -> None:
    rate = RateLimit({}, FakeClock())
    rate.learn(headers)
    assert rate.wait_s({"requests": 1, "tokens": 5}) == 0


def test_a_hold_stops_everything_for_its_time() -> None:
    clock = FakeClock()
    rate = RateLimit({}, clock)
    rate.hold(20)
    rate.hold(5)
    assert rate.wait_s({"requests": 1}) == pytest.approx(20)
    clock.time += 20
    assert rate.wait_s({"requests": 1}) == 0
