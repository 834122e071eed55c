"""The Qwen3 decoder, run on packed tokens: texts lie end to end, nothing is padded; only last tokens come out.

RMS norms, rotary positions, queries that share keys and values in groups, causal attention, gated feed-forward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ray_app.attention import Bounds, has_varlen, varlen_attention
from ray_app.checkpoint import Architecture
from ray_app.decoder import DecoderShape
from ray_app.pause import Pause, no_pause
from ray_app.recorded import Packed, Record, RecordedPasses
from shirabe.errors import InvalidInput

# Query (tokens, heads, head_dim), and key and value of fewer heads, to what the query's tokens see.
_Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """One layer's tensors; `qkv` and `gate_up` are fused matrices."""

    norm: Tensor
    qkv: Tensor
    query_norm: Tensor
    key_norm: Tensor
    out: Tensor
    feed_norm: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Rotation:
    """Cosine and sine of each token's angles, (tokens, 1, head_dim)."""

    cos: Tensor
    sin: Tensor

    def __call__(self, states: Tensor) -> Tensor:
        """Turn (tokens, heads, head_dim) by the tokens' positions."""
        left, right = states.chunk(2, dim=-1)
        return states * self.cos + torch.cat((-right, left), dim=-1) * self.sin


class PackedDecoder:
    """A Qwen3 decoder over loaded tensors."""

    def __init__(
        self,
        state: Mapping[str, Tensor],
        architecture: Architecture,
        shape: DecoderShape,
        max_tokens: int,
        device: torch.device,
        dtype: torch.dtype,
        record: Record | None = None,
    ) -> None:
        """Take the tensors by their Hugging Face names, with or without the prefix `model.`.

        record: is how short passes are recorded, when they are.

        Raises: InvalidInput naming a tensor that is missing.
        """
        self.architecture = architecture
        self.shape = shape
        self.device = device
        self._dtype = dtype
        self._state = state
        words = "embed_tokens.weight"
        self._prefix = next((name.removesuffix(words) for name in state if name.endswith(words)), "")
        self._words = self._tensor(words)
        self._norm = self._tensor("norm.weight")
        self._layers = [self._layer(f"layers.{index}") for index in range(architecture.layers)]
        self._cos, self._sin = _angles(shape, max_tokens, device)
        del self._state
        self._varlen = has_varlen(device, dtype)
        self._recorded = RecordedPasses(self._run, 0, device, record) if record is not None else None

    def _tensor(self, *names: str) -> Tensor:
        try:
            tensors = [self._state[self._prefix + name] for name in names]
        except KeyError as error:
            raise InvalidInput(f"the weights lack {error}") from None
        return torch.cat(tensors).to(self.device, self._dtype)

    def _layer(self, name: str) -> _Layer:
        attention, feed = f"{name}.self_attn", f"{name}.mlp"
        return _Layer(
            norm=self._tensor(f"{name}.input_layernorm.weight"),
            qkv=self._tensor(*(f"{attention}.{part}_proj.weight" for part in "qkv")),
            query_norm=self._tensor(f"{attention}.q_norm.weight"),
            key_norm=self._tensor(f"{attention}.k_norm.weight"),
            out=self._tensor(f"{attention}.o_proj.weight"),
            feed_norm=self._tensor(f"{name}.post_attention_layernorm.weight"),
            gate_up=self._tensor(f"{feed}.gate_proj.weight", f"{feed}.up_proj.weight"),
            down=self._tensor(f"{feed}.down_proj.weight"),
        )

    @torch.inference_mode()
    def forward(self, ids: Tensor, lengths: Sequence[int], pause: Pause = no_pause) -> Tensor:
        """Return the state of each text's last token, float32 (texts, dim).

        ids: int64 (tokens,), the texts' token ids end to end. lengths: tokens of each text, summing to `tokens`.
        pause: is called before every layer but the first.
        """
        last = torch.from_numpy(np.cumsum(lengths) - 1).to(self.device)
        if self._recorded is not None:
            recorded = self._recorded(ids, lengths)
            if recorded is not None:
                return recorded[last]
        positions = torch.cat([torch.arange(length) for length in lengths])
        attend = _varlen(Bounds.of(lengths, self.device)) if self._varlen else partial(_one_by_one, lengths)
        return self._through(ids.to(self.device), positions.to(self.device), attend, last, pause)

    def _run(self, packed: Packed) -> Tensor:
        return self._through(packed.ids, packed.positions, _varlen(packed.bounds), None, no_pause)

    def _through(self, ids: Tensor, positions: Tensor, attend: _Attention, rows: Tensor | None, pause: Pause) -> Tensor:
        """Return the states of the tokens `rows`, or of all, after the last layer."""
        rotation = _Rotation(
            F.embedding(positions, self._cos).to(self._dtype).unsqueeze(1),
            F.embedding(positions, self._sin).to(self._dtype).unsqueeze(1),
        )
        states = F.embedding(ids, self._words)
        for number, layer in enumerate(self._layers):
            if number:
                pause()
            mixed = self._attend(F.linear(self._rms(states, layer.norm), layer.qkv), layer, rotation, attend)
            if rows is not None and layer is self._layers[-1]:
                # Nothing after the last attention looks at other tokens than those that come out.
                states, mixed = states[rows], mixed[rows]
            states = states + F.linear(mixed, layer.out)
            gate, up = F.linear(self._rms(states, layer.feed_norm), layer.gate_up).chunk(2, dim=-1)
            states = states + F.linear(F.silu(gate) * up, layer.down)
        return self._rms(states, self._norm).float()

    def _rms(self, states: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(states, weight.shape, weight, self.architecture.epsilon)

    def _attend(self, qkv: Tensor, layer: _Layer, rotation: _Rotation, attend: _Attention) -> Tensor:
        heads, groups, width = self.architecture.heads, self.shape.key_heads, self.shape.head_dim
        query, key, value = torch.split(qkv.view(len(qkv), -1, width), [heads, groups, groups], dim=1)
        query = rotation(self._rms(query, layer.query_norm))
        key = rotation(self._rms(key, layer.key_norm))
        return attend(query, key, value).reshape(len(qkv), heads * width)


def _varlen(bounds: Bounds) -> _Attention:
    """Return each text's causal attention over itself, all texts in one kernel."""

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return varlen_attention(query, key, value.contiguous(), bounds, causal=True)

    return attend


def _one_by_one(lengths: Sequence[int], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return the same, one text after the other."""
    shared = query.shape[1] // key.shape[1]
    mixed = torch.empty_like(query)
    for start, end in pairwise(np.cumsum([0, *lengths]).tolist()):
        # Sharing heads inside the kernel would make it build the whole matrix of scores on a CPU.
        own = query[start:end].transpose(0, 1)
        keys, values = (part[start:end].repeat_interleave(shared, dim=1).transpose(0, 1) for part in (key, value))
        mixed[start:end] = F.scaled_dot_product_attention(own[None], keys[None], values[None], is_causal=True)[
            0
        ].transpose(0, 1)
    return mixed


def _angles(shape: DecoderShape, positions: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of every position's angles, float32 (positions, head_dim)."""
    steps = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    angles = torch.outer(torch.arange(positions, dtype=torch.float32), 1.0 / shape.theta**steps)
    both = torch.cat((angles, angles), dim=-1).to(device)
    return both.cos(), both.sin()
