"""The OpenAPI collector: one document per OpenAPI or AsyncAPI description, with the files that it refers to.

A description in one file keeps its bytes; one in many is its files together (`ingest.openapi_files`), so that every
part of it can still be told where it was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from ingest.collectors.folder_tree import FileRead, FolderTree
from ingest.collectors.openapi_gather import DESCRIPTIONS, SUFFIXES, involved_in, whole_in_folder
from ingest.collectors.selection import content_digest, reach_of, selection_of
from ingest.openapi_files import has_file_refs
from shirabe.types import Change, Cursor, Delete, Document, Failure, Skip, Source, Upsert, document_id


class OpenApiCollector:
    """Reads an API description, or every one in a folder. Options: `include`, `exclude`, `default_excludes`.

    References may reach anything in the folder: the one given, or the one around the file given.
    """

    def __init__(self, source: Source, max_file_bytes: int) -> None:
        self._source = source
        self._selection = selection_of(source.options, max_file_bytes)
        self._tree = FolderTree(source.location, self._selection)
        self._reach = FolderTree(source.location, reach_of(source.options, max_file_bytes))

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
        """Yield every description, or nothing when the cursors are equal."""
        if since == until:
            return
        for path in await asyncio.to_thread(self._roots):
            yield await asyncio.to_thread(self._change, path)

    async def paths(self, at: Cursor) -> Mapping[str, str]:  # noqa: ARG002 (files have only their present state)
        """Return every description's path and the hash of its content, of all its files together."""
        return await asyncio.to_thread(self._hashes)

    async def get(self, path: str, at: Cursor) -> Change:  # noqa: ARG002 (the same)
        """Return one description as it is now, or Delete when it is none any more."""
        if not await asyncio.to_thread(self._is_root, path):
            return Delete(path)
        return await asyncio.to_thread(self._change, path)

    def _involved(self) -> list[str]:
        """Return the files whose change may change a description."""
        if self._tree.only:
            read = self._tree.read(self._tree.only)
            if isinstance(read, FileRead) and not has_file_refs(read.content):
                return [self._tree.only]
        return involved_in(self._reach)

    def _roots(self) -> list[str]:
        if self._tree.only:
            return [self._tree.only]
        return [path for path in self._tree.listing() if self._is_root(path)]

    def _is_root(self, path: str) -> bool:
        if self._tree.only:
            return path == self._tree.only
        if not path.lower().endswith(SUFFIXES) or not self._selection.covers(path):
            return False
        read = self._tree.read(path)
        return isinstance(read, FileRead) and read.sort.media_type in DESCRIPTIONS

    def _hashes(self) -> dict[str, str]:
        changes = (self._change(path) for path in self._roots())
        return {
            change.document.path: content_digest(change.document.content)
            for change in changes
            if isinstance(change, Upsert)
        }

    def _change(self, path: str) -> Change:
        read = self._tree.read(path)
        if not isinstance(read, FileRead):
            return read
        if read.sort.media_type not in DESCRIPTIONS:
            return Skip(path, "not an OpenAPI or AsyncAPI description")
        whole = whole_in_folder(self._tree, path, read)
        if isinstance(whole, Failure):
            return whole
        return Upsert(
            Document(
                doc_id=document_id(self._source.source_id, path),
                source_id=self._source.source_id,
                path=path,
                uri=(self._tree.root / path).as_uri(),
                title="",
                content=whole.content,
                media_type=whole.sort.media_type,
                revision=content_digest(whole.content),
                updated_at=whole.written,
                acl=self._source.acl,
            )
        )
