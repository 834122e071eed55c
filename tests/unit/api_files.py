"""API descriptions of tests: read, cut, and their locators resolved without the code under test."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import yaml
from fake_tokens import FakeTokens

from ingest.chunkers.draft import Draft, Drafts
from ingest.chunkers.openapi import chunk_openapi
from ingest.chunkers.split import Splitter
from ingest.openapi_files import ApiFiles, Gathering

TOKENS = FakeTokens()


def cut(text: str, max_tokens: int = 1000, path: str = "api/openapi.yaml") -> Drafts:
    """Return what one file becomes."""
    return chunk_openapi(ApiFiles(path, {path: text}, {}), Splitter(TOKENS, max_tokens), joined=False)


def chunks(text: str, max_tokens: int = 1000) -> tuple[Draft, ...]:
    """Return the chunks of one file."""
    return cut(text, max_tokens).chunks


def gathered(files: Mapping[str, str], root: str = "api.yaml") -> ApiFiles:
    """Return a description with the files it refers to."""
    gathering = Gathering(root, files[root].encode())
    while (wanted := gathering.wanted) is not None:
        if wanted in files:
            gathering.add(wanted, files[wanted].encode())
        else:
            gathering.refuse(wanted, "there is no such file")
    return gathering.files()


def cut_files(files: Mapping[str, str], root: str = "api.yaml", max_tokens: int = 1000) -> Drafts:
    """Return what a description in several files becomes."""
    return chunk_openapi(gathered(files, root), Splitter(TOKENS, max_tokens), joined=True)


def texts_of(drafts: Drafts) -> dict[str, str]:
    """Return the text of every chunk by its locator."""
    return {chunk.locator: chunk.text for chunk in drafts.chunks}


class Opener:
    """Opens locators as a reader would: the file, then key by key, references followed on the way."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._loaded: dict[str, Any] = {}

    def open(self, locator: str) -> Any:
        """Return what stands at a locator. Raises: KeyError, IndexError when there is nothing."""
        file, _, pointer = locator.partition("#")
        return self._at(file, pointer)

    def load(self, file: str) -> Any:
        """Return a file as plain values."""
        if file not in self._loaded:
            text = self._texts[file]
            self._loaded[file] = json.loads(text) if text.startswith("{") else yaml.load(text, yaml.CSafeLoader)
        return self._loaded[file]

    def _at(self, file: str, pointer: str) -> Any:
        node = self.load(file)
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and isinstance(node.get("$ref"), str) and key not in node:
                file, node = self._follow(file, node["$ref"])
            node = node[int(key)] if isinstance(node, list) else node[_as_written(node, key)]
        return node

    def _follow(self, file: str, reference: str) -> tuple[str, Any]:
        path, _, fragment = reference.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(file), unquote(path))) if path else file
        node = self._at(target, unquote(fragment))
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            return self._follow(target, node["$ref"])
        return target, node


def _as_written(node: Mapping[Any, Any], key: str) -> Any:
    """Return a key as YAML reads it: `200` may be a number."""
    return next(known for known in node if str(known) == key)
