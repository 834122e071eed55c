"""The files of one API description: which of them its references name, and all of them as one content.

References stay inside the folder that the paths are relative to, and on this machine. `Gathering` reads nothing itself:
it is asked which file it wants and told what is in it, so that a folder and a git revision are gathered alike.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from ingest.decoding import decode_text
from shirabe.errors import InvalidInput

MAX_FILES: Final = 20_000
MAX_CHARS: Final = 32_000_000
"""Characters of all files of one description together."""

TEXT_SUFFIXES: Final = (".md", ".txt")
"""Files that a reference takes as text, not as YAML or JSON."""

_FILE_REF: Final = re.compile(rb"""["']?\$ref["']?\s*:\s*["']?(?!["'#\s])""")
_NAMED_FILE: Final = re.compile(r"\.(?:ya?ml|json)(?:#|$)")
_REMOTE: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:|//)")


@dataclass(frozen=True, slots=True)
class Target:
    """A place in a file: `pointer` starts with `/` or is empty."""

    file: str
    pointer: str

    def __str__(self) -> str:
        return f"{self.file}#{self.pointer}" if self.pointer else self.file


@dataclass(frozen=True, slots=True)
class ApiFiles:
    """A description's root file, the text of every file, and why a file could not be read; by path in the folder."""

    root: str
    texts: Mapping[str, str]
    unread: Mapping[str, str]

    def encoded(self) -> bytes:
        """Return all of it as one content."""
        fields = {"root": self.root, "texts": dict(sorted(self.texts.items())), "unread": dict(self.unread)}
        return json.dumps(fields, ensure_ascii=False).encode()

    @classmethod
    def decoded(cls, content: str) -> ApiFiles:
        """Return what `encoded` made."""
        fields = json.loads(content)
        return cls(fields["root"], fields["texts"], fields["unread"])


class Gathering:
    """Collects the files that a description needs: read what `wanted` names, and `add` or `refuse` it."""

    def __init__(self, root: str, content: bytes) -> None:
        self._root = root
        self._texts: dict[str, str] = {}
        self._unread: dict[str, str] = {}
        self._waiting: deque[str] = deque()
        self._known = {root}
        self._chars = 0
        self.add(root, content)

    @property
    def wanted(self) -> str | None:
        """The next file to read, None when all are here."""
        return self._waiting[0] if self._waiting else None

    def add(self, file: str, content: bytes) -> None:
        """Take a file's bytes. Raises: InvalidInput when the description is beyond the caps."""
        text = decode_text(content).text
        self._texts[file] = text
        self._chars += len(text)
        if len(self._texts) > MAX_FILES or self._chars > MAX_CHARS:
            raise InvalidInput(f"with the files it refers to, more than {MAX_FILES} files or {MAX_CHARS} characters")
        self._taken(file)
        for found in _files_named_in(text, file):
            if found not in self._known:
                self._known.add(found)
                self._waiting.append(found)

    def refuse(self, file: str, reason: str) -> None:
        """Take the reason why a file cannot be read."""
        self._unread[file] = reason
        self._taken(file)

    def files(self) -> ApiFiles:
        """Return what was gathered."""
        return ApiFiles(self._root, self._texts, self._unread)

    def _taken(self, file: str) -> None:
        if self._waiting and self._waiting[0] == file:
            self._waiting.popleft()


def has_file_refs(content: bytes) -> bool:
    """Tell whether a document may refer to other files."""
    return _FILE_REF.search(content) is not None


def names_file(reference: str) -> bool:
    """Tell whether a text looks like the name of a YAML or JSON file, with or without a place in it."""
    return _NAMED_FILE.search(reference) is not None


def is_remote(reference: str) -> bool:
    """Tell whether a reference names a host or a scheme, `file:` included."""
    return _REMOTE.match(reference) is not None


def target_of(reference: str, file: str) -> Target:
    """Return what a reference in `file` points at.

    Raises: InvalidInput for what is on another host, outside the folder, or no JSON pointer.
    """
    path, _, fragment = reference.partition("#")
    if is_remote(path):
        raise InvalidInput(f"reference to another host is not followed: {reference[:200]}", file)
    pointer = unquote(fragment)
    if pointer and not pointer.startswith("/"):
        raise InvalidInput(f"reference is not a JSON pointer: {reference[:200]}", file)
    if not path:
        return Target(file, pointer)
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(file), unquote(path)))
    if joined.startswith(("../", "/")) or joined == "..":
        raise InvalidInput(f"reference leaves the folder: {reference[:200]}", file)
    return Target(joined, pointer)


def _files_named_in(text: str, file: str) -> Iterator[str]:
    """Yield the files that a file's references name; a file that cannot be parsed names none."""
    if file.endswith(TEXT_SUFFIXES):
        return
    from ingest.safe_yaml import load_yaml  # every collector imports this module, few meet a description

    try:
        document = load_yaml(text, file)
    except InvalidInput:
        return
    waiting, seen = [document], set[int]()
    while waiting:
        node = waiting.pop()
        # What an alias repeats is looked at once: expanded it may be a thousand times the file.
        if not isinstance(node, dict | list) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, list):
            waiting += node
        else:
            mapping = node.get("mapping")
            values = mapping.values() if isinstance(mapping, dict) else ()
            named = [value for value in values if isinstance(value, str) and names_file(value)]
            for reference in (node.get("$ref"), *named):
                if isinstance(reference, str) and (found := _file_of(reference, file)) is not None:
                    yield found
            waiting += node.values()


def _file_of(reference: str, file: str) -> str | None:
    try:
        return target_of(reference, file).file
    except InvalidInput:
        return None
