"""Short passes that are recorded and replayed, and the attention they need: in padded batches nothing changes.

Without a GPU, recording is doing the work again, and the kernel of CUDA is written out below.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from random_encoders import SHAPE, random_state, some_ids, worst_cosine
from torch import Tensor
from torch.nn.attention import varlen

from ray_app.attention import Bounds, varlen_attention
from ray_app.backend import open_transformer
from ray_app.checkpoint import Architecture
from ray_app.decoder import DecoderShape
from ray_app.encoder_state import EncoderState, TokenEmbeddings
from ray_app.qwen3 import PackedDecoder
from ray_app.recorded import TEXTS, TOKENS, Record, Replay
from ray_app.transformer import PackedTransformer

CPU = torch.device("cpu")
SHORT = ([7], [1], [16], [1] * TEXTS, [5, 40, 40, 1], [TOKENS[-1] // 2] * 2)
LONG = ([TOKENS[-1] + 1], [1] * (TEXTS + 1))
DECODER = Architecture(dim=32, layers=2, heads=4, epsilon=1e-6, positions=600, first_position=0)
DECODER_SHAPE = DecoderShape(key_heads=2, head_dim=16, theta=1e6)


def _varlen(
    query: Tensor, key: Tensor, value: Tensor, starts: Tensor, _: Tensor, longest: int, __: int, **kinds: object
) -> Tensor:
    """What torch's kernel promises, text by text; tokens that no text claims come out as they please."""
    mixed = torch.full_like(query, torch.nan)
    shared = query.shape[1] // key.shape[1] if kinds["enable_gqa"] else 1
    for start, end in pairwise(starts.tolist()):
        assert end - start <= longest
        if end > start:
            own = query[start:end].transpose(0, 1)
            keys, values = (part[start:end].repeat_interleave(shared, 1).transpose(0, 1) for part in (key, value))
            causal = kinds["window_size"] == (-1, 0)
            seen = F.scaled_dot_product_attention(own[None], keys[None], values[None], is_causal=causal)
            mixed[start:end] = seen[0].transpose(0, 1)
    return mixed


