"""The committed serve.yaml: Ray's schema accepts it, and so does the builder, with the deployments it names."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from ray_app.config import ServerConfig, tuned
from shirabe.errors import InvalidInput

# Ray's own use of pydantic warns while it is imported.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ray import serve
    from ray.serve.schema import ServeDeploySchema

    from ray_app.app import build

PATH = Path(__file__).parents[2] / "serve.yaml"


def _application() -> dict[str, Any]:
    (application,) = yaml.safe_load(PATH.read_text(encoding="utf-8"))["applications"]
    assert isinstance(application, dict)
    return application


def test_ray_s_schema_accepts_it() -> None:
    schema = ServeDeploySchema.model_validate(yaml.safe_load(PATH.read_text(encoding="utf-8")))
    assert [one.import_path for one in schema.applications] == ["ray_app.app:build"]


def test_the_builder_accepts_its_arguments_and_knows_its_deployments() -> None:
    application = _application()
    built = build(application["args"])
    assert isinstance(built, serve.Application)
    bound = built._bound_deployment
    names = {bound.name, *(one._bound_deployment.name for one in bound.init_args if isinstance(one, serve.Application))}
    assert names == {one["name"] for one in application["deployments"]}


def test_its_user_config_is_one_a_replica_takes() -> None:
    application = _application()
    config = ServerConfig(**application["args"])
    for deployment in application["deployments"]:
        tuned(config, deployment.get("user_config", {}))


def test_without_a_reranker_there_is_one_deployment() -> None:
    assert [one for one in build({})._bound_deployment.init_args if isinstance(one, serve.Application)] == []


def test_bad_arguments_are_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        build({"batch_tokens": 1})
    assert caught.value.place == "args.batch_tokens"
    with pytest.raises(InvalidInput) as caught:
        tuned(ServerConfig(), {"queue_tokens": "many"})
    assert caught.value.place == "user_config.queue_tokens"
    with pytest.raises(InvalidInput):
        tuned(ServerConfig(), {"model": "other"})


def test_the_key_is_in_nothing_that_is_passed_on() -> None:
    told = ServerConfig.model_validate({"api_key": "s3cret"}).model_dump_json()
    assert "api_key" not in told
    with pytest.raises(InvalidInput) as caught:
        build({"api_key": "s3cret"})
    assert caught.value.place == "args.api_key"
    assert "s3cret" not in str(caught.value)
