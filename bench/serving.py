"""`python -m bench.serving`: what Ray Serve over HTTP leaves of the engine's speed, and ingest of a query's.

Three comparisons, their sides in turns, so that whatever else the machine does falls on each. Ours, served, against
FlagEmbedding in this process, all outputs. Requests of 32 texts by several callers at once, against the same engine in
this process on the same requests, while the server is idle. A query while callers keep the server full, against a query
alone. The callers run on the machine that serves, so what they do counts too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console

from bench import plain_serve
from bench.contest import Contest, Contestant, table, take_turns
from bench.engine import LENGTHS_HELP, Engine, default_device, machine, opened, quiet
from bench.ingest_load import Latencies, each_once, latency_table, queries_beside_ingest, served
from bench.plain_serve import plain_server
from bench.server import Server, add_server, model_server, parse
from bench.texts import LENGTHS, QUESTIONS, corpus_passages, describe, mixed_passages
from ray_app.checkpoint import read_checkpoint
from ray_app.client import ModelClient
from ray_app.precision import dtype_name
from shirabe.types import ALL_OUTPUTS, Output, TextKind

TEXTS_A_REQUEST: Final = 32
SERVED: Final = "ours, served"
IN_PROCESS: Final = "ours, in process, the same requests"
TIMEOUT_S: Final = 300.0


class Bench:
    """One server, one checkpoint, one list of passages."""

    def __init__(self, server: Server, client: ModelClient, arguments: argparse.Namespace) -> None:
        self._client = client
        self._checkpoint = read_checkpoint(server.checkpoint)
        self._device: torch.device = arguments.device
        self._precision = server.precision
        self._engine = Engine(self._checkpoint, self._device, server.precision)
        self._callers: int = arguments.callers
        self._rounds: int = arguments.rounds
        count: int = arguments.passages
        self._passages = (
            corpus_passages(arguments.corpus, count) if arguments.corpus else mixed_passages(count, arguments.lengths)
        )
        cut = range(0, len(self._passages), TEXTS_A_REQUEST)
        self._requests = [self._passages[start : start + TEXTS_A_REQUEST] for start in cut]
        self._lengths = self._engine.lengths(self._passages, "passage")

    def describe(self) -> str:
        """Return what is sent, in words."""
        dtype = dtype_name(self._precision, self._device, self._checkpoint.family)
        return (
            f"served in {dtype}: {len(self._passages)} passages of {describe(self._lengths)}, {self._callers} callers"
        )

    async def against_peer(self) -> list[Contest]:
        """Compare one query, and all passages, with FlagEmbedding in this process."""
        loop = asyncio.get_running_loop()

        def embed(kind: TextKind, texts: Sequence[str]) -> None:
            waiting(loop, partial(self._client.embed, texts, kind, ALL_OUTPUTS))

        def compare() -> list[Contest]:
            held = []
            names = ["FlagEmbedding"]
            with opened(names, self._checkpoint, self._device, self._passages, ALL_OUTPUTS) as (peers, absent):
                for what, kind, pieces, tokens in self._works():
                    sides = [Contestant(SERVED, partial(embed, kind), str)]
                    sides += [
                        Contestant(f"{name}, in process", partial(_encode, peer.encode, kind), partial(peer.note, kind))
                        for name, peer in peers.items()
                    ]
                    results = take_turns(sides, pieces, self._rounds)
                    held.append(Contest(f"{what}: all outputs", tokens, (*results, *absent)))
            return held

        return await asyncio.to_thread(compare)

    def _works(self) -> list[tuple[str, TextKind, list[list[str]], float]]:
        asked = self._engine.lengths(QUESTIONS, "query")
        return [
            ("one query", "query", [[question] for question in QUESTIONS], sum(asked) / len(asked)),
            (f"{len(self._passages)} passages", "passage", [self._passages], sum(self._lengths)),
        ]

    async def against_engine(self) -> Contest:
        """Compare requests of 32 texts with the same engine in this process."""
        loop = asyncio.get_running_loop()

        def by_requests(requests: Sequence[Sequence[str]]) -> None:
            for texts in requests:
                self._engine.encode(texts, "passage", ALL_OUTPUTS)

        def at_once(_requests: Sequence[Sequence[str]]) -> None:
            self._engine.encode(self._passages, "passage", ALL_OUTPUTS)

        def over_http(requests: Sequence[Sequence[str]]) -> None:
            waiting(loop, partial(served, self._client, requests, self._callers))

        sides = [
            Contestant(SERVED, over_http, str),
            Contestant(IN_PROCESS, by_requests, str),
            Contestant("ours, in process, all passages at once", at_once, str),
        ]
        results = await asyncio.to_thread(take_turns, sides, [self._requests], self._rounds)
        return Contest(f"requests of {TEXTS_A_REQUEST} texts: all outputs", sum(self._lengths), tuple(results))

    async def against_plain(self) -> Contest:
        """Compare single texts, 64 at once, with FlagEmbedding behind `@serve.batch`."""
        loop = asyncio.get_running_loop()

        async def ours(text: str) -> None:
            await self._client.embed([text], "passage", plain_serve.OUTPUTS)

        def sent(send: Callable[[str], Awaitable[None]], texts: Sequence[str]) -> None:
            waiting(loop, partial(each_once, texts, send, plain_serve.CALLERS))

        with tempfile.TemporaryDirectory(prefix="bench-") as state:
            folder, device = self._checkpoint.folder, str(self._device)
            async with plain_server(folder, device, Path(state), TIMEOUT_S) as http:
                sides = [
                    Contestant(SERVED, partial(sent, ours), str),
                    Contestant("FlagEmbedding, @serve.batch", partial(sent, partial(plain_serve.ask, http)), str),
                ]
                results = await asyncio.to_thread(take_turns, sides, [self._passages], self._rounds)
        what = f"one text a request, {plain_serve.CALLERS} at once: dense and sparse"
        return Contest(what, sum(self._lengths), tuple(results))

    async def beside_ingest(self, queries: int) -> Latencies:
        """Time queries alone and beside ingest."""
        return await queries_beside_ingest(self._client, self._requests, self._callers, queries, self._rounds)


def waiting(loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Run a coroutine on the loop of another thread, and wait for it."""
    asyncio.run_coroutine_threadsafe(work(), loop).result()


