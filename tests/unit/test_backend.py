"""What runs an encoder's layers: every backend agrees with torch in fp32, whatever shares the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from random_encoders import SHAPE, random_state, some_ids, worst_cosine
from torch import Tensor

from ray_app.backend import CpuTransformer, open_transformer
from ray_app.encoder_state import EncoderState, TokenEmbeddings
from ray_app.onnx_transformer import OnnxTransformer
from ray_app.pause import Pause, no_pause
from ray_app.precision import INT8_UNITS
from ray_app.transformer import PackedTransformer
from shirabe.errors import InvalidInput
from shirabe.settings import Precision

CPU = torch.device("cpu")
VNNI = pytest.mark.skipif(
    not any(torch.cpu.get_capabilities().get(unit) for unit in INT8_UNITS), reason="this processor has no VNNI"
)
LENGTHS = (5, 40, 40, 1, 200)


def packed(dtype: torch.dtype = torch.float32) -> PackedTransformer:
    state = EncoderState(random_state(), SHAPE)
    return PackedTransformer(state, TokenEmbeddings(state, CPU), CPU, dtype)


def onnx() -> OnnxTransformer:
    state = EncoderState(random_state(), SHAPE)
    return OnnxTransformer(state, TokenEmbeddings(state, CPU))


def test_onnx_agrees_with_torch_on_texts_of_many_lengths() -> None:
    ids = some_ids(LENGTHS)

    difference = (onnx().forward(ids, LENGTHS) - packed().forward(ids, LENGTHS)).abs().max()

    assert difference < 1e-5


BACKENDS = [packed(), pytest.param(packed(torch.int8), marks=VNNI), onnx()]
BACKEND_NAMES = ["torch in fp32", "torch in int8", "onnx"]


@pytest.mark.parametrize("backend", BACKENDS, ids=BACKEND_NAMES)
def test_a_text_alone_gives_what_it_gives_in_a_batch(backend: PackedTransformer | OnnxTransformer) -> None:
    ids = some_ids(LENGTHS)
    together = backend.forward(ids, LENGTHS)

    for start, length in zip((0, 5, 45, 85, 86), LENGTHS, strict=True):
        alone = backend.forward(ids[start : start + length], [length])
        assert (together[start : start + length] - alone).abs().max() < 1e-5


@pytest.mark.parametrize("backend", BACKENDS, ids=BACKEND_NAMES)
@pytest.mark.parametrize("lengths", [LENGTHS, [7], [1, 1, 1], [3] * 40], ids=str)
def test_first_tokens_alone_are_those_of_all(
    backend: PackedTransformer | OnnxTransformer, lengths: Sequence[int]
) -> None:
    ids = some_ids(lengths)

    alone = backend.forward(ids, lengths, first_only=True)

    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    assert alone.shape == (len(lengths), SHAPE.dim)
    assert (alone - backend.forward(ids, lengths)[starts]).abs().max() < 1e-5


@pytest.mark.parametrize("precision", [torch.float32, pytest.param(torch.int8, marks=VNNI)], ids=str)
def test_another_pass_between_layers_changes_nothing(precision: torch.dtype) -> None:
    backend, ids = packed(precision), some_ids(LENGTHS)
    other: list[torch.Tensor] = []

    states = backend.forward(ids, LENGTHS, pause=lambda: other.append(backend.forward(ids[5:45], [40])))

    assert torch.equal(states, backend.forward(ids, LENGTHS))
    assert len(other) == SHAPE.layers - 1
    assert all(torch.equal(one, backend.forward(ids[5:45], [40])) for one in other)


@pytest.mark.parametrize(("precision", "floor"), [("bf16", 0.9995), pytest.param("int8", 0.9995, marks=VNNI)])
def test_a_lower_precision_stays_close(precision: Precision, floor: float) -> None:
    ids = some_ids(LENGTHS)
    lower = open_transformer(random_state(), SHAPE, CPU, precision)

    states = lower.forward(ids, LENGTHS)

    assert states.dtype == torch.float32
    assert floor < worst_cosine(states, packed().forward(ids, LENGTHS)) < 1 - 1e-7


def test_names_may_carry_a_prefix() -> None:
    ids = some_ids([7])
    prefixed = open_transformer(random_state("roberta."), SHAPE, CPU, "fp32")

    assert (prefixed.forward(ids, [7]) - packed().forward(ids, [7])).abs().max() < 1e-5


def test_a_missing_tensor_is_named() -> None:
    state = random_state("roberta.")
    del state["roberta.encoder.layer.1.output.dense.bias"]

    with pytest.raises(InvalidInput, match=r"roberta\.encoder\.layer\.1\.output\.dense\.bias"):
        open_transformer(state, SHAPE, CPU, "fp32")


@pytest.mark.parametrize("units", [{}, {"avx2": True, "avx512_f": True}])
def test_int8_is_refused_where_its_products_overflow(units: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units)

    with pytest.raises(InvalidInput, match="VNNI or AMX"):
        open_transformer(random_state(), SHAPE, CPU, "int8")


def test_int8_is_refused_on_a_gpu() -> None:
    meta: Mapping[str, Tensor] = {name: tensor.to("meta") for name, tensor in random_state().items()}

    with pytest.raises(InvalidInput, match="int8 is for BERT and XLM-R models on a CPU"):
        open_transformer(meta, SHAPE, torch.device("meta"), "int8")


class _Named:
    """A backend whose states are its number."""

    def __init__(self, number: float) -> None:
        self._number = number

    def forward(
        self, ids: Tensor, lengths: Sequence[int], *, first_only: bool = False, pause: Pause = no_pause
    ) -> Tensor:
        assert not first_only
        assert pause is no_pause
        assert len(ids) == sum(lengths)
        return torch.full((len(ids), 1), self._number)


@pytest.mark.parametrize(("lengths", "number"), [((17,), 1.0), ((4, 48), 1.0), ((4, 49), 2.0), ((400,), 2.0)])
def test_what_is_short_when_padded_goes_to_the_backend_for_it(lengths: Sequence[int], number: float) -> None:
    backend = CpuTransformer(_Named(1.0), _Named(2.0))

    assert float(backend.forward(some_ids(lengths), lengths)[0]) == number
