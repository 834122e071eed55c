"""Three published API descriptions: every operation and schema that a plain walk counts is a unit, and opens.

The walk below reads the raw files and knows nothing of the code under test. A schema is what has a name: an entry of
the root's `components/schemas`, and what a `$ref` to another file names where a schema stands: that file, or a place in
it. DigitalOcean's description has none of the first kind and hundreds of the second. A `$ref` into a path of the root
(freee has one) names what is a part of that operation.
"""

from __future__ import annotations

import json
import os
import posixpath
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from api_files import Opener

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
MAX_MB = 1_500
SETS = {
    "freee-accounting": ("freee-accounting.json", "freee-accounting.json"),
    "freee-sales": ("freee-sales.yml", "freee-sales.yml"),
    "digitalocean": ("digitalocean/specification", "DigitalOcean-public.v2.yaml"),
}


@dataclass
class Count:
    """A plain walk over the raw files of one description."""

    folder: Path
    root: str
    operations: int = 0
    seen: set[tuple[str, str]] = field(default_factory=set)
    loaded: dict[str, Any] = field(default_factory=dict)

    @property
    def schemas(self) -> set[tuple[str, str]]:
        return {
            (file, pointer)
            for file, pointer in self.seen
            if file != self.root or (pointer.startswith("/components/schemas/") and pointer.count("/") == 3)
        }

    def count(self) -> Count:
        document = self.load(self.root)
        for name in (document.get("components") or {}).get("schemas") or {}:
            self.schema({"$ref": f"#/components/schemas/{name}"}, self.root)
        for node in (document.get("paths") or {}).values():
            item, file = self.follow(node, self.root)
            self.parameters(item, file)
            for method in METHODS:
                if method in item:
                    self.operation(item[method], file)
        return self

    def operation(self, node: Any, file: str) -> None:
        self.operations += 1
        node, file = self.follow(node, file)
        self.parameters(node, file)
        if "requestBody" in node:
            body, there = self.follow(node["requestBody"], file)
            self.contents(body, there)
        for one in node["responses"].values():
            response, there = self.follow(one, file)
            self.contents(response, there)
            for header in (response.get("headers") or {}).values():
                found, where = self.follow(header, there)
                self.schema(found.get("schema"), where)
        assert "callbacks" not in node

    def parameters(self, node: Any, file: str) -> None:
        for one in node.get("parameters") or ():
            parameter, there = self.follow(one, file)
            self.schema(parameter.get("schema"), there)
            self.contents(parameter, there)

    def contents(self, node: Any, file: str) -> None:
        for content in (node.get("content") or {}).values():
            self.schema(content.get("schema"), file)

    def schema(self, node: Any, file: str) -> None:
        if not isinstance(node, dict):
            return
        if isinstance(node.get("$ref"), str):
            target = self.target(node["$ref"], file)
            if target not in self.seen:
                self.seen.add(target)
                self.schema(self.at(*target), target[0])
            return
        for key in ("properties", "patternProperties"):
            fields, there = self.follow(node.get(key) or {}, file)
            for one in fields.values():
                self.schema(one, there)
        for key in ("allOf", "anyOf", "oneOf"):
            for one in node.get(key) or ():
                self.schema(one, file)
        for key in ("items", "additionalProperties", "not"):
            self.schema(node.get(key), file)
        for name in (node.get("discriminator") or {}).get("mapping", {}).values():
            if "/" in name or "." in name:
                self.schema({"$ref": name}, file)

    def follow(self, node: Any, file: str) -> tuple[Any, str]:
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            file, pointer = self.target(node["$ref"], file)
            node = self.at(file, pointer)
        return node, file

    def target(self, reference: str, file: str) -> tuple[str, str]:
        path, _, pointer = reference.partition("#")
        where = posixpath.normpath(posixpath.join(posixpath.dirname(file), path)) if path else file
        return where, unquote(pointer)

    def at(self, file: str, pointer: str) -> Any:
        node = self.load(file)
        for part in pointer.split("/")[1:]:
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def load(self, file: str) -> Any:
        if file not in self.loaded:
            self.loaded[file] = yaml.load((self.folder / file).read_text(encoding="utf-8"), yaml.CSafeLoader)
        return self.loaded[file]


