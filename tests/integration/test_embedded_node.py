"""The embedded node for real: it starts, searches, survives kills, and is gone when we are gone.

The engine's artifacts come from the default cache, or from SHIRABE_TEST_CACHE.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from opensearch.node import EmbeddedNode
from opensearch.node_config import Folders
from shirabe.errors import InvalidInput, Unavailable
from shirabe.settings import OpenSearchSettings, default_cache_dir, load_settings

CACHE = Path(os.environ.get("SHIRABE_TEST_CACHE") or default_cache_dir())
SHIPPED = OpenSearchSettings(heap_mb=512)
SETTINGS = load_settings(opensearch={"heap_mb": 512}).opensearch
"""As every test's engine, with what `tests/conftest.py` asks of its JVM."""


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A folder that the engine's user can enter; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="shirabe-node-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def node(state_dir: Path, request: pytest.FixtureRequest) -> AsyncIterator[EmbeddedNode]:
    one = EmbeddedNode(getattr(request, "param", SETTINGS), state_dir, CACHE)
    yield one
    await one.stop()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        yield client


async def ended(process: int, seconds: float = 30) -> None:
    """Wait until a process, held by a descriptor, has ended; a zombie has."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process, over.set)
    try:
        await asyncio.wait_for(over.wait(), seconds)
    finally:
        loop.remove_reader(process)


INDEX = {
    "settings": {
        "number_of_replicas": 0,
        "index.knn": True,
        "analysis": {"analyzer": {"ja": {"type": "custom", "tokenizer": "kuromoji_tokenizer"}}},
    },
    "mappings": {
        "dynamic": "strict",
        "properties": {
            "text": {"type": "text", "analyzer": "ja", "fields": {"th": {"type": "text", "analyzer": "thai"}}},
            "sparse": {"type": "rank_features"},
            "dense": {
                "type": "knn_vector",
                "dimension": 3,
                "method": {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"},
            },
        },
    },
}


@pytest.mark.parametrize("node", [SHIPPED], ids=["shipped"], indirect=True)
async def test_a_node_serves_what_shirabe_needs_and_survives_a_kill(
    node: EmbeddedNode, http: httpx.AsyncClient, state_dir: Path
) -> None:
    url = await node.start()
    assert url == node.url == await node.start(), "a second call returns the running one"
    assert url.startswith("http://127.0.0.1:")
    pid = node.pid
    assert pid is not None and node.alive
    process = psutil.Process(pid)
    assert 0 not in (*process.uids(), *process.gids()), "never root"
    assert {c.laddr.ip.removeprefix("::ffff:") for c in process.net_connections() if c.status == "LISTEN"} == {
        "127.0.0.1"
    }
    assert "SHIRABE" not in " ".join(process.environ())

    assert (await http.put(f"{url}/spec", json=INDEX)).status_code == 200
    tokens = (await http.post(f"{url}/spec/_analyze", json={"analyzer": "ja", "text": "注文履歴を取得"})).json()
    assert [t["token"] for t in tokens["tokens"]] == ["注文", "履歴", "を", "取得"]
    thai = (await http.post(f"{url}/spec/_analyze", json={"analyzer": "thai", "text": "สวัสดีชาวโลก"})).json()
    assert len(thai["tokens"]) > 1, "segmented: the runtime has the Thai data"
    document = {"text": "注文履歴を取得する", "dense": [1.0, 0.0, 0.5], "sparse": {"17": 1.5}}
    assert (await http.put(f"{url}/spec/_doc/1", json=document)).status_code == 201
    assert (await http.put(f"{url}/absent/_doc/1", json=document)).status_code == 404, "no index by itself"

    process.kill()
    assert await node.wait_dead() == -signal.SIGKILL
    assert not node.alive and node.pid is None and node.url is None

    assert await node.start() == url, "clients find it where it was"
    await http.post(f"{url}/spec/_refresh")
    for query in (
        {"match": {"text": "注文"}},
        {"knn": {"dense": {"vector": [1, 0, 0], "k": 1}}},
        {"rank_feature": {"field": "sparse.17"}},
    ):
        found = (await http.post(f"{url}/spec/_search", json={"query": query})).json()
        assert [hit["_id"] for hit in found["hits"]["hits"]] == ["1"], "what was acknowledged is not lost"

    second = EmbeddedNode(SETTINGS, state_dir, CACHE)
    with pytest.raises(InvalidInput, match=rf"process {node.pid}, started by process {os.getpid()}"):
        await second.start()
    assert node.alive and not second.alive
    await second.stop()
    assert (await http.get(url)).status_code == 200, "a refused second one stops nothing"

    pid = node.pid
    await node.stop()
    await node.stop()
    assert pid is not None and not psutil.pid_exists(pid) and not node.alive
    assert "closed" in node.log_path.read_text(encoding="utf-8").splitlines()[-1], "it was asked, not killed"


PARENT = """
import asyncio, sys
from pathlib import Path
from opensearch.node import EmbeddedNode
from shirabe.settings import load_settings