def _encode(
    encode: Callable[[Sequence[str], TextKind, Collection[Output]], None], kind: TextKind, texts: Sequence[str]
) -> None:
    encode(texts, kind, ALL_OUTPUTS)


async def run(arguments: argparse.Namespace) -> None:
    """Run the comparisons and print them."""
    console = Console(width=140)
    async with model_server(arguments) as server:
        client = ModelClient(server.url, timeout_s=TIMEOUT_S)
        try:
            bench = Bench(server, client, arguments)
            console.print(f"{machine(arguments.device)}\n{bench.describe()}")
            held = await bench.against_peer()
            engine = await bench.against_engine()
            plain = [await bench.against_plain()] if arguments.plain else []
            held += [engine, *plain]
            for contest in held:
                console.print(table(contest, [SERVED]))
            kept = engine.ratio(IN_PROCESS, SERVED)
            console.print(f"through Ray Serve: {kept:.2f} of the texts a second of the same requests in this process")
            seen = await bench.beside_ingest(arguments.queries)
        finally:
            await client.close()
    alone = arguments.passages / engine.results[0].median
    console.print(latency_table(seen, alone))
    if arguments.json:
        result = {
            "machine": machine(arguments.device),
            "contests": [asdict(contest) for contest in held],
            "query": asdict(seen),
            "ingest_alone_texts_s": alone,
        }
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__.splitlines()[0])
    add_server(parser)
    parser.add_argument("--device", type=torch.device, default=default_device(), help="what the server computes on")
    parser.add_argument("--corpus", type=Path, help="folder of .md files to embed instead of made-up passages")
    parser.add_argument("--passages", type=int, default=500)
    parser.add_argument("--lengths", choices=LENGTHS, default="short", help=LENGTHS_HELP)
    parser.add_argument("--callers", type=int, default=4, help="requests of passages at once")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=300, help="queries timed alone, and beside ingest")
    parser.add_argument("--plain", action="store_true", help="compare with FlagEmbedding behind @serve.batch, too")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parse(parser)
    quiet()
    asyncio.run(run(arguments))


if __name__ == "__main__":
    main()
