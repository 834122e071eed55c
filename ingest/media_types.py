"""What kind of document a file is, from its name and its first bytes."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import PurePosixPath
from typing import Final

MARKDOWN: Final = "text/markdown"
PYTHON: Final = "text/x-python"
GO: Final = "text/x-go"
OPENAPI: Final = "application/vnd.oai.openapi"
ASYNCAPI: Final = "application/vnd.aai.asyncapi"
API_FILES: Final = "application/vnd.shirabe.api-files+json"
"""An OpenAPI or AsyncAPI description with the files it refers to, as a collector gathered them."""
SPREADSHEET: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLS: Final = "application/vnd.ms-excel"
ODS: Final = "application/vnd.oasis.opendocument.spreadsheet"
GRID: Final = "application/vnd.shirabe.grid+json"
"""The cells of one sheet, as a collector laid them down."""
TERMS: Final = "application/vnd.shirabe.terms+json"
"""Terms of a glossary, as they are pushed."""
CSV: Final = "text/csv"
TSV: Final = "text/tab-separated-values"
SHEETS: Final = frozenset({SPREADSHEET, ODS, XLS, CSV, TSV, GRID})
HTML: Final = "text/html"
CONFLUENCE: Final = "application/vnd.shirabe.confluence+markdown"
"""A Confluence page as its collector writes it: Markdown, its headings' anchors in the document's `meta`."""
TICKET: Final = "application/vnd.shirabe.ticket+markdown"
"""An issue or pull request with its comments, made Markdown as a Confluence page is."""
ANCHORED: Final = frozenset({CONFLUENCE, TICKET})
RST: Final = "text/prs.fallenstein.rst"
ASCIIDOC: Final = "text/asciidoc"
PDF: Final = "application/pdf"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX: Final = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
ODT: Final = "application/vnd.oasis.opendocument.text"
ODP: Final = "application/vnd.oasis.opendocument.presentation"
MARKUP: Final = frozenset({RST, ASCIIDOC})
RENDERED: Final = frozenset({HTML, PDF, DOCX, PPTX, ODT, ODP})
"""Read in the sandbox and rendered: what these hold is no lines of text."""
YAML: Final = "application/yaml"
JSON: Final = "application/json"
PLAIN: Final = "text/plain"

HEAD_BYTES: Final = 65_536
"""How much of a file `media_type_of` wants to see."""

_BINARY_BYTES: Final = 8_192

_OFFICE: Final = (SPREADSHEET, ODS, XLS, DOCX, PPTX, ODT, ODP)
# A zip archive, or what Office writes around it to protect it with a password (its reader says so).
_OFFICE_STARTS: Final = (b"PK", b"\xd0\xcf\x11\xe0")
_PDF_START: Final = b"%PDF-"
_PDF_START_WITHIN: Final = 1_024

_LANGUAGES: Final = {
    "bash": "shell",
    "c": "c",
    "cc": "cpp",
    "cjs": "javascript",
    "clj": "clojure",
    "cpp": "cpp",
    "cs": "csharp",
    "css": "css",
    "cts": "typescript",
    "cxx": "cpp",
    "dart": "dart",
    "dockerfile": "dockerfile",
    "ex": "elixir",
    "exs": "elixir",
    "gemspec": "ruby",
    "gql": "graphql",
    "graphql": "graphql",
    "graphqls": "graphql",
    "groovy": "groovy",
    "h": "c",
    "hcl": "terraform",
    "hh": "cpp",
    "hpp": "cpp",
    "hs": "haskell",
    "hxx": "cpp",
    "java": "java",
    "js": "javascript",
    "jsx": "javascript",
    "kt": "kotlin",
    "kts": "kotlin",
    "lua": "lua",
    "m": "objective-c",
    "mjs": "javascript",
    "mm": "objective-c",
    "mts": "typescript",
    "php": "php",
    "pl": "perl",
    "proto": "protobuf",
    "ps1": "powershell",
    "r": "r",
    "rake": "ruby",
    "rb": "ruby",
    "rs": "rust",
    "scala": "scala",
    "scss": "scss",
    "sh": "shell",
    "sql": "sql",
    "swift": "swift",
    "tf": "terraform",
    "tfvars": "terraform",
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
    "xls": XLS,
    "ods": ODS,
    "csv": CSV,
    "tsv": TSV,
    "html": HTML,
    "htm": HTML,
    "xhtml": HTML,
    "rst": RST,
    "adoc": ASCIIDOC,
    "asciidoc": ASCIIDOC,
    "pdf": PDF,
    "docx": DOCX,
    "docm": DOCX,
    "pptx": PPTX,
    "pptm": PPTX,
    "odt": ODT,
    "odp": ODP,
    "yaml": YAML,
    "yml": YAML,
    "json": JSON,
    **{suffix: f"text/x-{language}" for suffix, language in _LANGUAGES.items()},
    **dict.fromkeys(
        (
            "txt",
            "text",
            "org",
            "toml",
            "cfg",
            "conf",
            "ini",
            "properties",
            "xml",
        ),
        PLAIN,
    ),
}
_BY_NAME: Final = {
    **dict.fromkeys(("makefile", "jenkinsfile", "procfile", "license", "notice", "readme", "changelog"), PLAIN),
    **dict.fromkeys(("dockerfile", "containerfile"), "text/x-dockerfile"),
    **dict.fromkeys(("rakefile", "gemfile", "vagrantfile"), "text/x-ruby"),
}
_API_KEYS: Final = {b"openapi": OPENAPI, b"swagger": OPENAPI, b"asyncapi": ASYNCAPI}
_YAML_API: Final = re.compile(rb"""^(?:"|')?(openapi|swagger|asyncapi)(?:"|')?[ \t]*:[ \t]*["']?[23]\.""", re.MULTILINE)
_JSON_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_JSON_VERSION: Final = re.compile(rb'\s*:\s*"[23]\.')


def media_type_of(path: str, head: bytes) -> str | None:
    """Return the media type of a file by its name and its first `HEAD_BYTES` bytes; None: binary or unsupported.

    A YAML or JSON file with a top-level `openapi` or `swagger` version key is OpenAPI, one with `asyncapi` is AsyncAPI;
    all of the content finds that key also where it stands late. The binary formats known are those of Office programs
    and PDF.
    """
    name = PurePosixPath(path)
    suffix = name.suffix[1:].lower()
    by_name = _BY_SUFFIX.get(suffix) or _BY_NAME.get((name.stem if suffix else name.name).lower())
    if by_name in _OFFICE:
        return by_name if not head or head.startswith(_OFFICE_STARTS) else None
    if by_name == PDF:
        return PDF if not head or _PDF_START in head[:_PDF_START_WITHIN] else None
    if by_name is None or is_binary(head):
        return None
    if by_name in (YAML, JSON) and (api := _api_type(head)):
        return api
    return by_name


def is_binary(head: bytes) -> bool:
    """Tell whether bytes are not text: a NUL in the first 8 KiB and no UTF-16 byte order mark."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    return b"\x00" in head[:_BINARY_BYTES]


def _api_type(head: bytes) -> str | None:
    """Return the media type of the API description that a YAML or JSON file is, by its version key."""
    head = head.removeprefix(codecs.BOM_UTF8)
    if not head.lstrip().startswith(b"{"):
        named = _YAML_API.search(head)
        return _API_KEYS[named[1]] if named else None
    depth = 0
    for token in _JSON_TOKEN.finditer(head, 0, HEAD_BYTES):
        text = token.group()
        if text in (b"{", b"["):
            depth += 1
        elif text in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and (api := _API_KEYS.get(text.strip(b'"'))) and _JSON_VERSION.match(head, token.end()):
            return api
    # Generators that sort their keys write the version of a large description far behind its first bytes.
    if len(head) > HEAD_BYTES and any(b'"%s"' % key in head for key in _API_KEYS):
        return _api_type_of_json(head)
    return None


def _api_type_of_json(content: bytes) -> str | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    versions = {api: document.get(key.decode()) for key, api in _API_KEYS.items() if key.decode() in document}
    return next((api for api, version in versions.items() if str(version).startswith(("2.", "3."))), None)
