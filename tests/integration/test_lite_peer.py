"""bge-m3-lite, put together over another checkpoint than its own, computes what we do: else speeds say nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.lite import LiteEmbedder
from bench.texts import QUESTIONS, mixed_passages
from ray_app.checkpoint import read_checkpoint
from ray_app.encoder import M3Encoder
from shirabe.types import ALL_OUTPUTS

pytest.importorskip("bge_m3_lite")


def test_it_gives_our_outputs_for_our_checkpoint(checkpoint: Path) -> None:
    read = read_checkpoint(checkpoint)
    cpu = torch.device("cpu")
    lite = LiteEmbedder(read, cpu)
    texts = [*QUESTIONS, *mixed_passages(12)]
    try:
        theirs = lite.embed(texts, "passage", ALL_OUTPUTS)
    finally:
        lite.close()
    for index, ours in enumerate(M3Encoder(read, cpu, "fp32").encode(texts, "passage", ALL_OUTPUTS)):
        assert ours.tokens is not None
        assert ours.sparse_ids is not None
        assert ours.sparse_weights is not None
        assert np.abs(theirs["colbert_vecs"][index] - ours.tokens.astype(np.float32)).max() < 1e-3
        weights = {int(token): weight for token, weight in theirs["lexical_weights"][index].items()}
        assert weights.keys() == set(ours.sparse_ids.tolist())
        assert [weights[token] for token in ours.sparse_ids.tolist()] == pytest.approx(
            ours.sparse_weights.tolist(), abs=5e-3
        )
