"""What a model is said to compute in."""

from __future__ import annotations

import pytest
import torch

from ray_app.models import Family
from ray_app.precision import dtype_name
from shirabe.settings import Precision


@pytest.mark.parametrize(
    ("precision", "device", "family", "name"),
    [
        ("auto", "cuda", "xlm-roberta", "float16"),
        ("auto", "cuda", "bert", "float16"),
        ("auto", "cuda", "qwen3", "bfloat16"),
        ("fp32", "cuda", "bert", "float32"),
        ("bf16", "cpu", "xlm-roberta", "bfloat16"),
        ("int8", "cpu", "bert", "int8"),
    ],
)
def test_the_name_is_the_dtype_s(precision: Precision, device: str, family: Family, name: str) -> None:
    assert dtype_name(precision, torch.device(device), family) == name


@pytest.mark.parametrize(
    ("units", "name"), [({"amx_bf16": True}, "bfloat16"), ({"amx_bf16": False}, "float32"), ({}, "float32")]
)
@pytest.mark.parametrize("family", ["xlm-roberta", "qwen3"])
def test_a_cpu_with_matrix_units_uses_them(
    units: dict[str, bool], name: str, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units)

    assert dtype_name("auto", torch.device("cpu"), family) == name
    assert dtype_name("fp32", torch.device("cpu"), family) == "float32"
