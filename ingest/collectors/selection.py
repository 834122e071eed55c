"""Which files of a source are documents, the same for every collector that reads files.

Globs: `*` and `?` stay inside one path segment, `**` spans segments, a pattern without `/` matches the name at any
depth, and one that matches a folder takes everything under it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from ingest.media_types import HEAD_BYTES, media_type_of
from shirabe.errors import InvalidInput
from shirabe.types import digest

DEFAULT_EXCLUDES = (
    *("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "poetry.lock", "uv.lock"),
    *("Cargo.lock", "composer.lock", "Gemfile.lock", "go.sum"),
    *("*.min.js", "*.min.css", "*.map", "*_pb2.py", "*_pb2_grpc.py", "*.pb.go"),
    *("node_modules", "vendor", "third_party", "__pycache__", ".git", ".hg", ".svn", ".venv"),
)
"""Written by machines or by others; the option `default_excludes: false` takes them in."""

_GENERATED = re.compile(rb"^(?://|#|/\*) ?Code generated .{0,200}DO NOT EDIT", re.MULTILINE)
_GENERATED_BYTES = 4_096
_LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"
_MAX_PATH_CHARS = 1_024
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ufffd\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Selection:
    """The globs and caps of one source. `max_file_bytes` bounds the size of a document."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]
    max_file_bytes: int

    def covers(self, path: str) -> bool:
        """Tell whether the globs let a path in; the others are not documents at all."""
        if self.include and not _matches(self.include, path):
            return False
        return not _matches(self.exclude, path)

    def enters(self, folder: str) -> bool:
        """Tell whether a folder may hold covered files."""
        return not _matches(self.exclude, folder)

    def refusal(self, path: str, size: int) -> str:
        """Return why a covered file is left out by its name and size (bytes), or an empty string."""
        if _UNPRINTABLE.search(path):
            return "the name is not printable UTF-8"
        if len(path) > _MAX_PATH_CHARS or path.startswith("/") or ".." in PurePosixPath(path).parts:
            return "the path is unsafe"
        if media_type_of(path, b"") is None:
            return "not a supported kind of document"
        if size > self.max_file_bytes:
            return f"{size} bytes, more than the {self.max_file_bytes} allowed"
        return ""


@dataclass(frozen=True, slots=True)
class Sorted:
    """A file's media type, or why it is left out; exactly one is set."""

    media_type: str = ""
    refusal: str = ""


def sort_content(path: str, content: bytes) -> Sorted:
    """Tell what a file is from its content."""
    if content.startswith(_LFS_POINTER):
        return Sorted(refusal="a Git LFS pointer; the file itself is not in the repository")
    if _GENERATED.search(content, 0, _GENERATED_BYTES):
        return Sorted(refusal="generated code")
    media_type = media_type_of(path, content[:HEAD_BYTES])
    return Sorted(media_type=media_type) if media_type else Sorted(refusal="binary")


def selection_of(options: Mapping[str, Any], max_file_bytes: int) -> Selection:
    """Build the selection from a source's options `include`, `exclude` (lists of globs) and `default_excludes`.

    Raises: InvalidInput.
    """
    defaults = options.get("default_excludes", True)
    if not isinstance(defaults, bool):
        raise InvalidInput("must be true or false", "options.default_excludes")
    exclude = (*globs_option(options, "exclude"), *(DEFAULT_EXCLUDES if defaults else ()))
    return Selection(globs_option(options, "include"), exclude, max_file_bytes)


def globs_option(options: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return an option that is a list of globs.

    Raises: InvalidInput.
    """
    value = options.get(name, ())
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(item, str) for item in value):
        raise InvalidInput("must be a list of globs", f"options.{name}")
    return tuple(value)


def text_option(options: Mapping[str, Any], name: str) -> str:
    """Return an option that is text, empty when absent.

    Raises: InvalidInput.
    """
    value = options.get(name, "")
    if not isinstance(value, str):
        raise InvalidInput("must be text", f"options.{name}")
    return value


def content_digest(content: bytes) -> str:
    """Return the hash by which collectors and the ledger tell whether a document changed."""
    return digest("content", content)


def _matches(globs: tuple[str, ...], path: str) -> bool:
    return bool(globs) and _pattern(globs).match(path) is not None


@lru_cache(maxsize=256)
def _pattern(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_translate(glob)})" for glob in globs))


def _translate(glob: str) -> str:
    anchored = "/" in glob.rstrip("/")
    parts = ["" if anchored else "(?:.*/)?"]
    for piece in re.findall(r"\*\*/?|\*|\?|[^*?]+", glob.strip("/")):
        if piece == "**/":
            parts.append("(?:.*/)?")
        elif piece == "**":
            parts.append(".*")
        elif piece == "*":
            parts.append("[^/]*")
        elif piece == "?":
            parts.append("[^/]")
        else:
            parts.append(re.escape(piece))
    return "".join(parts) + r"(?:/.*)?\Z"
