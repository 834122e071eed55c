"""What the benchmarks of models compute on: questions, and passages of many lengths, made up or from files."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np

SENTENCES: Final = (
    "注文が取り消されると、引き当て済みの在庫はその場で倉庫へ戻される。",
    "The worker retries a failed delivery with exponential backoff and a jitter.",
    "請求書は締め日の翌営業日に、取引先ごとに一通だけ発行する。",
    "def allocate(order: Order, stock: Stock) -> Allocation: ...",
    "Every webhook carries a signature over its body and its timestamp.",
    "冪等キーが同じ要求は、最初の応答をそのまま返す。",
    "A snapshot is taken before each migration and kept for thirty days.",
    "障害時は待機系へ切り替え、切り替えた時刻を運用記録に残す。",
    "Points expire at the end of the month that follows their first anniversary.",
    "配送業者が集荷を終えると、注文の状態は「出荷済み」になる。",
)
QUESTIONS: Final = (
    "取り消した注文の在庫はいつ戻るか",
    "how are webhooks signed",
    "冪等キーとは",
    "OrderService.cancel",
    "請求書の発行日",
    "retry backoff policy",
    "migration snapshot retention",
    "ポイントの有効期限",
    "フェイルオーバーの手順",
    "出荷済みになる条件",
)

Lengths = Literal["short", "long", "512", "8192"]
LENGTHS: Final = get_args(Lengths)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Sentences of a passage: log-normal, `median` in the middle, `most` at most."""

    median: float
    sigma: float
    most: int


_SHAPES: Final[Mapping[Lengths, _Shape]] = {
    "short": _Shape(math.exp(0.9), 0.9, 24),
    # In tokens: median about 180, 95 % below 2 000, a few that fill 8 192.
    "long": _Shape(11.0, 1.46, 500),
    # Each longer than so many tokens, to be cut there.
    "512": _Shape(32.0, 0.0, 32),
    "8192": _Shape(480.0, 0.0, 480),
}


def mixed_passages(count: int, lengths: Lengths = "short", seed: int = 7) -> list[str]:
    """Return passages of log-normal length: many short ones, some paragraphs, a few that fill the model."""
    rng, shape = random.Random(seed), _SHAPES[lengths]
    drawn = (rng.lognormvariate(math.log(shape.median), shape.sigma) for _ in range(count))
    return [" ".join(rng.choices(SENTENCES, k=max(1, min(shape.most, round(sentences))))) for sentences in drawn]


def corpus_passages(folder: Path, count: int, seed: int = 7) -> list[str]:
    """Return the text of `count` Markdown files under a folder, drawn at random."""
    files = sorted(folder.rglob("*.md"))
    chosen = random.Random(seed).sample(files, min(count, len(files)))
    return [path.read_text(encoding="utf-8") for path in chosen]


def describe(tokens: Sequence[int]) -> str:
    """Return the distribution of texts' lengths in tokens, in words."""
    median, high = np.percentile(tokens, (50, 95))
    return f"{sum(tokens)} tokens (median {median:.0f}, p95 {high:.0f}, longest {max(tokens)})"
