"""The README's commands, as a user runs them: one `shirabe up`, everything else against it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import psutil
import pytest
from fake_vendors import KEY, FakeVendor, fake_openai

ROOT = Path(__file__).resolve().parents[2]
SHIRABE = str(Path(sys.executable).with_name("shirabe"))
UP_TIMEOUT_S = 300
COMMAND_TIMEOUT_S = 180


@dataclass(frozen=True)
class Running:
    """A running Shirabe and how to give it commands."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    ready: dict[str, Any]

    def run(self, *arguments: str, code: int = 0) -> str:
        done = self._done(arguments, code)
        return done.stdout + done.stderr

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self._done((*arguments, "--json"), code).stdout)

    def _done(self, arguments: Sequence[str], code: int) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [SHIRABE, *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


def git(repository: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=repository, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def vendor() -> Iterator[FakeVendor]:
    """A provider of models, in a thread of its own: what runs `shirabe` here blocks."""
    loop, ready, stop = asyncio.new_event_loop(), Queue[FakeVendor](), asyncio.Event()

    async def serve() -> None:
        async with fake_openai() as server:
            ready.put(server)
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    yield ready.get(timeout=30)
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    loop.close()


@pytest.fixture(scope="module")
def running(session_dir: Path, vendor: FakeVendor) -> Iterator[Running]:
    key = session_dir / "vendor.key"
    key.write_text(KEY, encoding="utf-8")
    environment = {
        **os.environ,
        "SHIRABE_STATE_DIR": str(session_dir / "e2e"),
        "SHIRABE_OPENSEARCH__HEAP_MB": "512",
        "SHIRABE_MODELS__PROVIDER_URL": vendor.url,
        "SHIRABE_MODELS__PROVIDER_KEY_FILE": str(key),
    }
    process = subprocess.Popen(
        [SHIRABE, "up", "--port", "0", "--json"],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    text = ""
    try:
        for line in process.stdout:
            text += line
            if line.startswith("}"):
                break
        assert text, f"`up` ended with {process.wait(UP_TIMEOUT_S)}"
        yield Running(process, environment, json.loads(text))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(UP_TIMEOUT_S)
        process.stdout.close()


@pytest.fixture(scope="module")
def repository(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notes")
    git(folder, "init", "-q")
    (folder / "orders.md").write_text("# 受注\n\n受注番号は十二桁で、先頭の二桁は拠点を表す。\n", encoding="utf-8")
    (folder / "retry.md").write_text("# Retry\n\nThe client retries with exponential backoff.\n", encoding="utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    running.run("ingest", str(folder), "--name", "notes")
    return folder


def paths(running: Running, query: str, *arguments: str) -> list[str]:
    return [hit["path"] for hit in running.json("search", query, *arguments)["hits"]]


def test_finds_in_both_languages(running: Running, repository: Path) -> None:
    assert paths(running, "注文の番号は何桁？")[0] == "orders.md"
    assert paths(running, "how long does a client wait before it tries again")[0] == "retry.md"


def test_a_change_is_found_after_the_next_sync_and_what_is_deleted_is_gone(running: Running, repository: Path) -> None:
    (repository / "shipping.md").write_text("# 出荷\n\n冷凍便の締め切りは午前九時。\n", encoding="utf-8")
    (repository / "retry.md").unlink()
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "two")
    report = running.json("sync", "notes")[0]
    assert (report["documents"], report["deleted"]) == (1, 1)
    assert paths(running, "冷凍便はいつまで？")[0] == "shipping.md"
    assert "retry.md" not in paths(running, "exponential backoff")
    assert running.json("sync", "notes")[0]["embedded"] == 0
    drift = running.json("drift", "notes")
    assert (drift["missing"], drift["extra"], drift["outdated"]) == ([], [], [])


def test_an_invalid_openapi_file_is_reported_and_the_rest_goes_on(running: Running, tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("# Warehouse\n\nPallets are counted on Fridays.\n", encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(
        "openapi: 3.0.3\ninfo:\n  title: x\n  version: '1'\npaths: 7\n", encoding="utf-8"
    )
    report = running.json("ingest", str(tmp_path), "--name", "mixed", code=1)[0]
    assert [failure["path"] for failure in report["failures"]] == ["bad.yaml"]
    assert "bad.yaml" in report["failures"][0]["reason"]
    assert paths(running, "when are pallets counted")[0] == "good.md"


def test_a_file_of_sources_is_made_true(running: Running, tmp_path: Path) -> None:
    for name in ("menu", "rules"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text(f"# {name}\n\nThe {name} of the canteen.\n", encoding="utf-8")
    file = tmp_path / "sources.yaml"
    file.write_text("sources: {menu: {location: menu}, rules: {location: rules}}\n", encoding="utf-8")
    named = ("menu", "rules", "--sources", str(file))
    assert "added menu, rules" in running.run("sync", *named)
    file.write_text("sources: {menu: {location: menu}}\n", encoding="utf-8")
    assert "removed rules" in running.run("sync", "--dry-run", "--sources", str(file))
    assert paths(running, "rules of the canteen", "--filter", "source=rules") == ["a.md"]
    running.run("sync", "menu", "--sources", str(file))
    assert paths(running, "rules of the canteen", "--filter", "source=rules") == []
    (tmp_path / "menu" / "b.md").write_text("# Soup\n\nOn Mondays.\n", encoding="utf-8")
    [foreseen] = running.json("sync", "menu", "--dry-run")
    assert (foreseen["write"], foreseen["delete"]) == (["b.md"], [])


def test_what_failed_is_listed_and_tried_again(running: Running, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "openapi: 3.0.3\ninfo:\n  title: x\n  version: '1'\npaths: 7\n", encoding="utf-8"
    )
    running.run("ingest", str(tmp_path), "--name", "broken", code=1)
    assert running.json("sync", "broken")[0]["failures"] == [], "what failed is not tried again as it was"
    assert "bad.yaml" in running.run("failures", "broken", "--retry")
    assert len(running.json("sync", "broken", code=1)[0]["failures"]) == 1


def test_chunks_says_what_a_file_becomes(running: Running, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Tea\n\nGreen.\n\n## Brewing\n\nEighty degrees.\n", encoding="utf-8")
    found = running.json("chunks", str(tmp_path / "a.md"))["documents"]["a.md"]
    assert [row["locator"] for row in found][-1] == "a.md#brewing"
    assert all(0 < row["tokens"] <= 320 for row in found)


def test_eval_scores_each_arm(running: Running, repository: Path, tmp_path: Path) -> None:
    judged = tmp_path / "judged.jsonl"
    judged.write_text(
        '{"id": "1", "query": "受注番号の桁数", "lang": "ja", "relevant": ["orders.md"]}\n', encoding="utf-8"
    )
    report = running.json("eval", str(judged), "--filter", "source=notes")
    assert set(report) == {"lexical", "dense", "sparse", "rrf", "auto"}
    assert report["auto"]["overall"]["MRR@10"]["mean"] == 1.0


def test_another_model_answers_and_goes_again_while_everything_runs(
    running: Running, repository: Path, tmp_path: Path
) -> None:
    judged = tmp_path / "judged.jsonl"
    judged.write_text(
        '{"id": "1", "query": "受注番号の桁数", "lang": "ja", "relevant": ["orders.md"]}\n', encoding="utf-8"
    )
    (one,) = running.json("index", "ls")
    built = running.json("index", "build", "--model", "openai:text-embedding-3-small", "--dimensions", "256")
    two = built["generation"]
    assert (built["beside"], built["dim"], built["failures"]) == (one["name"], 256, [])
    assert "not verified" in running.run("index", "promote", code=5)
    report = running.json("index", "verify", "--queries", str(judged), "--max-slower", "1000", "--logged", "0")
    assert report["passed"] and report["sources"]["notes"]["missing"] == 0
    assert running.json("index", "promote")["now"] == two
    assert running.json("search", "受注番号の桁数")["generation"] == two
    (repository / "customs.md").write_text("# 通関\n\n書類は三部。\n", encoding="utf-8")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "three")
    assert running.json("sync", "notes")[0]["documents"] == 1
    running.run("index", "rollback")
    answer = running.json("search", "通関の書類は何部")
    assert (answer["generation"], answer["degraded"]) == (one["name"], [])
    assert answer["hits"][0]["path"] == "customs.md", "the one before was kept true"
    assert [row["state"] for row in running.json("index", "ls")] == ["answering", "candidate"]
    assert running.json("index", "gc")["collected"] == []
    assert "deleted" in running.run("index", "gc", two)
    assert one["name"] in running.run("index", "ls")
    assert "go back to" in running.run("index", "rollback", code=4)


def test_status_says_where_everything_is(running: Running, repository: Path) -> None:
    status = running.json("status")
    assert {"search page", "API docs", "OpenSearch", "Ray dashboard", "Ray dashboard token"} <= set(status["addresses"])
    token = Path(status["addresses"]["Ray dashboard token"])
    assert token.stat().st_mode & 0o077 == 0
    assert "notes" in {row["name"] for row in status["sources"]}
    assert "notes" in running.run("status")
    assert httpx.get(status["addresses"]["search page"], timeout=10).status_code == 200


def test_wrong_input_has_its_exit_code(running: Running) -> None:
    assert "filter" in running.run("search", "x", "--filter", "colour=red", code=2)
    assert "top_k" in running.run("search", "x", "-k", "100000", code=2)
    assert "nope" in running.run("sync", "nope", code=4)
    assert "kind" in running.run("ingest", ".", "--kind", "nope", code=2)


def test_a_second_up_is_refused_and_names_the_first(running: Running) -> None:
    message = running.run("up", "--port", "0", code=2)
    assert str(running.ready["pid"]) in message


def test_a_taken_port_is_refused_by_number(running: Running, session_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = Running(running.process, {**running.environment, "SHIRABE_STATE_DIR": str(session_dir / "other")}, {})
        assert str(port) in other.run("up", "--port", str(port), code=2)
    shutil.rmtree(session_dir / "other", ignore_errors=True)


def test_without_up_commands_say_so(running: Running, session_dir: Path) -> None:
    other = Running(running.process, {**running.environment, "SHIRABE_STATE_DIR": str(session_dir / "none")}, {})
    assert "shirabe up" in other.run("search", "x", code=3)


def test_down_stops_everything(running: Running) -> None:
    children = psutil.Process(running.ready["pid"]).children(recursive=True)
    assert children
    running.run("down")
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    assert running.process.wait(30) == 0