class Read:
    """What the code under test made of one set."""

    def __init__(self, location: Path) -> None:
        script = Path(__file__).with_name("openapi_process.py")
        tests = Path(__file__).resolve().parents[1]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tests.parent), str(tests / "unit")))}
        done = subprocess.run(
            [sys.executable, str(script), str(location)], check=True, capture_output=True, text=True, env=environment
        )
        answer = json.loads(done.stdout)
        self.peak_mb: float = answer["peak_mb"]
        self.documents: int = answer["documents"]
        self.changes: int = answer["changes"]
        self.chunks: list[dict[str, Any]] = answer["chunks"]

    def units(self, kind: str) -> set[str]:
        return {chunk["unit"] for chunk in self.chunks if chunk["kind"] == kind}


@pytest.fixture(scope="module", params=list(SETS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def read(name: str, shared: Path) -> Read:
    return Read(shared / "corpora" / "openapi" / SETS[name][0])


@pytest.fixture(scope="module")
def folder(name: str, shared: Path) -> Path:
    location = shared / "corpora" / "openapi" / SETS[name][0]
    return location if location.is_dir() else location.parent


def test_units_are_the_operations_and_schemas_that_a_plain_walk_counts(name: str, read: Read, folder: Path) -> None:
    counted = Count(folder, SETS[name][1]).count()
    assert counted.operations > 70
    assert len(counted.schemas) > 100
    assert (read.documents, read.changes) == (1, 1)
    assert len(read.units("operation")) == counted.operations
    assert len(read.units("schema")) == len(counted.schemas)
    assert {chunk["kind"] for chunk in read.chunks} == {"overview", "operation", "schema"}
    assert not any(chunk.get("errors") for chunk in read.chunks)


def test_a_set_fits_into_memory(read: Read) -> None:
    assert read.peak_mb < MAX_MB


def test_every_locator_opens_what_its_chunk_says(name: str, read: Read, folder: Path) -> None:
    opener = Opener(_Files(folder))
    for chunk in read.chunks:
        node = opener.open(chunk["locator"])
        assert node is not None
        if chunk["locator"] != chunk["unit"]:
            continue
        if chunk["kind"] == "operation":
            assert {"get", "post"}.isdisjoint(node)
            node = opener.load(node["$ref"]) if "$ref" in node else node
            summary = " ".join(str(node["summary"]).split())
            assert summary in chunk["context"] or chunk["context"].endswith("…")
        if chunk["kind"] == "schema" and "properties" in node and "used by" not in chunk["context"]:
            assert chunk["text"].startswith("Schema ") or any(
                f" {name}" in chunk["text"] for name in node["properties"]
            )


def test_the_lines_of_a_unit_are_where_it_is_written(name: str, read: Read, folder: Path) -> None:
    lines: dict[str, list[str]] = {}
    told = 0
    for chunk in read.chunks:
        file = chunk.get("file", SETS[name][1])
        if file not in lines:
            lines[file] = (folder / file).read_text(encoding="utf-8").split("\n")
        if "start_line" not in chunk:
            continue
        told += 1
        shown = "\n".join(lines[file][chunk["start_line"] - 1 : chunk["end_line"]])
        pointer = chunk["locator"].partition("#")[2]
        key = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        if pointer and not key.isdigit() and file == chunk["locator"].partition("#")[0]:
            assert key in shown.split("\n")[0], chunk["locator"]
        elif chunk["kind"] == "operation" and chunk["locator"] == chunk["unit"]:
            assert "summary" in shown
    assert told == len(read.chunks)


class _Files(dict[str, str]):
    """The texts of a folder, read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, file: str) -> str:
        self[file] = (self._folder / file).read_text(encoding="utf-8")
        return self[file]
