"""Products in int8: close to the exact ones whatever a row spans, and exact where it spans nothing."""

from __future__ import annotations

import pytest
import torch

from ray_app.linear import Int8Linear, Linear
from ray_app.precision import INT8_UNITS

pytestmark = pytest.mark.skipif(
    not any(torch.cpu.get_capabilities().get(unit) for unit in INT8_UNITS), reason="this processor has no VNNI"
)
ROWS, IN, OUT = 40, 64, 48


def pair() -> tuple[Int8Linear, Linear]:
    generator = torch.Generator().manual_seed(3)
    weight, bias = torch.randn(OUT, IN, generator=generator), torch.randn(OUT, generator=generator)
    return Int8Linear(weight, bias), Linear(weight, bias)


@pytest.mark.parametrize("shift", [0.0, 5.0, -5.0])
def test_it_is_close_wherever_the_states_lie(shift: float) -> None:
    states = torch.randn(ROWS, IN, generator=torch.Generator().manual_seed(4)) + shift
    rough, exact = pair()

    error = (rough(states) - exact(states)).norm() / exact(states).norm()

    assert 0 < error < 0.02


@pytest.mark.parametrize("value", [0.0, 3.0, -1e-30, 1e20])
def test_a_row_of_one_value(value: float) -> None:
    rough, exact = pair()
    states = torch.full((ROWS, IN), value)

    assert torch.isfinite(rough(states)).all()
    assert torch.allclose(rough(states), exact(states), rtol=0.05, atol=max(abs(value), 1.0) * 0.2)


def test_a_side_that_states_do_not_use_costs_nothing() -> None:
    weight = torch.randint(-127, 128, (OUT, IN), generator=torch.Generator().manual_seed(6)).float()
    weight[:, 0] = 127.0  # a scale of one: these weights lose nothing
    rough, exact = Int8Linear(weight, torch.zeros(OUT)), Linear(weight, torch.zeros(OUT))
    states = torch.rand(ROWS, IN, generator=torch.Generator().manual_seed(5))
    signed = torch.where(torch.arange(IN) % 2 == 0, states, -states)

    def error(states: torch.Tensor) -> float:
        return float((rough(states) - exact(states)).norm())

    assert error(states) < 0.6 * error(signed)
