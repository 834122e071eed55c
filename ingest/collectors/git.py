"""The git collector: documents are files at a commit, a cursor is a commit, a change is a line of `git diff-tree`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.collectors.git_mirror import GitMirror
from ingest.collectors.git_process import Blobs, GitRefused
from ingest.collectors.selection import content_digest, selection_of, sort_content, text_option
from ingest.streams import closing
from shirabe.errors import NotFound
from shirabe.types import Change, Cursor, Delete, Document, Skip, Source, Upsert, document_id

_LINK, _SUBMODULE = "120000", "160000"
_FILES = ("100644", "100755", "100664")
_NOTHING = "000000"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One file of a tree; `size` in bytes, -1 when the listing did not tell."""

    path: str
    mode: str
    blob: str
    size: int = -1


class GitCollector:
    """Reads a git repository, URL or bundle through a mirror.

    Options: `branch`, `ref` (pins a ref or commit), `include`, `exclude`, `default_excludes`.
    """

    def __init__(self, source: Source, state_dir: Path, max_file_bytes: int) -> None:
        self._source = source
        self._branch = text_option(source.options, "branch")
        self._ref = text_option(source.options, "ref")
        self._selection = selection_of(source.options, max_file_bytes)
        self._mirror = GitMirror(state_dir, source.source_id, source.location)

    async def head(self) -> Cursor:
        """Fetch, and return the commit of the branch; an empty value is a repository without commits.

        Raises: InvalidInput, NotFound, Unavailable, Timeout.
        """
        return Cursor(await self._mirror.fetch_head(self._branch, self._ref))

    async def knows(self, cursor: Cursor) -> bool:
        """Tell whether the cursor's commit is still in the mirror, rewritten history or not."""
        return not cursor.value or await self._mirror.has(cursor.value)

    async def count(self, since: Cursor | None, until: Cursor) -> int:
        """Return how many changes `changes` will yield."""
        async with closing(self._entries(await self._base(since), until.value)) as entries:
            return sum([1 async for _ in entries])

    async def changes(self, since: Cursor | None, until: Cursor) -> AsyncIterator[Change]:
        """Yield what differs between two commits, whether or not one descends from the other."""
        base = await self._base(since)
        written = await self._written_at(until.value)
        async with self._mirror.git.blobs() as blobs, closing(self._entries(base, until.value)) as entries:
            async for entry in entries:
                yield await self._change(entry, until.value, written, blobs)

    async def paths(self, at: Cursor) -> Mapping[str, str]:
        """Return every document's path and content hash at a commit."""
        found: dict[str, str] = {}
        async with self._mirror.git.blobs() as blobs, closing(self._entries("", at.value)) as entries:
            async for entry in entries:
                read = await self._read(entry, blobs)
                if not isinstance(read, str):
                    found[entry.path] = content_digest(read[0])
        return found

    async def get(self, path: str, at: Cursor) -> Change:
        """Return one document at a commit, or Delete when it is not there."""
        if not at.value or not self._selection.covers(path):
            return Delete(path)
        if refusal := self._selection.refusal(path, 0):
            return Skip(path, refusal)
        async with closing(self._tree(at.value, path)) as entries:
            found = [entry async for entry in entries if entry.path == path]
        if not found:
            return Delete(path)
        async with self._mirror.git.blobs() as blobs:
            return await self._change(found[0], at.value, await self._written_at(at.value), blobs)

    async def _base(self, since: Cursor | None) -> str:
        """Return the commit to compare with, empty for a full listing."""
        return since.value if since is not None and await self.knows(since) else ""

    async def _entries(self, base: str, until: str) -> AsyncIterator[_Entry]:
        if not base and not until:
            return
        async with closing(self._difference(base, until) if base else self._tree(until)) as listing:
            async for entry in listing:
                if self._selection.covers(entry.path):
                    yield entry

    async def _tree(self, commit: str, path: str = "") -> AsyncIterator[_Entry]:
        only = ("--", f":(literal){path}") if path else ()
        async with self._mirror.git.records("ls-tree", "-r", "-z", "--long", "--full-tree", commit, *only) as records:
            async for record in records:
                facts, _, name = record.partition(b"\t")
                mode, _, blob, size = facts.decode("ascii").split()
                yield _Entry(name.decode("utf-8", "replace"), mode, blob, int(size) if size.isdigit() else -1)

    async def _difference(self, base: str, until: str) -> AsyncIterator[_Entry]:
        """Yield changed files; renames are not looked for, because a Delete and an Upsert is what they become."""
        new = until or await self._empty_tree()
        arguments = ("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-commit-id", "--no-ext-diff", base, new)
        async with self._mirror.git.records(*arguments) as records:
            async for record in records:
                _, mode, _, blob, _ = record.decode("ascii").split(" ")
                name = await anext(records)
                yield _Entry(name.decode("utf-8", "replace"), mode, blob)

    async def _empty_tree(self) -> str:
        return (await self._mirror.git.run("hash-object", "-w", "-t", "tree", "--stdin")).decode().strip()

    async def _written_at(self, commit: str) -> datetime:
        if not commit:
            return datetime.fromtimestamp(0, UTC)
        try:
            seconds = await self._mirror.git.run("show", "--no-patch", "--format=%ct", "--end-of-options", commit)
        except GitRefused as error:
            raise NotFound(f"commit {commit} is not in the mirror: {error.detail}") from None
        return datetime.fromtimestamp(int(seconds), UTC)

    async def _change(self, entry: _Entry, commit: str, written: datetime, blobs: Blobs) -> Change:
        if entry.mode == _NOTHING:
            return Delete(entry.path)
        read = await self._read(entry, blobs)
        if isinstance(read, str):
            return Skip(entry.path, read)
        content, media_type = read
        return Upsert(
            Document(
                doc_id=document_id(self._source.source_id, entry.path),
                source_id=self._source.source_id,
                path=entry.path,
                uri=self._mirror.uri(entry.path, commit),
                title="",
                content=content,
                media_type=media_type,
                revision=commit,
                updated_at=written,
                acl=self._source.acl,
                meta={"blob": entry.blob},
            )
        )

    async def _read(self, entry: _Entry, blobs: Blobs) -> tuple[bytes, str] | str:
        """Return a file's bytes and media type, or why it is left out."""
        if entry.mode == _LINK:
            return "a symbolic link"
        if entry.mode == _SUBMODULE:
            return "a submodule"
        if entry.mode not in _FILES:
            return f"unknown file mode {entry.mode}"
        if refusal := self._selection.refusal(entry.path, max(entry.size, 0)):
            return refusal
        if entry.size < 0 and (refusal := self._selection.refusal(entry.path, await blobs.size(entry.blob))):
            return refusal
        content = await blobs.read(entry.blob)
        sort = sort_content(entry.path, content)
        return sort.refusal or (content, sort.media_type)
