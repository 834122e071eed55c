"""Which languages are read by their structure, and how.

Grammars are programs in C that were never written for input from strangers, and some take a minute for 100 KB of
brackets without looking up: they run in the sandbox. A file that they fail on has no units.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final

from ingest import sandbox
from ingest.chunkers.code_config import DOCKERFILE, HCL
from ingest.chunkers.code_grammar import Grammar
from ingest.chunkers.code_objects import CSHARP, JAVA, KOTLIN
from ingest.chunkers.code_protobuf import read_protobuf
from ingest.chunkers.code_scripts import PHP, PYTHON, RUBY, SHELL
from ingest.chunkers.code_sql import read_sql
from ingest.chunkers.code_systems import CPP, GO, RUST, C
from ingest.chunkers.code_units import Reading
from ingest.chunkers.code_web import JAVASCRIPT, TSX, TYPESCRIPT
from ingest.chunkers.source import SourceText
from shirabe.errors import InvalidInput

Reader = Callable[[SourceText], Reading]

GRAMMARS: Final[Mapping[str, Grammar]] = {
    "c": C,
    "cpp": CPP,
    "csharp": CSHARP,
    "dockerfile": DOCKERFILE,
    "go": GO,
    "java": JAVA,
    "javascript": JAVASCRIPT,
    "kotlin": KOTLIN,
    "php": PHP,
    "python": PYTHON,
    "ruby": RUBY,
    "rust": RUST,
    "shell": SHELL,
    "terraform": HCL,
    "tsx": TSX,
    "typescript": TYPESCRIPT,
}
_CPP_HEADER: Final = re.compile(r"^\s*(?:class\s+\w|namespace\b|template\s*<|(?:public|private|protected)\s*:)", re.M)


def reader_of(path: str, language: str, text: str) -> tuple[Reader | None, str]:
    """Return what reads a file, None for a language without a parser, and its language: a C header may be C++."""
    if language == "c" and path.lower().endswith(".h") and _CPP_HEADER.search(text):
        language = "cpp"
    if language in _READERS:
        return _READERS[language], language
    dialect = "tsx" if PurePosixPath(path).suffix.lower() == ".tsx" else language
    return (partial(_read_apart, path=path, dialect=dialect) if dialect in GRAMMARS else None), language


def read_plain(content: bytes, *, dialect: str) -> dict[str, Any]:
    """Return the reading of a UTF-8 text in one of `GRAMMARS` as plain data. Runs in the sandbox."""
    from ingest.chunkers.code_tree import read_tree

    return read_tree(content.decode("utf-8"), GRAMMARS[dialect]).plain()


def _read_apart(source: SourceText, path: str, dialect: str) -> Reading:
    try:
        plain = sandbox.parse(
            "ingest.chunkers.code_languages:read_plain", source.text.encode("utf-8"), place=path, dialect=dialect
        )
    except InvalidInput:
        return Reading(())
    return Reading.of_plain(plain)


def _read_graphql(source: SourceText) -> Reading:
    from ingest.chunkers.code_graphql import read_graphql

    return read_graphql(source)


_READERS: Final[Mapping[str, Reader]] = {"graphql": _read_graphql, "protobuf": read_protobuf, "sql": read_sql}
