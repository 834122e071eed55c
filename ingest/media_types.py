"""What kind of document a file is, from its name and its first bytes."""

from __future__ import annotations

import codecs
import re
from pathlib import PurePosixPath
from typing import Final

MARKDOWN: Final = "text/markdown"
PYTHON: Final = "text/x-python"
GO: Final = "text/x-go"
OPENAPI: Final = "application/vnd.oai.openapi"
SPREADSHEET: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV: Final = "text/csv"
HTML: Final = "text/html"
YAML: Final = "application/yaml"
JSON: Final = "application/json"
PLAIN: Final = "text/plain"

HEAD_BYTES: Final = 65_536
"""How much of a file `media_type_of` wants to see."""

_BINARY_BYTES: Final = 8_192

_LANGUAGES: Final = {
    "c": "c",
    "cc": "cpp",
    "clj": "clojure",
    "cpp": "cpp",
    "cs": "csharp",
    "css": "css",
    "cxx": "cpp",
    "dart": "dart",
    "ex": "elixir",
    "exs": "elixir",
    "graphql": "graphql",
    "groovy": "groovy",
    "h": "c",
    "hpp": "cpp",
    "hs": "haskell",
    "java": "java",
    "js": "javascript",
    "jsx": "javascript",
    "kt": "kotlin",
    "kts": "kotlin",
    "lua": "lua",
    "m": "objective-c",
    "mjs": "javascript",
    "mm": "objective-c",
    "php": "php",
    "pl": "perl",
    "proto": "protobuf",
    "ps1": "powershell",
    "r": "r",
    "rb": "ruby",
    "rs": "rust",
    "scala": "scala",
    "scss": "scss",
    "sql": "sql",
    "swift": "swift",
    "tf": "terraform",
    "ts": "typescript",
    "tsx": "typescript",
    "vue": "vue",
    "zig": "zig",
}
_BY_SUFFIX: Final = {
    "md": MARKDOWN,
    "markdown": MARKDOWN,
    "mdx": MARKDOWN,
    "py": PYTHON,
    "pyi": PYTHON,
    "go": GO,
    "xlsx": SPREADSHEET,
    "xlsm": SPREADSHEET,
    "csv": CSV,
    "tsv": "text/tab-separated-values",
    "html": HTML,
    "htm": HTML,
    "yaml": YAML,
    "yml": YAML,
    "json": JSON,
    **{suffix: f"text/x-{language}" for suffix, language in _LANGUAGES.items()},
    **dict.fromkeys(
        (
            "txt",
            "text",
            "rst",
            "adoc",
            "asciidoc",
            "org",
            "toml",
            "cfg",
            "conf",
            "ini",
            "properties",
            "sh",
            "bash",
            "xml",
        ),
        PLAIN,
    ),
}
_BY_NAME: Final = dict.fromkeys(
    ("makefile", "dockerfile", "containerfile", "jenkinsfile", "procfile", "license", "notice", "readme", "changelog"),
    PLAIN,
)
_YAML_OPENAPI: Final = re.compile(rb"""^(?:"|')?(?:openapi|swagger)(?:"|')?[ \t]*:[ \t]*["']?[23]\.""", re.MULTILINE)
_JSON_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_JSON_VERSION: Final = re.compile(rb'\s*:\s*"[23]\.')


def media_type_of(path: str, head: bytes) -> str | None:
    """Return the media type of a file by its name and its first `HEAD_BYTES` bytes; None: binary or unsupported.

    A YAML or JSON file with a top-level `openapi` or `swagger` version key is OpenAPI. Spreadsheets are the one
    binary format known.
    """
    name = PurePosixPath(path)
    suffix = name.suffix[1:].lower()
    by_name = _BY_SUFFIX.get(suffix) or _BY_NAME.get((name.stem if suffix else name.name).lower())
    if by_name == SPREADSHEET:
        return SPREADSHEET if not head or head.startswith(b"PK") else None
    if by_name is None or is_binary(head):
        return None
    if by_name in (YAML, JSON) and _is_openapi(head):
        return OPENAPI
    return by_name


def is_binary(head: bytes) -> bool:
    """Tell whether bytes are not text: a NUL in the first 8 KiB and no UTF-16 byte order mark."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    return b"\x00" in head[:_BINARY_BYTES]


def _is_openapi(head: bytes) -> bool:
    head = head[:HEAD_BYTES].removeprefix(codecs.BOM_UTF8)
    if not head.lstrip().startswith(b"{"):
        return _YAML_OPENAPI.search(head) is not None
    depth = 0
    for token in _JSON_TOKEN.finditer(head):
        text = token.group()
        if text in (b"{", b"["):
            depth += 1
        elif text in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and text in (b'"openapi"', b'"swagger"') and _JSON_VERSION.match(head, token.end()):
            return True
    return False
