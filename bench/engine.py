"""`python -m bench.engine`: the engine in this process against the libraries that run the same weights, on this device.

Every comparison alternates the two sides for some rounds and prints the medians and the ratio. Both sides get the same
texts and compute the same outputs; the peers get the batch size that suits them best. The reranker is a random one of
m3-mini's size, because no trained one is bundled: random weights are as fast as trained ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import torch
from rich.console import Console
from rich.table import Table

from bench import checkpoints
from bench.serving import OUTPUTS, PEER_BATCHES, QUESTIONS, Peer, mixed_passages
from ray_app.checkpoint import read_checkpoint
from ray_app.cross_encoder import CrossEncoder
from ray_app.encoder import M3Encoder
from ray_app.token_budget import cut
from shirabe.cli.models_process import ensure_checkpoint
from shirabe.settings import Precision, load_settings
from shirabe.types import Output

BATCH_TOKENS: Final = {"cpu": 1024, "cuda": 16_384}
PAIRS: Final = 100
RERANK_TOKENS: Final = 512
_SHAPE: Final = checkpoints.Shape(384, 12, 12, 1536, vocabulary=250_037, positions=514)


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: medians in seconds, lower is better, and the seconds of each round."""

    what: str
    peer: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return statistics.median(self.theirs) / statistics.median(self.ours)


class Engine:
    """Our encoder, with texts of like length in batches of a token budget."""

    def __init__(self, checkpoint: Path, device: torch.device, precision: Precision = "auto") -> None:
        self._encoder = M3Encoder(read_checkpoint(checkpoint), device, precision)
        self._budget = BATCH_TOKENS[device.type]

    def query(self, text: str) -> None:
        """Compute all outputs of one query."""
        self._encoder.encode([text], "query", OUTPUTS)

    def passages(self, texts: Sequence[str], outputs: Sequence[Output] = OUTPUTS) -> None:
        """Compute the outputs of passages."""
        for batch in cut(sorted(self._encoder.encode_pre(texts, "passage"), key=len), len, self._budget):
            self._encoder.encode_post(self._encoder.encode_core(batch, outputs), outputs)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds a piece of work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def compare(what: str, peer: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> Row:
    """Warm both sides, then let them take turns."""
    ours(), theirs()
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            times[side].append(timed((ours, theirs)[side]))
    return Row(what, peer, tuple(times[0]), tuple(times[1]))


def embedding_rows(checkpoint: Path, device: torch.device, passages: Sequence[str], rounds: int) -> list[Row]:
    """Compare with BGEM3FlagModel on all outputs, and with sentence-transformers on dense vectors."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    manifest = json.loads((checkpoint / "shirabe.json").read_text(encoding="utf-8"))
    flag = Peer(checkpoint, {kind: manifest[f"{kind}_prefix"] for kind in ("query", "passage")}, device)
    flag.tune(passages[:64])
    engine = Engine(checkpoint, device)
    name = "FlagEmbedding BGEM3FlagModel"
    questions = [f"{question} {number}" for number in range(rounds) for question in QUESTIONS]
    for text in QUESTIONS:
        engine.query(text)
        flag.encode([text], "query")
    single = [(timed(partial(engine.query, text)), timed(partial(flag.encode, [text], "query"))) for text in questions]
    rows = [Row("one query, all outputs", name, tuple(a for a, _ in single), tuple(b for _, b in single))]
    many = f"{len(passages)} mixed passages"
    rows.append(
        compare(
            f"{many}, all outputs (peer's batch {flag.batch})",
            name,
            lambda: engine.passages(passages),
            lambda: flag.encode(passages, "passage"),
            rounds,
        )
    )
    lower: tuple[Precision, ...] = ("bf16", "int8") if device.type == "cpu" else ()
    for precision in lower:
        other = Engine(checkpoint, device, precision)
        # The peer's rounds of above serve again: only one side differs.
        other.passages(passages)
        ours = tuple(timed(partial(other.passages, passages)) for _ in range(rounds))
        rows.append(Row(f"{many}, all outputs, ours in {precision}", name, ours, rows[1].theirs))
    transformer = Transformer(str(checkpoint))
    dense = SentenceTransformer(
        modules=[transformer, Pooling(transformer.get_embedding_dimension())], device=str(device)
    )
    prefixed = [manifest["passage_prefix"] + text for text in passages]
    batch = min(PEER_BATCHES, key=lambda size: timed(lambda: dense.encode(prefixed[:64], batch_size=size)))
    rows.append(
        compare(
            f"{many}, dense only (peer's batch {batch})",
            "sentence-transformers",
            lambda: engine.passages(passages, ["dense"]),
            lambda: dense.encode(prefixed, batch_size=batch, normalize_embeddings=True, show_progress_bar=False),
            rounds,
        )
    )
    return rows


def reranking_row(tokenizer_from: Path, device: torch.device, passages: Sequence[str], rounds: int) -> Row:
    """Compare with FlagReranker on pairs of one query."""
    from FlagEmbedding import FlagReranker

    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary) / "reranker"
        checkpoints.write("bge-reranker-v2-m3", folder, tokenizer_from, _SHAPE)
        ours = CrossEncoder(folder, device, RERANK_TOKENS, Path(temporary))
        peer = FlagReranker(str(folder), use_fp16=device.type == "cuda", devices=str(device))
        texts = passages[:PAIRS]
        pairs = [(QUESTIONS[0], text) for text in texts]
        return compare(
            f"{PAIRS} pairs reranked",
            "FlagEmbedding FlagReranker",
            lambda: ours.score(QUESTIONS[0], texts, BATCH_TOKENS[device.type]),
            lambda: peer.compute_score(pairs, max_length=RERANK_TOKENS),
            rounds,
        )


def show(rows: Sequence[Row], device: torch.device) -> None:
    """Print the comparisons as a table."""
    table = Table(title=f"in this process, {device.type}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for heading in ("what", "ours", "peer's", "times faster", "rounds", "peer"):
        table.add_column(heading, justify="left" if heading in ("what", "peer") else "right")
    for row in rows:
        ours, theirs = statistics.median(row.ours), statistics.median(row.theirs)
        cells = (f"{ours * 1000:.1f} ms", f"{theirs * 1000:.1f} ms", f"{row.ratio:.2f}", str(len(row.ours)))
        table.add_row(row.what, *cells, row.peer)
    Console(width=150).print(table)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="folder with a shirabe.json; default: m3-mini")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--passages", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="transformers|sentence_transformers")
    checkpoint = arguments.checkpoint or asyncio.run(ensure_checkpoint(load_settings()))
    device = torch.device(arguments.device)
    passages = mixed_passages(arguments.passages)
    rows = embedding_rows(checkpoint, device, passages, arguments.rounds)
    rows.append(reranking_row(checkpoint, device, passages, arguments.rounds))
    show(rows, device)
    if arguments.json:
        result = [asdict(row) | {"ratio": row.ratio} for row in rows]
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
