"""What a forward pass costs, against the published sizes of BGE-M3; and passages of the lengths that goals name."""

from __future__ import annotations

import numpy as np
import pytest

from bench.sizes import Sizes
from bench.texts import describe, mixed_passages

BGE_M3 = Sizes(dim=1024, layers=24, feed_forward=4096)


@pytest.mark.parametrize(("tokens", "giga"), [(32, 0.607), (128, 0.617), (512, 0.654), (2048, 0.805), (8192, 1.409)])
def test_a_token_of_bge_m3_costs_what_its_sizes_say(tokens: int, giga: float) -> None:
    assert BGE_M3.operations([tokens]) / tokens / 1e9 == pytest.approx(giga, abs=0.001)


def test_texts_add_up_and_do_not_attend_to_each_other() -> None:
    assert BGE_M3.operations([100, 300]) == BGE_M3.operations([100]) + BGE_M3.operations([300])
    assert BGE_M3.operations([100, 300]) < BGE_M3.operations([400])


def test_long_passages_are_long_and_the_same_each_time() -> None:
    short, long = (mixed_passages(400, lengths) for lengths in ("short", "long"))
    assert long == mixed_passages(400, "long")
    assert np.median([*map(len, long)]) > 3 * np.median([*map(len, short)])
    assert max(map(len, long)) > 10 * max(map(len, short))


def test_lengths_are_described_by_sum_and_percentiles() -> None:
    assert describe([10] * 90 + [100] * 10) == "1900 tokens (median 10, p95 100, longest 100)"
