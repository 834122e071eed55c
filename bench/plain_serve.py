"""What one gets by putting FlagEmbedding behind `@serve.batch`, the peer of `python -m bench.serving --plain`.

`python -m bench.plain_serve` is that server: one text a request, batches of 64 requests, dense and sparse as JSON. It
has the batch size inside that suits it, all cores, and a loop that goes on taking requests while it computes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from shirabe.errors import Unavailable
from shirabe.ports import LOOPBACK, require_free_port
from shirabe.types import Output

OUTPUTS: Final[tuple[Output, ...]] = ("dense", "sparse")
CALLERS: Final = 64
START_S: Final = 300.0
STOP_S: Final = 30.0
_BATCH: Final = 64
# With the usual tenth of it, batches are of two or three texts, and half of their time is a probe pass.
_WAIT_S: Final = 0.1
_ONGOING: Final = 4 * CALLERS
_SAMPLE: Final = 128


@asynccontextmanager
async def plain_server(
    checkpoint: Path, device: str, state_dir: Path, timeout_s: float
) -> AsyncIterator[httpx.AsyncClient]:
    """Start the server, give a client of it, and stop it in the end. Raises: Unavailable when it does not start."""
    arguments = ["--checkpoint", str(checkpoint), "--device", device, "--state-dir", str(state_dir)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.plain_serve", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - asked for with PIPE
    assert process.stdout is not None  # noqa: S101 - asked for with PIPE
    try:
        async with asyncio.timeout(START_S):
            url = await _url(process.stdout)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=CALLERS)
        async with httpx.AsyncClient(base_url=url, timeout=timeout_s, limits=limits, trust_env=False) as http:
            yield http
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _url(stdout: asyncio.StreamReader) -> str:
    async for line in stdout:
        if line.startswith(b"http://"):
            return line.decode().strip()
    raise Unavailable("the plain Ray Serve deployment ended while starting")


async def ask(http: httpx.AsyncClient, text: str) -> None:
    """Have one text embedded."""
    (await http.post("/", json={"text": text})).raise_for_status()


def deployment(checkpoint: Path, device_name: str) -> Any:
    """Return the application. Ray must have been set up."""
    from ray import serve

    @serve.deployment(max_ongoing_requests=_ONGOING)
    class Plain:
        def __init__(self) -> None:
            import torch

            from bench.peers import FlagEmbedder, best_batch
            from bench.texts import mixed_passages
            from ray_app.checkpoint import read_checkpoint

            torch.set_num_threads(len(os.sched_getaffinity(0)))  # Ray tells a replica's process to use one
            self._peer = FlagEmbedder(read_checkpoint(checkpoint), torch.device(device_name))
            sample = mixed_passages(_SAMPLE)
            self._peer.batch = best_batch(self._peer, lambda: self._peer.encode(sample, "passage", OUTPUTS))

        @serve.batch(max_batch_size=_BATCH, batch_wait_timeout_s=_WAIT_S)
        async def embed(self, texts: list[str]) -> list[dict[str, Any]]:
            embedded = await asyncio.to_thread(self._peer.embed, texts, "passage", OUTPUTS)
            rows = zip(embedded["dense_vecs"], embedded["lexical_weights"], strict=True)
            return [
                {"dense": dense.tolist(), "sparse": {token: float(weight) for token, weight in sparse.items()}}
                for dense, sparse in rows
            ]

        async def __call__(self, request: Any) -> dict[str, Any]:
            answer: dict[str, Any] = await self.embed((await request.json())["text"])
            return answer

    return Plain.bind()  # type: ignore[attr-defined]


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.plain_serve", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    arguments = parser.parse_args()
    from ray_app import ray_node

    folder, token = ray_node.prepare(arguments.state_dir)

    import ray
    from ray import serve
    from ray.serve.config import HTTPOptions, ProxyLocation

    try:
        ray_node.start(folder, token, 0)
        port = require_free_port(LOOPBACK, 0)
        serve.start(proxy_location=ProxyLocation.HeadOnly, http_options=HTTPOptions(host=LOOPBACK, port=port))
        serve.run(deployment(arguments.checkpoint, arguments.device), name="plain", route_prefix="/")
        print(f"http://{LOOPBACK}:{port}", flush=True)
        sys.stdin.read()
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


if __name__ == "__main__":
    main()
