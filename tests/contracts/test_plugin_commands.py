"""The `shirabe plugin` commands: what they print, and how they exit."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from fake_dashboards import FakeDashboards
from fake_opensearch_plugins import PASSWORD, USER, FakeOpenSearch, listening
from plugin_fakes import fake
from stoppable_models import StoppableModels
from typer.testing import CliRunner, Result

from shirabe.cli import app
from shirabe.ports import LOOPBACK, require_free_port
from shirabe.runtime import Runtime, write_runtime

__all__ = ["fake"]

KEY = "a-key-that-nobody-may-read"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIRABE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("SHIRABE_OPENSEARCH__PASSWORD", PASSWORD)
    monkeypatch.setenv("SHIRABE_MODELS__API_KEY", KEY)


@pytest.fixture
async def models() -> AsyncIterator[StoppableModels]:
    server = StoppableModels()
    await server.start()
    yield server
    await server.stop()


async def ran(*arguments: str) -> Result:
    """Run a command in a thread, where it may have a loop of its own."""
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["plugin", *arguments]))


async def answered(*arguments: str) -> tuple[int, Any]:
    result = await ran(*arguments, "--json")
    return result.exit_code, json.loads(result.stdout)


async def test_ways_of_searching_are_compared_on_an_index_that_is_there(
    fake: FakeOpenSearch, models: StoppableModels
) -> None:
    both = ("--url", fake.url, "--username", USER, "--models-url", models.url)
    code, answer = await answered("install", *both, "--judged-index", "shirabe-text-faq")
    assert code != 0 and "there is no index shirabe-text-faq" in answer["error"] and fake.writes == []
    code, answer = await answered("install", *both)
    assert code == 0 and answer["skipped"]["search configurations"] == "there is no index shirabe-chunks"
    fake.indexes, fake.aliases = {"shirabe-chunks-000007": {}}, {"shirabe-chunks": "shirabe-chunks-000007"}
    code, answer = await answered("install", *both)
    assert code == 0 and "search configurations" not in answer["skipped"]
    assert {one["index"] for one in fake.kept["search_configurations"].values()} == {"shirabe-chunks-000007"}


async def test_install_status_and_remove(fake: FakeOpenSearch, models: StoppableModels) -> None:
    at = ("--url", fake.url, "--username", USER)
    both = (*at, "--models-url", models.url)
    code, answer = await answered("status", *both)
    assert code == 1 and {row["state"] for row in answer["resources"]} == {"missing", "differs"}

    result = await ran("install", *both, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "would be made" in result.stdout and "PUT /_search/pipeline/shirabe-rrf" in result.stdout
    assert fake.writes == []
    printed = result.output

    code, answer = await answered("install", *both)
    assert code == 0 and {one["done"] for one in answer["outcomes"]} == {"made", "changed"}
    assert answer["skipped"]["Dashboards objects"] == "no --dashboards-url"
    assert {"key": KEY} in fake.secrets
    result = await ran("install", *both)
    assert result.exit_code == 0 and "nothing to change" in result.stdout

    code, answer = await answered("status", *both)
    assert code == 0 and answer["installed"] and {row["state"] for row in answer["resources"]} == {"there"}
    code, answer = await answered("status", *at)
    assert code == 1 and {row["state"] for row in answer["resources"]} == {"unchecked"}, "no model server is known"
    result = await ran("status", *both)
    assert "shirabe-rrf-rerank" in result.stdout and "skipped" in result.stdout
    printed += result.output

    result = await ran("remove", *at)
    assert result.exit_code == 0, result.output
    assert all(not things for things in fake.kept.values())
    assert "nothing of ours is there" in (await ran("remove", *at)).stdout
    assert KEY not in printed and PASSWORD not in printed


async def test_errors_exit_as_in_the_other_commands(fake: FakeOpenSearch, models: StoppableModels) -> None:
    both = ("--url", fake.url, "--username", USER, "--models-url", models.url)
    closed = f"http://{LOOPBACK}:{require_free_port(LOOPBACK, 0)}"
    assert (await ran("install", "--models-url", models.url)).exit_code == 2, "no OpenSearch is known"
    assert (await ran("install", "--url", fake.url, "--username", USER)).exit_code == 2, "no model server is known"
    assert (await ran("install", "--url", closed, "--models-url", models.url)).exit_code == 3
    assert (await ran("install", *both[:4], "--models-url", closed)).exit_code == 3
    assert (await ran("install", *both, "--judged", "/no/such/file")).exit_code == 4
    for bad in ("ftp://models", "http://user:secret@models", "http://models?x=1"):
        result = await ran("install", *both[:4], "--models-url", bad)
        assert result.exit_code == 2 and "secret" not in result.output
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SHIRABE_OPENSEARCH__PASSWORD")
        result = await ran("install", *both)
        assert result.exit_code == 2 and "SHIRABE_OPENSEARCH__PASSWORD" in result.stderr
    fake.forbidden = {("PUT", "/_component_template")}
    assert (await ran("install", *both)).exit_code == 5
    fake.forbidden = set()
    fake.version = "2.19.0"
    result = await ran("install", *both)
    assert result.exit_code == 2 and "nothing was changed" in result.stderr
    assert fake.writes == ["PUT /_component_template/shirabe-plugin"] or fake.writes == []


async def test_an_index_of_another_model_is_superseded_only_when_told_to(
    fake: FakeOpenSearch, models: StoppableModels
) -> None:
    at = ("--url", fake.url, "--username", USER, "--models-url", models.url)
    fake.indexes = {"shirabe-text-faq": {"model": "acme/m3", "model_revision": "r1", "dim": 8}}
    result = await ran("install", *at)
    assert result.exit_code == 2 and fake.writes == []
    for said in ("nothing was changed", "shirabe-text-faq holds vectors of acme/m3 at revision r1", "--supersede"):
        assert said in " ".join(result.stderr.split())
    code, status = await answered("status", *at)
    assert code == 1 and "shirabe-text-faq" in status["conflicts"][0]
    code, answer = await answered("install", *at, "--supersede")
    assert code == 0 and "shirabe-text-faq" in answer["advice"][0]
    code, status = await answered("status", *at)
    assert code == 0 and "shirabe-text-faq" in status["advice"][0]


async def test_what_was_done_before_an_error_is_told(fake: FakeOpenSearch, models: StoppableModels) -> None:
    fake.broken = {("PUT", "/_index_template")}
    code, answer = await answered("install", "--url", fake.url, "--username", USER, "--models-url", models.url)
    assert code == 3
    assert answer["outcomes"][-1]["kind"] == "search pipeline"
    assert "writes were done before" in answer["error"]
    assert KEY not in json.dumps(answer)


async def test_dashboards_is_filled_and_emptied_with_the_rest(
    fake: FakeOpenSearch, models: StoppableModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"type": "dashboard", "id": "shirabe-users", "attributes": {"title": "Search users"}, "references": []}
    objects = ModuleType("opensearch.dashboards")
    objects.dashboard_objects = lambda alias: json.dumps(row).encode()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "opensearch.dashboards", objects)
    dashboards = FakeDashboards()
    async with listening(dashboards) as url:
        at = ("--url", fake.url, "--username", USER, "--dashboards-url", url)
        dashboards.objects["dashboard", "shirabe-users"] = row | {"attributes": {"title": "Sales"}}
        result = await ran("install", *at, "--models-url", models.url)
        assert result.exit_code == 2 and "nothing was changed" in result.stderr and fake.writes == []
        dashboards.objects.clear()
        code, answer = await answered("install", *at, "--models-url", models.url)
        assert code == 0 and answer["outcomes"][-1]["kind"] == "saved object"
        assert dashboards.objects == {("dashboard", "shirabe-users"): row}
        assert "Dashboards objects" not in answer["skipped"]
        assert (await ran("remove", *at)).exit_code == 0
        assert dashboards.objects == {} and all(not things for things in fake.kept.values())


async def test_what_runs_here_is_used_when_no_address_is_given(
    fake: FakeOpenSearch, models: StoppableModels, tmp_path: Path
) -> None:
    process = psutil.Process()
    runtime = Runtime(
        pid=process.pid,
        started=process.create_time(),
        api_url="http://127.0.0.1:1",
        opensearch_url=fake.url,
        models_url=models.url,
        checkpoint=tmp_path,
    )
    write_runtime(tmp_path, runtime)
    assert (await ran("install", "--username", USER)).exit_code == 0
    assert f"{models.url}/v1/embeddings" in str(fake.kept["connectors"])