async def main():
    node = EmbeddedNode(load_settings(opensearch={"heap_mb": 512}).opensearch, Path(sys.argv[1]), Path(sys.argv[2]))
    await node.start()
    print(node.pid, file=sys.stderr, flush=True)
    await node.wait_dead()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends the node with its parent on Linux only")
async def test_no_node_outlives_a_parent_that_is_killed(state_dir: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PARENT,
        str(state_dir),
        str(CACHE),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert parent.stderr is not None
    process = os.pidfd_open(int(await asyncio.wait_for(parent.stderr.readline(), 180)))
    try:
        parent.kill()
        await parent.wait()
        await ended(process)
    finally:
        os.close(process)


async def test_a_node_that_outlived_its_parent_is_ended_and_its_data_taken_over(
    node: EmbeddedNode, state_dir: Path, http: httpx.AsyncClient
) -> None:
    url = await node.start()
    assert (await http.put(f"{url}/kept", json={"settings": {"number_of_replicas": 0}})).status_code == 200
    # The lock goes with its holder, and the node stays: a kill on a system where the kernel does not end both.
    (state_dir / "opensearch" / "owner.lock").unlink()
    heir = EmbeddedNode(SETTINGS, state_dir, CACHE)
    try:
        url = await heir.start()
        await asyncio.wait_for(node.wait_dead(), 5)
        assert not node.alive
        assert (await http.head(f"{url}/kept")).status_code == 200
    finally:
        await heir.stop()


async def test_a_taken_port_is_named_before_anything_is_launched(state_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        node = EmbeddedNode(SETTINGS.model_copy(update={"port": port}), state_dir, CACHE)
        with pytest.raises(InvalidInput, match=f"port {port}") as caught:
            await node.start()
    assert caught.value.place == "opensearch.port"
    assert not node.alive and not (state_dir / "opensearch" / "node.json").exists()


async def test_a_node_that_cannot_start_says_why(node: EmbeddedNode, state_dir: Path) -> None:
    folders = Folders(state_dir / "opensearch")
    folders.data.mkdir(parents=True)
    (folders.data / "nodes").write_text("not a folder")
    with pytest.raises(Unavailable, match="ended before it was ready with status") as caught:
        await node.start()
    assert str(folders.log_file) in caught.value.message
    assert "nodes" in caught.value.message, "the reason, from the log"
    assert not node.alive
    (folders.data / "nodes").unlink()
    assert await node.start() == node.url


async def test_a_start_that_is_given_up_leaves_no_process_and_no_owner(
    node: EmbeddedNode, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    launch = asyncio.create_subprocess_exec

    async def tell(*command: str, **options: Any) -> asyncio.subprocess.Process:
        process = await launch(*command, **options)
        launched.set_result(process.pid)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", tell)
    starting = asyncio.create_task(node.start())
    pid = await asyncio.wait_for(launched, 60)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not psutil.pid_exists(pid) and not node.alive
    assert not (state_dir / "opensearch" / "node.json").exists()
