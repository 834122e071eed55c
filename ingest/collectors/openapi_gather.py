"""API descriptions with the files that they refer to, out of a folder and out of a commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ingest.collectors.folder_tree import FileRead, FolderTree
from ingest.collectors.git_process import Blobs, Git, GitRefused
from ingest.collectors.git_tree import FILES, Entry, tree
from ingest.collectors.selection import Selection, Sorted
from ingest.media_types import API_FILES, ASYNCAPI, OPENAPI
from ingest.openapi_files import TEXT_SUFFIXES, Gathering, has_file_refs
from ingest.streams import closing
from shirabe.errors import InvalidInput
from shirabe.types import Delete, Failure

DESCRIPTIONS: Final = (OPENAPI, ASYNCAPI)
SUFFIXES: Final = (".yaml", ".yml", ".json")
INVOLVED_SUFFIXES: Final = (*SUFFIXES, *TEXT_SUFFIXES)
"""Files whose change may change a description."""


def is_spread(content: bytes, media_type: str) -> bool:
    """Tell whether a file is a description that other files belong to."""
    return media_type in DESCRIPTIONS and has_file_refs(content)


def involved_in(reach: FolderTree) -> list[str]:
    """Return the files of a folder whose change may change a description in it; for a single file, of that around it.

    Blocks; call it from a thread. Raises: NotFound, InvalidInput when there are too many.
    """
    return [path for path in reach.listing(whole=True) if path.lower().endswith(INVOLVED_SUFFIXES)]


def whole_in_folder(tree: FolderTree, path: str, read: FileRead) -> FileRead | Failure:
    """Return a file as it was read; a description that is spread over files with all of them, and their last time.

    A failure is a description beyond the caps. Blocks; call it from a thread.
    """
    if not is_spread(read.content, read.sort.media_type):
        return read
    written = read.written
    try:
        gathering = Gathering(path, read.content)
        while (wanted := gathering.wanted) is not None:
            found = tree.read(wanted)
            if isinstance(found, FileRead):
                gathering.add(wanted, found.content)
                written = max(written, found.written)
            else:
                gathering.refuse(wanted, "there is no such file" if isinstance(found, Delete) else found.reason)
    except InvalidInput as error:
        return Failure(path, str(error))
    return FileRead(gathering.files().encoded(), written, Sorted(API_FILES))


class CommitFiles:
    """The files of one commit that descriptions may refer to."""

    def __init__(self, git: Git, commit: str, selection: Selection) -> None:
        self._git = git
        self._commit = commit
        self._selection = selection
        self._listed: Mapping[str, Entry] | None = None

    async def whole(self, path: str, content: bytes, media_type: str, blobs: Blobs) -> tuple[bytes, str]:
        """Return a file and its media type; a description that is spread over files with all of them.

        One beyond the caps stays as it is: what other files have of it are names.
        """
        if not is_spread(content, media_type):
            return content, media_type
        listed = await self._files()
        try:
            gathering = Gathering(path, content)
            while (wanted := gathering.wanted) is not None:
                found = listed.get(wanted)
                if found is None or found.mode not in FILES:
                    gathering.refuse(wanted, "there is no such file")
                elif refusal := self._selection.refusal(wanted, found.size):
                    gathering.refuse(wanted, refusal)
                else:
                    gathering.add(wanted, await blobs.read(found.blob))
        except InvalidInput:
            return content, media_type
        return gathering.files().encoded(), API_FILES

    async def spread(self) -> list[str]:
        """Return the files that look like descriptions with references: those that a change of another file changes."""
        patterns = ("-e", r"^[[:space:]{\"']*(openapi|swagger|asyncapi)[\"']?[[:space:]]*:", "-e", r"\$ref")
        suffixes = [f":(icase)*{suffix}" for suffix in SUFFIXES]
        arguments = ("grep", "-z", "-l", "-E", "--all-match", *patterns, self._commit, "--", *suffixes)
        found: list[str] = []
        try:
            async with self._git.records(*arguments) as records:
                async for record in records:
                    found.append(record.decode("utf-8", "replace").removeprefix(f"{self._commit}:"))
        except GitRefused as refused:
            if refused.detail.removeprefix("git grep:").strip():
                raise
        return found

    async def _files(self) -> Mapping[str, Entry]:
        if self._listed is None:
            async with closing(tree(self._git, self._commit)) as entries:
                self._listed = {e.path: e async for e in entries if e.path.lower().endswith(INVOLVED_SUFFIXES)}
        return self._listed
