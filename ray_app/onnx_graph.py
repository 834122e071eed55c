"""A BERT or XLM-R encoder as an ONNX graph of ONNX Runtime's fused operators, made from the weights themselves.

No exporter: the graph is twelve lines a layer, holds exactly the operators that the runtime has fast kernels for, and
cannot change with an exporter's version. Operators: the `com.microsoft` contrib operators of ONNX Runtime.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor

from ray_app.encoder_state import EncoderState, LayerTensors, Pair

STATES: Final = "states"
LENGTHS: Final = "lengths"
_CONTRIB: Final = "com.microsoft"
_OPSET: Final = 17
_IR_VERSION: Final = 8


class _Graph:
    """Nodes and constants as they are added; every method returns the name of what it made."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operation: str, inputs: list[str], name: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operation, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def product(self, states: str, weight: Tensor, name: str) -> str:
        """Multiply by a weight (out, in)."""
        return self.node("MatMul", [states, self.constant(f"{name}.weight", weight.numpy().T)], name)

    def normed_sum(self, states: str, added: str, bias: Tensor, norm: Pair, epsilon: float, name: str) -> str:
        """Add two states and a bias, and normalise."""
        constants = [
            self.constant(f"{name}.{part}", value.numpy())
            for part, value in zip(("gamma", "beta", "bias"), (*norm, bias), strict=True)
        ]
        return self.node("SkipLayerNormalization", [added, states, *constants], name, _CONTRIB, epsilon=epsilon)


def encoder_graph(state: EncoderState) -> bytes:
    """Return a serialised model: states float32 (texts, length, dim), lengths int32 (texts,) -> states of that shape.

    The states given are the embeddings; rows past a text's length do not matter and mean nothing in the result.

    Raises: InvalidInput naming a tensor that is missing.
    """
    architecture = state.architecture
    graph = _Graph()
    graph.constant("three", np.full(3, architecture.dim, np.int64))
    last = STATES
    for index, layer in enumerate(state.layers()):
        last = _layer(graph, layer, f"layer.{index}", last, architecture.heads, architecture.epsilon)
    shape: list[str | int | None] = ["texts", "length", architecture.dim]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "encoder",
            [
                helper.make_tensor_value_info(STATES, TensorProto.FLOAT, shape),
                helper.make_tensor_value_info(LENGTHS, TensorProto.INT32, ["texts"]),
            ],
            [helper.make_tensor_value_info(last, TensorProto.FLOAT, shape)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, 1)],
        ir_version=_IR_VERSION,
    )
    serialized: bytes = model.SerializeToString()
    return serialized


def _layer(graph: _Graph, layer: LayerTensors, name: str, states: str, heads: int, epsilon: float) -> str:
    qkv = graph.product(states, layer.qkv[0], f"{name}.qkv")
    parts = [f"{name}.{part}" for part in ("query", "key", "value")]
    graph.nodes.append(helper.make_node("Split", [qkv, "three"], parts, name=f"{name}.split", axis=-1))
    bias = graph.constant(f"{name}.qkv.bias", layer.qkv[1].numpy())
    mixed = graph.node("MultiHeadAttention", [*parts, bias, LENGTHS], f"{name}.mixed", _CONTRIB, num_heads=heads)
    attended = graph.product(mixed, layer.attention[0], f"{name}.attention")
    states = graph.normed_sum(
        states, attended, layer.attention[1], layer.attention_norm, epsilon, f"{name}.attention_norm"
    )
    up = graph.product(states, layer.up[0], f"{name}.up")
    active = graph.node(
        "BiasGelu", [up, graph.constant(f"{name}.up.bias", layer.up[1].numpy())], f"{name}.gelu", _CONTRIB
    )
    down = graph.product(active, layer.down[0], f"{name}.down")
    return graph.normed_sum(states, down, layer.down[1], layer.norm, epsilon, f"{name}.norm")
