"""The OpenAPI collector: one document per OpenAPI file, the files it refers to joined into it.

A document in one file keeps its bytes, so that line numbers stay true; a joined one is JSON, and `meta["places"]` maps
a JSON pointer in it to the file it came from.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from ingest.collectors.folder_tree import FileRead, FolderTree
from ingest.collectors.openapi_bundle import bundle, has_file_refs
from ingest.collectors.selection import content_digest, selection_of
from ingest.media_types import OPENAPI
from shirabe.errors import InvalidInput
from shirabe.types import Change, Cursor, Delete, Document, Failure, Skip, Source, Upsert, document_id

_SUFFIXES = (".yaml", ".yml", ".json")


class OpenApiCollector:
    """Reads an OpenAPI file, or every one in a folder. Options: `include`, `exclude`, `default_excludes`.

    References may reach anything in the folder: the one given, or the one around the file given.
    """

    def __init__(self, source: Source, max_file_bytes: int) -> None:
        self._source = source
        self._selection = selection_of(source.options, max_file_bytes)
        self._tree = FolderTree(source.location, self._selection)

    async def head(self) -> Cursor:
        """Return the digest of the files as they are now. Raises: NotFound, InvalidInput."""
        return Cursor(await asyncio.to_thread(lambda: self._tree.manifest(self._involved())))

    async def knows(self, cursor: Cursor) -> bool:
        """Tell whether nothing changed since the cursor; no older state is kept."""
        return cursor == await self.head()

    async def count(self, since: Cursor | None, until: Cursor) -> int:
        """Return how many changes `changes` will yield."""
        return 0 if since == until else len(await asyncio.to_thread(self._roots))

    async def changes(self, since: Cursor | None, until: Cursor) -> AsyncIterator[Change]:
        """Yield every OpenAPI document, or nothing when the cursors are equal."""
        if since == until:
            return
        for path in await asyncio.to_thread(self._roots):
            yield await asyncio.to_thread(self._change, path)

    async def paths(self, at: Cursor) -> Mapping[str, str]:  # noqa: ARG002 (files have only their present state)
        """Return every document's path and the hash of its joined content."""
        return await asyncio.to_thread(self._hashes)

    async def get(self, path: str, at: Cursor) -> Change:  # noqa: ARG002 (the same)
        """Return one document as it is now, or Delete when it is no OpenAPI document any more."""
        if not await asyncio.to_thread(self._is_root, path):
            return Delete(path)
        return await asyncio.to_thread(self._change, path)

    def _involved(self) -> list[str]:
        """Return the files whose change may change a document."""
        if self._tree.only:
            read = self._tree.read(self._tree.only)
            if isinstance(read, FileRead) and not has_file_refs(read.content):
                return [self._tree.only]
        return [path for path in self._tree.listing(whole=True) if path.lower().endswith(_SUFFIXES)]

    def _roots(self) -> list[str]:
        if self._tree.only:
            return [self._tree.only]
        return [path for path in self._involved() if self._is_root(path)]

    def _is_root(self, path: str) -> bool:
        if self._tree.only:
            return path == self._tree.only
        if not path.lower().endswith(_SUFFIXES) or not self._selection.covers(path):
            return False
        read = self._tree.read(path)
        return isinstance(read, FileRead) and read.sort.media_type == OPENAPI

    def _hashes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for path in self._roots():
            change = self._change(path)
            if isinstance(change, Upsert):
                found[path] = content_digest(change.document.content)
        return found

    def _change(self, path: str) -> Change:
        read = self._tree.read(path)
        if not isinstance(read, FileRead):
            return read
        if read.sort.media_type != OPENAPI:
            return Skip(path, "not an OpenAPI document")
        if not has_file_refs(read.content):
            return self._upsert(path, read.content, read.written)
        try:
            joined = bundle(path, self._bytes)
        except InvalidInput as error:
            return Failure(path, str(error))
        return self._upsert(path, joined.content, read.written, {"places": dict(joined.places)})

    def _bytes(self, path: str) -> bytes:
        read = self._tree.read(path)
        if isinstance(read, FileRead):
            return read.content
        raise InvalidInput("there is no such file" if isinstance(read, Delete) else read.reason, path)

    def _upsert(self, path: str, content: bytes, written: datetime, meta: Mapping[str, Any] | None = None) -> Upsert:
        return Upsert(
            Document(
                doc_id=document_id(self._source.source_id, path),
                source_id=self._source.source_id,
                path=path,
                uri=(self._tree.root / path).as_uri(),
                title="",
                content=content,
                media_type=OPENAPI,
                revision=content_digest(content),
                updated_at=written,
                acl=self._source.acl,
                meta=dict(meta or {}),
            )
        )
