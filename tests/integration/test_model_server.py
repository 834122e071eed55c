"""The model server as a process: its HTTP, its secrets, and that nothing of it stays behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from bench.checkpoints import Kind, Shape, write
from shirabe.cli.models_process import Ready

GONE_S = 30.0


@pytest.fixture
def http(models_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=models_url, timeout=30) as client:
        yield client


def _problem(response: httpx.Response, status: int) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert body["status"] == status
    assert body["detail"]
    return body


def _encode(**changes: object) -> dict[str, object]:
    return {"texts": ["在庫"], "kind": "query", "outputs": ["dense"]} | changes


def test_it_says_what_it_serves(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    info = http.get("/m3/info").json()
    assert info["name"] == "m3-mini"
    assert info["dim"] == 384
    assert info["max_tokens"] == 512
    assert info["outputs"] == ["dense", "sparse", "tokens", "bits"]
    assert info["prefixes"] == {"query": "query: ", "passage": "passage: "}
    assert info["reranker"] is False
    assert http.get("/info").json()["model_dtype"] == "float32"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"texts": []}, "texts"),
        ({"texts": [1]}, "texts.0"),
        ({"kind": "title"}, "kind"),
        ({"outputs": []}, "outputs"),
        ({"outputs": ["colbert"]}, "outputs.0"),
        ({"lane": "fast"}, "lane"),
        ({"model": "other"}, "model"),
    ],
)
def test_bad_input_is_named(http: httpx.Client, change: dict[str, object], place: str) -> None:
    assert _problem(http.post("/m3/encode", json=_encode(**change)), 400)["place"] == place


def test_what_is_not_json_is_refused(http: httpx.Client) -> None:
    _problem(http.post("/m3/encode", content=b'{"texts": ["\\ud800"], "kind": "query", "outputs": ["dense"]}'), 400)
    _problem(http.post("/m3/encode", content=b"\xff"), 400)


def test_caps(http: httpx.Client) -> None:
    assert _problem(http.post("/m3/encode", json=_encode(texts=["a"] * 2049)), 413)["place"] == "texts"
    assert _problem(http.post("/m3/encode", json=_encode(texts=["a" * 4_000_001])), 413)["place"] == "texts"


def test_unknown_routes(http: httpx.Client) -> None:
    _problem(http.get("/m3/encode"), 404)
    _problem(http.get("/admin"), 404)
    _problem(http.post("/m3/rerank", json={"query": "a", "passages": ["b"]}), 404)


def test_the_token_is_the_owner_s_alone(models_ready: Ready) -> None:
    assert models_ready.token_path is not None
    assert stat.S_IMODE(models_ready.token_path.stat().st_mode) == 0o600
    assert len(models_ready.token_path.read_text()) >= 32


def test_the_dashboard_wants_the_token(models_ready: Ready) -> None:
    assert models_ready.dashboard_url is not None
    assert models_ready.token_path is not None
    url = f"{models_ready.dashboard_url}/api/version"
    assert httpx.get(url).status_code == 401
    token = models_ready.token_path.read_text()
    assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 200


def _server_command(tmp_path: Path, checkpoint: Path, **config: object) -> list[str]:
    settings = {"model": str(checkpoint), "state_dir": str(tmp_path)} | config
    return [sys.executable, "-m", "ray_app.server", "--config", json.dumps(settings)]


async def _start(tmp_path: Path, checkpoint: Path) -> tuple[asyncio.subprocess.Process, list[psutil.Process]]:
    process = await asyncio.create_subprocess_exec(
        *_server_command(tmp_path, checkpoint),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    async with asyncio.timeout(180):
        Ready.model_validate_json(await process.stdout.readline())
    own = psutil.Process(process.pid)
    return process, [own, *own.children(recursive=True)]


async def _assert_gone(process: asyncio.subprocess.Process, family: list[psutil.Process]) -> None:
    async with asyncio.timeout(GONE_S):
        await process.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, GONE_S)
    assert [one.cmdline() for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


async def test_it_listens_on_loopback_and_nothing_survives_when_it_is_killed(tmp_path: Path, checkpoint: Path) -> None:
    process, family = await _start(tmp_path, checkpoint)
    # Only loopback is listened on, but for one port of Serve that wants the token.
    listening = {
        connection.laddr.ip
        for one in family
        for connection in one.net_connections("tcp")
        if connection.status == "LISTEN"
    }
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1", "::"}
    # The server itself: whoever is in front of it takes down what it left. That one is killed by `down`'s tests.
    [server] = psutil.Process(process.pid).children()
    server.kill()
    await _assert_gone(process, family)
    assert process.returncode == 128 + signal.SIGKILL


async def test_a_taken_port_is_said(tmp_path: Path, checkpoint: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *_server_command(tmp_path, checkpoint, port=port),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            _, stderr = await process.communicate()
    assert process.returncode == 3
    assert f"models.port: port {port}" in stderr.decode()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("setting", "kind", "file"),
    [
        ("model", "bge-m3", "config.json"),
        ("model", "bge-m3", "colbert_linear.pt"),
        ("model", "bge-m3", "pytorch_model.bin"),
        ("reranker", "bge-reranker-v2-m3", "model.safetensors"),
    ],
)
@pytest.mark.parametrize("harm", ["missing", "cut short"])
async def test_a_bad_checkpoint_is_said_before_ray_starts(
    tmp_path: Path, checkpoint: Path, setting: str, kind: Kind, file: str, harm: str
) -> None:
    folder = tmp_path / "random"
    write(kind, folder, checkpoint, Shape(8, 1, 2, 16, vocabulary=10, positions=18))
    (folder / file).unlink() if harm == "missing" else os.truncate(folder / file, (folder / file).stat().st_size // 2)
    process = await asyncio.create_subprocess_exec(
        *_server_command(tmp_path / "state", checkpoint, cache_dir=str(tmp_path / "cache"), **{setting: str(folder)}),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        _, stderr = await process.communicate()
    assert process.returncode == 4
    assert file in stderr.decode()
    assert "Traceback" not in stderr.decode()
    assert not (tmp_path / "state").exists()
