"""Where the model of code is served, and what says that it does not answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from facade_client import BASE, Facade
from facade_fakes import FakeEmbedder

from api.main import create_app
from api.search import SearchPath
from shirabe.cli.code_index import code_models_url
from shirabe.cli.wanted_models import WantedModel, code_model
from shirabe.errors import Unavailable
from shirabe.runtime import ServedModel
from shirabe.settings import ApiSettings, SearchSettings, load_settings

FIRST, BESIDE, NAMED = "http://first", "http://beside", "http://named"
SERVED = (
    ServedModel(model="coder", dimensions=64, url="http://wrong"),
    ServedModel(model="coder", url=BESIDE),
    ServedModel(model="broken", error="no such folder"),
)


@pytest.mark.parametrize(
    ("code", "url"),
    [
        ({}, None),
        ({"model": "coder"}, BESIDE),
        ({"model": "coder", "dimensions": 64}, "http://wrong"),
        ({"model": "coder", "url": NAMED}, NAMED),
        ({"model": "m3-mini"}, FIRST),
        ({"model": "m3-mini", "dimensions": 8}, None),
        ({"model": "broken"}, None),
        ({"model": "unheard"}, None),
    ],
)
def test_the_server_of_the_code_model_is_the_one_that_has_it(
    tmp_path: Path, code: dict[str, Any], url: str | None
) -> None:
    settings = load_settings(state_dir=tmp_path, models={"code": code})
    assert code_models_url(settings, FIRST, SERVED) == url
    expected = WantedModel(model=code["model"], dimensions=code.get("dimensions")) if code else None
    assert code_model(settings) == expected


async def test_readiness_names_the_model_of_code() -> None:
    facade, code = Facade(), FakeEmbedder()
    search = SearchPath(facade.store, facade.embedder, None, SearchSettings())
    app = create_app(search, facade.store, facade.embedder, facade.sources, ApiSettings(), None, code)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        assert (await client.get("/readyz")).status_code == 200
        code.error = Unavailable("gone")
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["missing"]) == (503, ["code-embedder"])
