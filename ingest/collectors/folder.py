"""The folder collector: documents are the regular files under one folder, or one file.

A cursor is a digest of every file's name, size and times: equal means nothing changed, different means that the caller
compares content hashes (`paths`), so a touched file costs a read and nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from ingest.collectors.folder_tree import FileRead, FolderTree
from ingest.collectors.openapi_gather import SUFFIXES, involved_in, whole_in_folder
from ingest.collectors.selection import content_digest, reach_of, selection_of
from shirabe.types import Change, Cursor, Delete, Document, Failure, Skip, Source, Upsert, document_id


class FolderCollector:
    """Reads files of a folder, links never followed. Options: `include`, `exclude`, `default_excludes`."""

    def __init__(self, source: Source, max_file_bytes: int) -> None:
        self._source = source
        self._selection = selection_of(source.options, max_file_bytes)
        self._tree = FolderTree(source.location, self._selection)
        self._reach = FolderTree(source.location, reach_of(source.options, max_file_bytes))

    async def head(self) -> Cursor:
        """Return the digest of the folder as it is now. Raises: NotFound, InvalidInput when it holds too many files."""
        return Cursor(await asyncio.to_thread(lambda: self._tree.manifest(self._involved())))

    async def knows(self, cursor: Cursor) -> bool:
        """Tell whether nothing changed since the cursor; no older state is kept."""
        return cursor == await self.head()

    async def count(self, since: Cursor | None, until: Cursor) -> int:
        """Return how many changes `changes` will yield."""
        return 0 if since == until else len(await asyncio.to_thread(self._tree.listing))

    async def changes(self, since: Cursor | None, until: Cursor) -> AsyncIterator[Change]:
        """Yield every file, or nothing when the cursors are equal."""
        if since == until:
            return
        for path in await asyncio.to_thread(self._tree.listing):
            yield await asyncio.to_thread(self._change, path)

    async def paths(self, at: Cursor) -> Mapping[str, str]:  # noqa: ARG002 (a folder has only its present state)
        """Return every document's path and content hash."""
        return await asyncio.to_thread(self._hashes)

    async def get(self, path: str, at: Cursor) -> Change:  # noqa: ARG002 (the same)
        """Return one file as it is now, or Delete when it is not there."""
        if not self._selection.covers(path) or (self._tree.only and path != self._tree.only):
            return Delete(path)
        return await asyncio.to_thread(self._change, path)

    def _involved(self) -> list[str]:
        """Return the covered files, and where API descriptions may be among them those that these may refer to."""
        covered = self._tree.listing()
        chosen = self._source.options.get("include") or self._source.options.get("exclude")
        if not chosen or not any(path.lower().endswith(SUFFIXES) for path in covered):
            return covered
        return sorted({*covered, *involved_in(self._reach)})

    def _hashes(self) -> dict[str, str]:
        read = ((path, self._read(path)) for path in self._tree.listing())
        return {path: content_digest(file.content) for path, file in read if isinstance(file, FileRead)}

    def _read(self, path: str) -> FileRead | Skip | Failure | Delete:
        read = self._tree.read(path)
        return whole_in_folder(self._tree, path, read) if isinstance(read, FileRead) else read

    def _change(self, path: str) -> Change:
        read = self._read(path)
        if not isinstance(read, FileRead):
            return read
        return Upsert(
            Document(
                doc_id=document_id(self._source.source_id, path),
                source_id=self._source.source_id,
                path=path,
                uri=(self._tree.root / path).as_uri(),
                title="",
                content=read.content,
                media_type=read.sort.media_type,
                revision=content_digest(read.content),
                updated_at=read.written,
                acl=self._source.acl,
            )
        )
