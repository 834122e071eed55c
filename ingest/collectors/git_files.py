"""The files of a commit as documents' content, read many at once from the mirror."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.collectors.git_process import Blobs
from ingest.collectors.git_tree import FILES, NOTHING, Entry
from ingest.collectors.openapi_gather import CommitFiles
from ingest.collectors.selection import Selection, sort_content
from ingest.streams import batched, closing

_KINDS: Final = {"120000": "a symbolic link", "160000": "a submodule", NOTHING: "not there"}
_ASKED_TOGETHER: Final = 64
_READ_TOGETHER_BYTES: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Read:
    """A file's content and media type, or why it is left out."""

    content: bytes = b""
    media_type: str = ""
    refusal: str = ""


class FileReader:
    """Reads files of one commit; an API description comes with the files it needs."""

    def __init__(self, blobs: Blobs, selection: Selection, files: CommitFiles) -> None:
        self._blobs = blobs
        self._selection = selection
        self._files = files

    async def read(self, entries: AsyncIterator[Entry]) -> AsyncIterator[tuple[Entry, Read]]:
        """Yield every file with what was read of it, in order."""
        async with closing(batched(entries, _ASKED_TOGETHER)) as batches:
            async for batch in batches:
                async with closing(self._read_batch(batch)) as files:
                    async for file in files:
                        yield file

    async def _read_batch(self, entries: Sequence[Entry]) -> AsyncIterator[tuple[Entry, Read]]:
        sizes = await self._sizes(entries)
        refusals = [self._refusal(entry, size) for entry, size in zip(entries, sizes, strict=True)]
        start, held = 0, 0
        for end, size in enumerate(sizes, 1):
            held += 0 if refusals[end - 1] else size
            if held >= _READ_TOGETHER_BYTES or end == len(entries):
                wanted = [entries[at].blob for at in range(start, end) if not refusals[at]]
                contents = iter(await self._blobs.read_all(wanted))
                for at in range(start, end):
                    refused = Read(refusal=refusals[at])
                    yield entries[at], refused if refusals[at] else await self._sorted(entries[at], next(contents))
                start, held = end, 0

    async def _sizes(self, entries: Sequence[Entry]) -> list[int]:
        unknown = [entry.blob for entry in entries if entry.size < 0 and entry.mode in FILES]
        asked = iter(await self._blobs.sizes(unknown))
        return [
            entry.size if entry.size >= 0 else next(asked) if entry.mode in FILES else 0  # a link or a submodule
            for entry in entries
        ]

    def _refusal(self, entry: Entry, size: int) -> str:
        if entry.mode not in FILES:
            return _KINDS.get(entry.mode, f"unknown file mode {entry.mode}")
        return self._selection.refusal(entry.path, size)

    async def _sorted(self, entry: Entry, content: bytes) -> Read:
        sort = sort_content(entry.path, content)
        if sort.refusal:
            return Read(refusal=sort.refusal)
        return Read(*await self._files.whole(entry.path, content, sort.media_type, self._blobs))
