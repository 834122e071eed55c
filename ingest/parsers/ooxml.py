"""What the Office formats since 2007 have in common: parts of an archive that name each other by relationships."""

from __future__ import annotations

import posixpath
import zipfile
from typing import Final

from ingest.archives import read_xml
from shirabe.errors import InvalidInput

_RELATIONSHIP: Final = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_TITLE: Final = "{http://purl.org/dc/elements/1.1/}title"


def relationships(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """Return what a part (empty: the package) refers to: id -> (last word of the relationship's type, part name).

    What lies outside of the archive is left out.
    """
    folder, name = posixpath.split(part)
    root = read_xml(archive, posixpath.join(folder, "_rels", f"{name}.rels"))
    return {
        one.get("Id", ""): (one.get("Type", "").rsplit("/", 1)[-1], _resolved(folder, one.get("Target", "")))
        for one in (root.iter(_RELATIONSHIP) if root is not None else ())
        if one.get("TargetMode") != "External"
    }


def related_part(archive: zipfile.ZipFile, part: str, kind: str) -> str:
    """Return the first part that a part refers to by a kind of relationship; empty when there is none."""
    return next((target for found, target in relationships(archive, part).values() if found == kind), "")


def main_part(archive: zipfile.ZipFile) -> str:
    """Return the part that the document begins with.

    Raises: InvalidInput when it is no Office document.
    """
    part = related_part(archive, "", "officeDocument")
    if not part:
        raise InvalidInput("not an Office document")
    return part


def core_title(archive: zipfile.ZipFile) -> str:
    """Return the title among the document's properties; may be empty."""
    name = related_part(archive, "", "core-properties")
    root = read_xml(archive, name) if name else None
    return (root.findtext(_TITLE) or "").strip() if root is not None else ""


def _resolved(folder: str, target: str) -> str:
    path = target if target.startswith("/") else posixpath.join(folder, target)
    return posixpath.normpath(path).lstrip("/")
