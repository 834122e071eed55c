"""`python -m ray_app.fit_heads FOLDER... --out FILE`: fit what m3-mini's weights do not bring.

Sparse: ridge regression from a token's state to the square root of its idf among texts of its language. The root,
because a match counts the product of the query's weight and the passage's: with both at the root of idf the product is
idf, as in BM25. Centre: the mean token state, to be taken off every token's. e5's states all lie to one side (Mu and
Viswanath, All-but-the-Top, ICLR 2018): any two texts had a cosine near .8, and more than half of a token's bits had the
same sign in nine tokens of ten, and said nothing. The folders hold Markdown and text under a licence that permits it;
none of it ends up in the result but 769 numbers. Reproducible: the same folders give the same file.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save_file

from ray_app import m3_mini
from ray_app.checkpoint import read_checkpoint
from ray_app.encoder import M3Encoder
from ray_app.m3_mini import NO_HEADS, Heads
from ray_app.tokenizer import Ids

SUFFIXES: Final = frozenset({".md", ".txt", ".rst"})
DIM: Final = 384
_KANA: Final = re.compile("[\u3040-\u30ff]")
_FRONT_MATTER: Final = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_CHUNK_CHARS: Final = 700
_LONGEST_CHARS: Final = 1400
_SHORTEST_CHARS: Final = 40
_BATCH_TEXTS: Final = 8

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """The numbers found, and how well the sparse one fits (R squared) how many tokens."""

    heads: Heads
    r2: float
    tokens: int


def read_chunks(folders: Sequence[Path]) -> list[str]:
    """Return the texts under the folders in pieces of a few paragraphs."""
    files = sorted(
        path for folder in folders for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file()
    )
    return [chunk for path in files for chunk in _chunks(path.read_text(encoding="utf-8", errors="replace"))]


def _chunks(text: str) -> Iterator[str]:
    current = ""
    for paragraph in re.split(r"\n\s*\n", _FRONT_MATTER.sub("", text)):
        if current and len(current) + len(paragraph) > _CHUNK_CHARS:
            yield current
            current = ""
        current = f"{current}\n\n{paragraph}".strip()[:_LONGEST_CHARS]
    if len(current) >= _SHORTEST_CHARS:
        yield current


def targets(chunks: Sequence[str], ids: Sequence[Ids], specials: Ids) -> list[Doubles]:
    """Return for each chunk the root of the idf of its tokens, float64 (tokens,); special tokens have 0.

    Two languages in one collection would make each other's commonest tokens look rare, so each is counted by itself.
    """
    japanese = [bool(_KANA.search(chunk)) for chunk in chunks]
    texts = Counter(japanese)
    found: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}
    for one, language in zip(ids, japanese, strict=True):
        found[language].update(set(one.tolist()))
    result = []
    for one, language in zip(ids, japanese, strict=True):
        frequency = np.array([found[language][token] for token in one.tolist()], np.float64)
        idf = np.log1p((texts[language] - frequency + 0.5) / (frequency + 0.5))
        result.append(np.where(np.isin(one, specials), 0.0, np.sqrt(idf)))
    return result


def fit(encoder: M3Encoder, ids: Sequence[Ids], wanted: Sequence[Doubles], penalty: float) -> Fit:
    """Return the ridge regression of the tokens' targets on their states, and the mean state."""
    # The last row and column stand for the constant 1; sums are all that is kept of the states.
    gram = np.zeros((DIM + 1, DIM + 1))
    cross = np.zeros(DIM + 1)
    square, total, tokens = 0.0, 0.0, 0
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    for start in range(0, len(order), _BATCH_TEXTS):
        batch = order[start : start + _BATCH_TEXTS]
        states = encoder.encode_core([ids[index] for index in batch], ["tokens"]).vectors
        if states is None:
            raise RuntimeError("the encoder gave no token states")
        rows = np.hstack([states.astype(np.float64), np.ones((len(states), 1))])
        goal = np.concatenate([wanted[index] for index in batch])
        gram += rows.T @ rows
        cross += rows.T @ goal
        square += float(goal @ goal)
        total += float(goal.sum())
        tokens += len(goal)
    ridge = penalty * np.eye(DIM + 1)
    ridge[-1, -1] = 0.0
    solution = np.linalg.solve(gram + ridge, cross)
    residual = square - 2 * float(solution @ cross) + float(solution @ gram @ solution)
    r2 = 1 - residual / (square - total**2 / tokens)
    mean = gram[-1, :-1] / tokens
    heads = Heads(
        sparse_weight=solution[None, :-1].astype(np.float32),
        sparse_bias=(solution[-1:] + solution[:-1] @ mean).astype(np.float32),
        token_mean=mean.astype(np.float32),
    )
    return Fit(heads, r2, tokens)


def main() -> None:
    """Fit the heads to the folders on the command line and write them."""
    parser = argparse.ArgumentParser(prog="python -m ray_app.fit_heads", description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="folders of Markdown and text")
    parser.add_argument("--out", type=Path, default=m3_mini.HEADS)
    parser.add_argument("--chunks", type=int, default=2000, help="chunks whose states are fitted; all count for idf")
    parser.add_argument("--penalty", type=float, default=10.0)
    arguments = parser.parse_args()
    chunks = read_chunks(arguments.folders)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "headless"
        m3_mini.build(folder, NO_HEADS, "headless")
        encoder = M3Encoder(read_checkpoint(folder), torch.device("cpu"), "fp32")
        ids = encoder.encode_pre(chunks, "passage")
        wanted = targets(chunks, ids, encoder.specials)
        # Japanese is the smaller part of most collections; half and half serves both.
        chosen = _balanced(chunks, arguments.chunks)
        found = fit(encoder, [ids[index] for index in chosen], [wanted[index] for index in chosen], arguments.penalty)
    metadata = {"target": "sqrt(idf) per language", "r2": f"{found.r2:.3f}", "tokens": str(found.tokens)}
    save_file(asdict(found.heads), arguments.out, metadata=metadata)
    arguments.out.chmod(0o644)  # safetensors leaves it to its owner alone
    print(f"{len(chosen)} of {len(chunks)} chunks, {found.tokens} tokens, R2 {found.r2:.3f}")  # noqa: T201


def _balanced(chunks: Sequence[str], count: int) -> list[int]:
    """Draw chunks, half of them Japanese where there are enough."""
    rng = random.Random(0)  # noqa: S311 - a sample, not a secret
    japanese = [index for index, chunk in enumerate(chunks) if _KANA.search(chunk)]
    others = [index for index, chunk in enumerate(chunks) if not _KANA.search(chunk)]
    half = min(count // 2, len(japanese))
    return sorted(rng.sample(japanese, half) + rng.sample(others, min(count - half, len(others))))


if __name__ == "__main__":
    main()
