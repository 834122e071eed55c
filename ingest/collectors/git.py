"""The git collector: documents are files at a commit, a cursor is a commit, a change is a line of `git diff-tree`.

With the option `refs` several branches and tags are versions of one source: a document is a file of one of them, a
cursor the id of a listing, kept in the mirror, of their commits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.collectors.git_files import FileReader, Read
from ingest.collectors.git_mirror import GitMirror
from ingest.collectors.git_process import Blobs, GitRefused
from ingest.collectors.git_refs import refs_option
from ingest.collectors.git_tree import NOTHING, Entry, tree
from ingest.collectors.openapi_gather import INVOLVED_SUFFIXES, CommitFiles
from ingest.collectors.selection import content_digest, selection_of, text_option
from ingest.streams import closing
from ingest.versions import VERSION, versioned
from shirabe.errors import NotFound
from shirabe.types import Change, Cursor, Delete, Document, Skip, Source, Upsert, document_id


@dataclass(frozen=True, slots=True)
class _Step:
    """What one version goes through, from commit to commit; empty: the version is not there. The only one is ""."""

    version: str
    base: str
    until: str


class GitCollector:
    """Reads a git repository, URL or bundle through a mirror.

    Options: `branch`, `ref` (pins a ref or commit), `refs` (globs of branches and tags), `include`, `exclude`,
    `default_excludes`.
    """

    def __init__(self, source: Source, state_dir: Path, max_file_bytes: int) -> None:
        self._source = source
        self._branch = text_option(source.options, "branch")
        self._ref = text_option(source.options, "ref")
        self._refs = refs_option(source.options)
        self._selection = selection_of(source.options, max_file_bytes)
        self._mirror = GitMirror(state_dir, source.source_id, source.location)
        self._files: tuple[str, CommitFiles] | None = None

    async def head(self) -> Cursor:
        """Fetch, and return what names the commit of the branch, or of every version; empty without commits.

        Raises: InvalidInput, NotFound, Unavailable, Timeout.
        """
        if self._refs:
            return Cursor(await self._mirror.keep(await self._mirror.fetch_versions(self._refs)))
        return Cursor(await self._mirror.fetch_head(self._branch, self._ref))

    async def knows(self, cursor: Cursor) -> bool:
        """Tell whether the cursor's commits are still in the mirror, rewritten history or not."""
        return await self._versions(cursor) is not None

    async def count(self, since: Cursor | None, until: Cursor) -> int:
        """Return how many changes `changes` will yield."""
        found = 0
        for step in await self._steps(since, until):
            async with closing(self._entries(step)) as entries:
                async for _ in entries:
                    found += 1
        return found

    async def changes(self, since: Cursor | None, until: Cursor) -> AsyncIterator[Change]:
        """Yield what differs between two commits of each version, whether or not one descends from the other."""
        async with self._mirror.git.blobs() as blobs:
            for step in await self._steps(since, until):
                written = await self._written_at(step.until)
                async with closing(self._reader(step.until, blobs).read(self._entries(step))) as files:
                    async for entry, read in files:
                        yield self._change(entry, read, step, written)

    async def paths(self, at: Cursor) -> Mapping[str, str]:
        """Return every document's path and content hash at a cursor."""
        found: dict[str, str] = {}
        async with self._mirror.git.blobs() as blobs:
            for step in await self._steps(None, at):
                async with closing(self._reader(step.until, blobs).read(self._entries(step))) as files:
                    async for entry, read in files:
                        if not read.refusal:
                            found[versioned(step.version, entry.path)] = content_digest(read.content)
        return found

    async def get(self, path: str, at: Cursor) -> Change:
        """Return one document at a cursor, or Delete when it is not there."""
        version, inner = _parted(path) if self._refs else ("", path)
        commit = (await self._versions(at) or {}).get(version, "")
        if not commit or not self._selection.covers(inner):
            return Delete(path)
        if refusal := self._selection.refusal(inner, 0):
            return Skip(path, refusal)
        step = _Step(version, "", commit)
        async with (
            self._mirror.git.blobs() as blobs,
            closing(self._reader(commit, blobs).read(self._entry(commit, inner))) as files,
        ):
            async for entry, read in files:
                return self._change(entry, read, step, await self._written_at(commit))
        return Delete(path)

    async def _entry(self, commit: str, path: str) -> AsyncIterator[Entry]:
        """Yield the file at a path, and none of a folder there."""
        async with closing(tree(self._mirror.git, commit, path)) as entries:
            async for entry in entries:
                if entry.path == path:
                    yield entry

    async def _versions(self, cursor: Cursor) -> Mapping[str, str] | None:
        """Return the commit of every version at a cursor, None when the mirror does not have them."""
        if self._refs:
            return await self._mirror.kept(cursor.value)
        return {"": cursor.value} if not cursor.value or await self._mirror.has(cursor.value) else None

    async def _steps(self, since: Cursor | None, until: Cursor) -> list[_Step]:
        """Return what the versions that moved go through; from nothing where `since` is not known."""
        old = (await self._versions(since) if since is not None else None) or {}
        new = await self._versions(until)
        if new is None:
            raise NotFound(f"{until.value} is not in the mirror")
        steps = [_Step(name, old.get(name, ""), new.get(name, "")) for name in sorted(old.keys() | new.keys())]
        return [step for step in steps if step.base != step.until]

    async def _entries(self, step: _Step) -> AsyncIterator[Entry]:
        base, until = step.base, step.until
        seen: set[str] = set()
        may_change_others = False
        async with closing(self._difference(base, until) if base else tree(self._mirror.git, until)) as listing:
            async for entry in listing:
                if base and entry.path.lower().endswith(INVOLVED_SUFFIXES):
                    may_change_others = True
                    seen.add(entry.path)
                if self._selection.covers(entry.path):
                    yield entry
        if may_change_others and until:
            for path in await self._files_of(until).spread():
                if path not in seen and self._selection.covers(path):
                    async with closing(tree(self._mirror.git, until, path)) as listing:
                        async for entry in listing:
                            yield entry

    async def _difference(self, base: str, until: str) -> AsyncIterator[Entry]:
        """Yield changed files; renames are not looked for, because a Delete and an Upsert is what they become."""
        new = until or await self._empty_tree()
        arguments = ("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-commit-id", "--no-ext-diff", base, new)
        async with self._mirror.git.records(*arguments) as records:
            async for record in records:
                _, mode, _, blob, _ = record.decode("ascii").split(" ")
                name = await anext(records)
                yield Entry(name.decode("utf-8", "replace"), mode, blob)

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

    def _change(self, entry: Entry, read: Read, step: _Step, written: datetime) -> Change:
        path, commit = versioned(step.version, entry.path), step.until
        if entry.mode == NOTHING:
            return Delete(path)
        if read.refusal:
            return Skip(path, read.refusal)
        return Upsert(
            Document(
                doc_id=document_id(self._source.source_id, path),
                source_id=self._source.source_id,
                path=path,
                uri=self._mirror.uri(entry.path, commit),
                title="",
                content=read.content,
                media_type=read.media_type,
                revision=commit,
                updated_at=written,
                acl=self._source.acl,
                meta={"blob": entry.blob, **({VERSION: step.version} if step.version else {})},
            )
        )

    def _reader(self, commit: str, blobs: Blobs) -> FileReader:
        return FileReader(blobs, self._selection, self._files_of(commit))

    def _files_of(self, commit: str) -> CommitFiles:
        if self._files is None or self._files[0] != commit:
            self._files = (commit, CommitFiles(self._mirror.git, commit, self._selection))
        return self._files[1]


def _parted(path: str) -> tuple[str, str]:
    """Return the version and the path in it; the name of a branch or tag has no colon."""
    version, _, inner = path.partition(":")
    return version, inner
