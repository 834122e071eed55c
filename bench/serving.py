"""`python -m bench.serving`: the served embedder against FlagEmbedding's BGEM3FlagModel on the same weights.

Ours answers over HTTP through Ray Serve, with all four outputs; the peer runs in this process, without a server, with
its three (dense, sparse, multi-vector), in fp32 and with the batch size that suits it best. The two take turns, so
whatever else the machine does falls on both. Figures are medians; the ratio is what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console
from rich.table import Table

from ray_app.checkpoint import read_checkpoint
from ray_app.client import ModelClient
from shirabe.cli.models_process import ModelsProcess, ensure_checkpoint
from shirabe.settings import load_settings
from shirabe.types import Output

OUTPUTS: Final[tuple[Output, ...]] = ("dense", "sparse", "tokens", "bits")
PEER: Final = "FlagEmbedding BGEM3FlagModel"
PEER_BATCHES: Final = (16, 64, 256)
MAX_TOKENS: Final = 512

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


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: seconds, lower is better."""

    what: str
    ours_s: float
    peer_s: float
    rounds: int

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.peer_s / self.ours_s


def mixed_passages(count: int, seed: int = 7) -> list[str]:
    """Return passages of log-normal length: many short ones, some paragraphs, a few that fill the model."""
    rng = random.Random(seed)
    return [
        " ".join(rng.choices(SENTENCES, k=max(1, min(24, round(rng.lognormvariate(0.9, 0.9)))))) for _ in range(count)
    ]


def corpus_passages(folder: Path, count: int, seed: int = 7) -> list[str]:
    """Return the text of `count` Markdown files under a folder, drawn at random."""
    files = sorted(folder.rglob("*.md"))
    chosen = random.Random(seed).sample(files, min(count, len(files)))
    return [path.read_text(encoding="utf-8") for path in chosen]


class Peer:
    """FlagEmbedding in this process."""

    def __init__(self, checkpoint: Path, prefixes: dict[str, str], device: torch.device) -> None:
        from FlagEmbedding import BGEM3FlagModel

        pooling = read_checkpoint(checkpoint).pooling
        self._model = BGEM3FlagModel(
            str(checkpoint), use_fp16=device.type == "cuda", devices=str(device), pooling_method=pooling
        )
        self._prefixes = prefixes
        self.batch = PEER_BATCHES[-1]

    def encode(self, texts: Sequence[str], kind: str) -> None:
        """Compute all three outputs of the texts."""
        self._model.encode(
            [self._prefixes[kind] + text for text in texts],
            batch_size=self.batch,
            max_length=MAX_TOKENS,
            return_dense=True,
            return_sparse=True,
            return_colbert_vecs=True,
        )

    def tune(self, texts: Sequence[str]) -> None:
        """Choose the batch size that is fastest for these texts."""
        times = {}
        for batch in PEER_BATCHES:
            self.batch = batch
            begun = time.perf_counter()
            self.encode(texts, "passage")
            times[batch] = time.perf_counter() - begun
        self.batch = min(times, key=lambda batch: times[batch])


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    """Return the seconds a piece of work takes."""
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


async def single_queries(client: ModelClient, peer: Peer, rounds: int) -> Row:
    """Compare one query at a time."""
    ours, theirs = [], []
    for number in range(rounds + 1):
        texts = [f"{question} {number}" for question in QUESTIONS]
        ours += [await timed(partial(client.embed, [text], "query", OUTPUTS)) for text in texts]
        theirs += [await timed(partial(asyncio.to_thread, peer.encode, [text], "query")) for text in texts]
    # The first round only warms both up.
    warm = len(QUESTIONS)
    return Row("one query", statistics.median(ours[warm:]), statistics.median(theirs[warm:]), rounds)


