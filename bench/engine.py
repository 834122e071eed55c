"""`python -m bench.engine`: the engine in this process against the libraries that run the same weights, on this device.

All sides take turns on the same texts: in every round each does the work once, in an order drawn anew. Each computes
the same outputs, with its best batch size and attention; what it took is the median. A library that is not installed,
or cannot run here, is a row that says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import tempfile
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import torch
from rich.console import Console
from transformers.utils import logging

from bench import contests
from bench.contest import Contest, Result, table
from bench.peers import EMBEDDERS, FLAG_AS_IT_COMES, FLAG_FROM_16, Peer, open_peer
from bench.rerankers import RERANKERS, OurCross, Scorer, open_reranker, write_like
from bench.sizes import BATCH_TOKENS, product_speed, read_sizes
from bench.texts import LENGTHS, QUESTIONS, describe, mixed_passages
from ray_app.checkpoint import Checkpoint, read_checkpoint
from ray_app.encoder import M3Encoder
from ray_app.token_budget import cut
from shirabe.cli.models_process import ensure_checkpoint
from shirabe.settings import Precision, load_settings
from shirabe.types import ALL_OUTPUTS, Output, TextKind

PAIRS: Final = 100
LENGTHS_HELP: Final = "of passages: median 50 tokens; median 180 and up to 8192; all above 512, or 8192 (--max-tokens)"
PRECISIONS: Final[Mapping[str, tuple[Precision, ...]]] = {"cpu": ("fp32", "bf16", "int8"), "cuda": ("fp16",)}
_GIVES_DENSE: Final = "sentence-transformers"
# On a CPU the best batch size is looked for on some of the passages only.
_SAMPLE: Final = {"cpu": 128, "cuda": 10_000}


class Engine:
    """Our encoder, with texts of like length in batches of a token budget."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, precision: Precision = "auto") -> None:
        self._encoder = M3Encoder(checkpoint, device, precision)
        self._budget = BATCH_TOKENS[device.type]

    def encode(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> None:
        """Compute outputs of the texts."""
        for batch in cut(sorted(self._encoder.encode_pre(texts, kind), key=len), len, self._budget):
            self._encoder.encode_post(self._encoder.encode_core(batch, outputs), outputs)

    def note(self, kind: TextKind) -> str:
        """Return the settings."""
        return f"batches of {self._budget} tokens" if kind == "passage" else ""

    def lengths(self, texts: Sequence[str], kind: TextKind) -> list[int]:
        """Return the tokens of each text."""
        return [len(ids) for ids in self._encoder.encode_pre(texts, kind)]


@contextmanager
def opened(
    names: Sequence[str],
    checkpoint: Checkpoint,
    device: torch.device,
    passages: Sequence[str],
    outputs: Collection[Output],
) -> Iterator[tuple[dict[str, Peer], list[Result]]]:
    """Give the peers that can run, and the rows of those that cannot."""
    sample = passages[: _SAMPLE[device.type]]
    found = {name: open_peer(name, checkpoint, device, sample, outputs) for name in names}
    peers = {name: peer for name, peer in found.items() if not isinstance(peer, Result)}
    try:
        yield peers, [peer for peer in found.values() if isinstance(peer, Result)]
    finally:
        for peer in peers.values():
            peer.close()


def embedding(checkpoint: Checkpoint, device: torch.device, arguments: argparse.Namespace) -> Iterator[Contest]:
    """Compare queries and passages with the peers that give the outputs asked for, then dense vectors."""
    outputs: tuple[Output, ...] = tuple(arguments.outputs)
    rounds: int = arguments.rounds
    passages = mixed_passages(arguments.passages, arguments.lengths)
    ours = {f"ours, {name}": Engine(checkpoint, device, name) for name in PRECISIONS[device.type]}
    exact = next(iter(ours.values()))
    lengths = exact.lengths(passages, "passage")
    print(f"{len(passages)} passages of {describe(lengths)}", flush=True)
    names = [name for name in arguments.peers if name != _GIVES_DENSE]
    with opened(names, checkpoint, device, passages, outputs) as (peers, absent):
        asked = exact.lengths(QUESTIONS, "query")
        # A batch of one is one, however large it might be.
        alone = {name: peer for name, peer in peers.items() if name not in (FLAG_FROM_16, FLAG_AS_IT_COMES)}
        contest = contests.one_query({**ours, **alone}, outputs, sum(asked) / len(asked), rounds)
        yield replace(contest, results=(*contest.results, *absent))
        contest = contests.many_passages({**ours, **peers}, passages, outputs, sum(lengths), rounds)
        yield replace(contest, results=(*contest.results, *absent))
    names = [name for name in arguments.peers if name == _GIVES_DENSE]
    with opened(names, checkpoint, device, passages, contests.DENSE_ONLY) as (peers, absent):
        contest = contests.dense_passages(exact, peers, passages, sum(lengths), rounds)
        yield replace(contest, results=(*contest.results, *absent))
    sizes = read_sizes(checkpoint.folder)
    done = sizes.operations(lengths) / contest.results[0].median
    most = product_speed(sizes, device)
    print(f"ours, dense: {done / 1e9:,.0f} GF/s, {done / most:.0%} of what the largest matrix product reaches\n")


def reranking(checkpoint: Checkpoint, device: torch.device, arguments: argparse.Namespace) -> Contest:
    """Compare cross-encoders of the embedder's sizes."""
    passages = mixed_passages(arguments.passages, arguments.lengths)[:PAIRS]
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary) / "reranker"
        write_like(checkpoint.folder, folder)
        ours = {f"ours, {name}": OurCross(folder, device, name) for name in PRECISIONS[device.type]}
        names = [name for name in arguments.peers if name in RERANKERS]
        found = {name: open_reranker(name, folder, device, QUESTIONS[0], passages) for name in names}
        sides: dict[str, Scorer] = {name: side for name, side in found.items() if not isinstance(side, Result)}
        tokens = next(iter(ours.values())).tokens(QUESTIONS[0], passages)
        contest = contests.pairs_reranked({**ours, **sides}, passages, tokens, arguments.rounds)
    absent = (side for side in found.values() if isinstance(side, Result))
    return replace(contest, results=(*contest.results, *absent))


