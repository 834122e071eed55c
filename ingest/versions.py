"""Several versions of one page in one source: its path says the version before a colon, as git writes `main:a/b.md`.

Chunkers see the path without it, so that what is equal in several versions is embedded once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from shirabe.types import Document

VERSION: Final = "version"
"""In the `meta` of a document and of its chunks: the version that it is of; absent where there is only one."""


def versioned(version: str, path: str) -> str:
    """Return a path, or what begins with one, as that of a version; the empty version is the only one."""
    return f"{version}:{path}" if version else path


def version_of(document: Document) -> str:
    """Return a document's version, the empty string for one without."""
    return str(document.meta.get(VERSION, ""))


def unversioned(document: Document) -> Document:
    """Return a document whose path does not say its version."""
    version = version_of(document)
    return replace(document, path=document.path.removeprefix(f"{version}:")) if version else document
