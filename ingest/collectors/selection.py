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

from ingest.media_types import media_type_of
from shirabe.errors import InvalidInput
from shirabe.types import digest

DEFAULT_EXCLUDES = (
    # What a package manager resolved.
    *("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "deno.lock"),
    *("poetry.lock", "uv.lock", "pdm.lock", "Pipfile.lock", "Cargo.lock", "composer.lock", "Gemfile.lock"),
    *("go.sum", "go.work.sum", "mix.lock", "pubspec.lock", "Podfile.lock", "flake.lock", "Chart.lock"),
    *("packages.lock.json", "gradle.lockfile", ".terraform.lock.hcl"),
    # What a generator or a bundler wrote.
    *("*.min.js", "*.min.mjs", "*.min.css", "*.bundle.js", "*.map", "*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py"),
    *("*.pb.go", "*.pb.gw.go", "*.pb.cc", "*.pb.h", "*_pb.js", "*_pb.d.ts", "*_pb.ts", "*_grpc_pb.js", "*.gen.go"),
    *("zz_generated*.go", "*_generated.go", "*.g.dart", "*.freezed.dart", "*.g.cs", "*.Designer.cs", "__snapshots__"),
    *("dist", "**/build/**/*.js", "**/build/**/*.mjs", "**/build/**/*.css", "**/build/**/*.html", "build/lib"),
    *(".next", ".nuxt", ".gradle", ".terraform", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"),
    # What others wrote.
    *("node_modules", "bower_components", "vendor", "third_party", "Godeps", "Pods", "site-packages", ".yarn"),
    *(".git", ".hg", ".svn", ".venv", ".tox", ".nox"),
)
"""Written by machines or by others; the option `default_excludes: false` takes them in."""

_HEAD_BYTES = 4_096
_GENERATED = re.compile(rb"^(?://|#|/\*) ?Code generated .{0,200}DO NOT EDIT", re.MULTILINE)
_HEADER = re.compile(
    rb"""(?:\s++ | \xef\xbb\xbf | <\?php | \#[^\n]*+ | //[^\n]*+ | --[^\n]*+ | /\*.*?(?:\*/|\Z) | <!--.*?(?:-->|\Z)
        | \"\"\".*?(?:\"\"\"|\Z) | '''.*?(?:'''|\Z) | [\"']use\ strict[\"'];?)*+""",
    re.VERBOSE | re.DOTALL,
)
"""The comments that a file begins with."""
_MARKER = re.compile(
    rb"""(?<![\w-])@generated\b | <auto-?generated | \bgenerated\ by\ the\ protocol\ buffer\ compiler
       | \bauto-?\ ?generated\ by\ (?:the\ )?(?:openapi|swagger|thrift) | (?:openapi-generator|swagger-codegen)\.git
       | \bgenerated\b.{0,120}\bdo\ not\ (?:edit|modify|change)\b
       | \bdo\ not\ (?:edit|modify|change)\b.{0,120}\bgenerated\b""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_MARKER_BYTES = 1_500
_GENERATED_SUFFIXES = frozenset(
    {".bash", ".c", ".cc", ".cjs", ".cpp", ".cs", ".css", ".cts", ".cxx", ".dart", ".ex", ".exs", ".go", ".h", ".hh"}
    | {".hpp", ".java", ".js", ".jsx", ".kt", ".kts", ".lua", ".m", ".mjs", ".mm", ".mts", ".php", ".py", ".pyi"}
    | {".rb", ".rs", ".scala", ".scss", ".sh", ".swift", ".ts", ".tsx", ".vue"}
)
"""Code whose source is elsewhere. A generated API description, schema or page is read: it may be all there is."""
_MINIFIABLE = frozenset({".js", ".mjs", ".cjs", ".css"})
_MINIFIED_BYTES = 2_048
_MINIFIED_LINE_BYTES = 500
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
    if _is_generated(path, content[:_HEAD_BYTES]):
        return Sorted(refusal="generated code")
    if _is_minified(path, content):
        return Sorted(refusal="minified code")
    media_type = media_type_of(path, content)
    return Sorted(media_type=media_type) if media_type else Sorted(refusal="binary")


def _is_generated(path: str, head: bytes) -> bool:
    """Tell whether code says at its top that a program wrote it."""
    if _GENERATED.search(head):
        return True
    header = _HEADER.match(head)
    suffix = PurePosixPath(path).suffix.lower()
    return (
        suffix in _GENERATED_SUFFIXES and header is not None and _MARKER.search(header[0][:_MARKER_BYTES]) is not None
    )


def _is_minified(path: str, content: bytes) -> bool:
    """Tell whether a script or style sheet has lines that nobody writes."""
    if PurePosixPath(path).suffix.lower() not in _MINIFIABLE or len(content) < _MINIFIED_BYTES:
        return False
    return len(content) > _MINIFIED_LINE_BYTES * (content.count(b"\n") + 1)


def selection_of(options: Mapping[str, Any], max_file_bytes: int) -> Selection:
    """Build the selection from a source's options `include`, `exclude` (lists of globs) and `default_excludes`.

    Raises: InvalidInput.
    """
    defaults = options.get("default_excludes", True)
    if not isinstance(defaults, bool):
        raise InvalidInput("must be true or false", "options.default_excludes")
    exclude = (*globs_option(options, "exclude"), *(DEFAULT_EXCLUDES if defaults else ()))
    return Selection(globs_option(options, "include"), exclude, max_file_bytes)


def reach_of(options: Mapping[str, Any], max_file_bytes: int) -> Selection:
    """Return the selection of what a document may refer to: the globs of a source choose documents, not their parts.

    Raises: InvalidInput.
    """
    chosen = ("include", "exclude")
    return selection_of({name: value for name, value in options.items() if name not in chosen}, max_file_bytes)


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