def machine(device: torch.device) -> str:
    """Return what computes, in words."""
    named = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime"))
    precision = "peers in fp16" if device.type == "cuda" else "peers in fp32"
    return f"in this process, {device.type} ({named}), {torch.get_num_threads()} threads, {precision}, {versions}"


def show(contest: Contest, console: Console) -> None:
    """Print a contest; its ratios are against what is ours in it, or against our dense vectors."""
    ours = [result.name for result in contest.results if result.name.startswith("ours")]
    console.print(table(contest, [contests.DENSE] if contests.DENSE in ours else ours))


def default_device() -> torch.device:
    """Return the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def quiet() -> None:
    """Keep the peers from talking between the tables."""
    warnings.filterwarnings("ignore", module="transformers|sentence_transformers")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="folder with a shirabe.json; default: m3-mini")
    parser.add_argument("--device", type=torch.device, default=default_device())
    parser.add_argument("--passages", type=int, default=500)
    parser.add_argument("--lengths", choices=LENGTHS, default="short", help=LENGTHS_HELP)
    parser.add_argument("--max-tokens", type=int, help="longest input on all sides; default: the model's own")
    parser.add_argument("--outputs", nargs="+", choices=ALL_OUTPUTS, default=ALL_OUTPUTS)
    parser.add_argument("--peers", nargs="*", choices=list(EMBEDDERS), default=list(EMBEDDERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    if arguments.device.type == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch sees no GPU here")
    quiet()
    folder = arguments.checkpoint or asyncio.run(ensure_checkpoint(load_settings()))
    checkpoint = read_checkpoint(folder, arguments.max_tokens)
    device: torch.device = arguments.device
    console = Console(width=160)
    console.print(machine(device))
    held = []
    for contest in embedding(checkpoint, device, arguments):
        held.append(contest)
        show(contest, console)
    held.append(reranking(checkpoint, device, arguments))
    show(held[-1], console)
    if arguments.json:
        result = {"machine": machine(device), "contests": [asdict(contest) for contest in held]}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