class _Recorder:
    """Records by remembering the work, and counts what is replayed."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, work: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        self.recorded += 1
        result = work()

        def replay() -> None:
            self.replayed += 1
            result.copy_(work())

        return replay, result


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> _Recorder:
    monkeypatch.setattr(varlen, "varlen_attn", _varlen)
    return _Recorder()


def _long_shape() -> Architecture:
    return Architecture(SHAPE.dim, SHAPE.layers, SHAPE.heads, SHAPE.epsilon, 600, SHAPE.first_position)


def _state() -> dict[str, Tensor]:
    state = random_state()
    words = torch.randn(600, SHAPE.dim, generator=torch.Generator().manual_seed(9)) * 0.2
    return {**state, "embeddings.position_embeddings.weight": words}


def _encoder(record: Record | None = None) -> PackedTransformer:
    state = EncoderState(_state(), _long_shape())
    return PackedTransformer(state, TokenEmbeddings(state, CPU), CPU, torch.float32, record)


def _decoder(record: Record | None = None) -> PackedDecoder:
    generator = torch.Generator().manual_seed(4)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.2

    dim, queries, keys = DECODER.dim, 4 * 16, 2 * 16
    state = {"embed_tokens.weight": normal(50, dim), "norm.weight": normal(dim)}
    for index in range(DECODER.layers):
        layer = f"layers.{index}"
        shapes = {"q": (queries, dim), "k": (keys, dim), "v": (keys, dim), "o": (dim, queries)}
        state |= {f"{layer}.self_attn.{part}_proj.weight": normal(*shape) for part, shape in shapes.items()}
        state |= {f"{layer}.self_attn.{part}_norm.weight": normal(16) for part in "qk"}
        state |= {f"{layer}.{part}_layernorm.weight": normal(dim) for part in ("input", "post_attention")}
        state |= {f"{layer}.mlp.{part}_proj.weight": normal(64, dim) for part in ("gate", "up")}
        state[f"{layer}.mlp.down_proj.weight"] = normal(dim, 64)
    return PackedDecoder(state, DECODER, DECODER_SHAPE, 600, CPU, torch.float32, record)


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("lengths", SHORT, ids=str)
def test_a_short_pass_of_an_encoder_is_replayed(recorder: _Recorder, lengths: Sequence[int], first_only: bool) -> None:
    ids = some_ids(lengths)
    recorded = _encoder(recorder)
    # What another batch left in the inputs is no part of this one.
    recorded.forward(some_ids([300]).flip(0), [300])

    states = recorded.forward(ids, lengths, first_only=first_only)

    assert recorder.replayed == 2
    assert (states - _encoder().forward(ids, lengths, first_only=first_only)).abs().max() < 1e-5


@pytest.mark.parametrize("lengths", SHORT, ids=str)
def test_a_short_pass_of_a_decoder_is_replayed(recorder: _Recorder, lengths: Sequence[int]) -> None:
    ids = some_ids(lengths)
    recorded = _decoder(recorder)
    recorded.forward(some_ids([300]), [300])

    states = recorded.forward(ids, lengths)

    assert recorder.replayed == 2
    assert states.shape == (len(lengths), DECODER.dim)
    assert (states - _decoder().forward(ids, lengths)).abs().max() < 1e-4


@pytest.mark.parametrize("lengths", LONG, ids=lambda lengths: f"{len(lengths)} texts")
def test_a_longer_pass_is_not(recorder: _Recorder, lengths: Sequence[int]) -> None:
    ids = some_ids(lengths)

    states = _encoder(recorder).forward(ids, lengths)

    assert (recorder.recorded, recorder.replayed) == (len(TOKENS), 0)
    assert torch.equal(states, _encoder().forward(ids, lengths))


def test_states_are_the_caller_s(recorder: _Recorder) -> None:
    recorded = _encoder(recorder)
    states = recorded.forward(some_ids([7]), [7])
    kept = states.clone()

    recorded.forward(some_ids([9]).flip(0), [9])

    assert torch.equal(states, kept)


def test_a_device_that_records_nothing_computes(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        raise RuntimeError("operation not permitted when stream is capturing")

    with caplog.at_level(logging.WARNING):
        states = _encoder(refuse).forward(some_ids([7]), [7])

    assert "without CUDA graphs: operation not permitted" in caplog.text
    assert torch.equal(states, _encoder().forward(some_ids([7]), [7]))


def test_a_cpu_records_nothing() -> None:
    short = open_transformer(_state(), _long_shape(), CPU, "bf16")

    assert isinstance(short, PackedTransformer)
    assert worst_cosine(short.forward(some_ids([7]), [7]), _encoder().forward(some_ids([7]), [7])) > 0.999


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("key_heads", [4, 2])
def test_the_kernel_of_torch_takes_what_it_is_given(causal: bool, key_heads: int) -> None:
    query = torch.empty(12, 4, 16, dtype=torch.float16, device="meta")
    key, value = torch.empty(2, 12, key_heads, 16, dtype=torch.float16, device="meta")

    mixed = varlen_attention(query, key, value, Bounds.of([5, 7], torch.device("meta")), causal=causal)

    assert mixed.shape == query.shape


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("lengths", [*SHORT, *LONG], ids=lambda lengths: f"{len(lengths)} texts, {sum(lengths)} tokens")
def test_a_gpu_gives_what_a_cpu_does(lengths: Sequence[int], caplog: pytest.LogCaptureFixture) -> None:
    ids = some_ids(lengths)

    states = open_transformer(_state(), _long_shape(), torch.device("cuda"), "auto").forward(ids, lengths)

    assert not caplog.text
    assert worst_cosine(states.cpu(), _encoder().forward(ids, lengths)) > 0.999