async def many_passages(client: ModelClient, peer: Peer, passages: Sequence[str], rounds: int) -> Row:
    """Compare a lot of passages at once."""
    peer.tune(passages[:64])
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(await timed(partial(client.embed, passages, "passage", OUTPUTS)))
        theirs.append(await timed(partial(asyncio.to_thread, peer.encode, passages, "passage")))
    what = f"{len(passages)} mixed passages (peer's batch: {peer.batch})"
    return Row(what, statistics.median(ours), statistics.median(theirs), rounds)


async def queries_during_ingest(client: ModelClient, passages: Sequence[str]) -> tuple[float, float]:
    """Return the median and the longest seconds a query takes while passages are being embedded."""
    ingest = asyncio.create_task(client.embed(passages, "passage", OUTPUTS))
    times: list[float] = []
    while not ingest.done():
        question = QUESTIONS[len(times) % len(QUESTIONS)]
        times.append(await timed(partial(client.embed, [question], "query", OUTPUTS)))
    await ingest
    return statistics.median(times), max(times)


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a model server and what it serves."""
    parser.add_argument("--url", help="a model server that runs already on this machine (with --checkpoint)")
    parser.add_argument("--checkpoint", type=Path, help="folder of the checkpoint that is served")


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line, those arguments in it; end the process when it is wrong."""
    arguments = parser.parse_args()
    if arguments.url is not None and arguments.checkpoint is None:
        parser.error("--url needs --checkpoint")
    return arguments


@asynccontextmanager
async def model_server(url: str | None, checkpoint: Path | None) -> AsyncIterator[tuple[str, Path]]:
    """Give the URL of a model server and its checkpoint folder; without a URL one is started."""
    if url is not None and checkpoint is not None:
        yield url, checkpoint
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as state:
        settings = load_settings(state_dir=Path(state))
        folder = checkpoint or await ensure_checkpoint(settings)
        server = ModelsProcess(settings, folder)
        try:
            yield (await server.start(0)).url, folder
        finally:
            await server.stop()


async def run(arguments: argparse.Namespace) -> None:
    """Run the comparisons and print them."""
    count: int = arguments.passages
    passages = corpus_passages(arguments.corpus, count) if arguments.corpus else mixed_passages(count)
    async with model_server(arguments.url, arguments.checkpoint) as (url, checkpoint):
        manifest = json.loads((checkpoint / "shirabe.json").read_text(encoding="utf-8"))
        peer = Peer(
            checkpoint, {kind: manifest[f"{kind}_prefix"] for kind in ("query", "passage")}, torch.device("cpu")
        )
        client = ModelClient(url, timeout_s=300)
        try:
            rows = [
                await single_queries(client, peer, arguments.query_rounds),
                await many_passages(client, peer, passages, arguments.rounds),
            ]
            median, longest = await queries_during_ingest(client, passages)
        finally:
            await client.close()
    show(rows, median, longest)
    if arguments.json:
        figures = [asdict(row) | {"ratio": row.ratio} for row in rows]
        result = {"rows": figures, "query_during_ingest_s": [median, longest]}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def show(rows: Sequence[Row], median: float, longest: float) -> None:
    """Print the comparisons as a table."""
    table = Table(title=f"Ray Serve over HTTP against {PEER} in process")
    for heading in ("what", "ours", "peer", "times faster", "rounds"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for row in rows:
        table.add_row(row.what, _seconds(row.ours_s), _seconds(row.peer_s), f"{row.ratio:.2f}", str(row.rounds))
    table.add_row("one query during ingest (median, longest)", f"{_seconds(median)}, {_seconds(longest)}", "", "", "1")
    Console().print(table)


def _seconds(value: float) -> str:
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__.splitlines()[0])
    add_server(parser)
    parser.add_argument("--corpus", type=Path, help="folder of .md files to embed instead of made-up passages")
    parser.add_argument("--passages", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3, help="rounds over the passages")
    parser.add_argument("--query-rounds", type=int, default=5, help=f"rounds of {len(QUESTIONS)} single queries")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asyncio.run(run(parse(parser)))


if __name__ == "__main__":
    main()
