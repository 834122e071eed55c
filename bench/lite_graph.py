"""The graph that bge-m3-lite runs, for another checkpoint than the one it downloads.

It ships BAAI/bge-m3 as an ONNX graph of ONNX Runtime's fused operators, which its own pass then cuts into windows. Here
the fused graph is made from a checkpoint's tensors, and that same pass is run over it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ray_app.checkpoint import Architecture
from ray_app.encoder_state import EncoderState, LayerTensors, Pair
from ray_app.weights import load_state

IDS: Final = "input_ids"
MASK: Final = "attention_mask"
STATES: Final = "token_embeddings"
_CONTRIB: Final = "com.microsoft"
_OPSET: Final = 17
_IR_VERSION: Final = 8


def write_graph(folder: Path, architecture: Architecture, target: Path) -> None:
    """Write the graph of a checkpoint folder to a new file, its weights beside it.

    It takes ids and mask, int64 (texts, length), and gives states float32 (texts, length, dim).

    Raises: ImportError when bge-m3-lite is not installed.
    """
    from bge_m3_lite.fuse import _chunk_attention
    from bge_m3_lite.quantize import ATTENTION_CHUNK, write_external_data

    model = _Fused(EncoderState(load_state(folder), architecture)).model()
    _chunk_attention(model, ATTENTION_CHUNK)
    write_external_data(model, target.with_suffix(".onnx_data"))
    onnx.save_model(model, str(target))


class _Fused:
    """The encoder in fused operators: one `Attention`, two `SkipLayerNormalization` and one `BiasGelu` a layer."""

    def __init__(self, state: EncoderState) -> None:
        self._state = state
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def model(self) -> Any:
        """Return the ONNX model."""
        states = self._embeddings()
        mask = self._node("Cast", [MASK], "mask", to=TensorProto.INT32)
        for index, layer in enumerate(self._state.layers()):
            states = self._layer(layer, f"layer.{index}", states, mask)
        self._nodes[-1].output[0] = STATES
        whole: list[str | int | None] = ["texts", "length"]
        wide = [*whole, self._state.architecture.dim]
        return helper.make_model(
            helper.make_graph(
                self._nodes,
                "encoder",
                [helper.make_tensor_value_info(name, TensorProto.INT64, whole) for name in (IDS, MASK)],
                [helper.make_tensor_value_info(STATES, TensorProto.FLOAT, wide)],
                self._constants,
            ),
            opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, 1)],
            ir_version=_IR_VERSION,
        )

    def _embeddings(self) -> str:
        tensor, shape = self._state.tensor, self._state.architecture
        words = self._constant("words", tensor("embeddings.word_embeddings.weight").numpy())
        types = tensor("embeddings.token_type_embeddings.weight")
        positions = tensor("embeddings.position_embeddings.weight") + types[0]
        before = self._constant("before", np.array(shape.first_position - 1, np.int64))
        # The n-th token stands at first_position + n - 1; what is padding repeats the last position and is masked.
        counted = self._node("CumSum", [MASK, self._constant("along", np.array(1, np.int64))], "counted")
        at = self._node("Add", [counted, before], "at")
        placed = self._node("Gather", [self._constant("positions", positions.numpy()), at], "placed")
        summed = self._node("Add", [self._node("Gather", [words, IDS], "looked_up"), placed], "summed")
        norm = self._norm(self._state.pair("embeddings.LayerNorm"), "embedded")
        return self._node("LayerNormalization", [summed, *norm], "embedded", epsilon=shape.epsilon, axis=-1)

    def _layer(self, layer: LayerTensors, name: str, states: str, mask: str) -> str:
        qkv = self._weight(layer.qkv, f"{name}.qkv")
        bias = self._constant(f"{name}.qkv.bias", layer.qkv[1].numpy())
        heads = self._state.architecture.heads
        mixed = self._node("Attention", [states, qkv, bias, mask], f"{name}.mixed", _CONTRIB, num_heads=heads)
        states = self._added(mixed, layer.attention, states, layer.attention_norm, f"{name}.attention")
        up = self._node("MatMul", [states, self._weight(layer.up, f"{name}.up")], f"{name}.up")
        shift = self._constant(f"{name}.up.bias", layer.up[1].numpy())
        active = self._node("BiasGelu", [up, shift], f"{name}.gelu", _CONTRIB)
        return self._added(active, layer.down, states, layer.norm, f"{name}.down")

    def _added(self, states: str, linear: Pair, residual: str, norm: Pair, name: str) -> str:
        product = self._node("MatMul", [states, self._weight(linear, name)], name)
        bias = self._constant(f"{name}.bias", linear[1].numpy())
        inputs = [product, residual, *self._norm(norm, name), bias]
        epsilon = self._state.architecture.epsilon
        return self._node("SkipLayerNormalization", inputs, f"{name}.normed", _CONTRIB, epsilon=epsilon)

    def _weight(self, pair: Pair, name: str) -> str:
        return self._constant(f"{name}.weight", pair[0].numpy().T)

    def _norm(self, pair: Pair, name: str) -> list[str]:
        return [
            self._constant(f"{name}.{part}", value.numpy()) for part, value in zip(("gamma", "beta"), pair, strict=True)
        ]

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _node(self, operation: str, inputs: list[str], name: str, domain: str = "", **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operation, inputs, [name], name=name, domain=domain, **attributes))
        return name
