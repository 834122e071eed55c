"""Workbooks from strangers as grids: each kind of file has its reader, which runs in the sandbox."""

from __future__ import annotations

from typing import Final

from ingest import media_types, sandbox
from ingest.chunkers.sheet_grid import Grid

_READERS: Final = {
    media_types.SPREADSHEET: "ingest.chunkers.workbook_xlsx:read_xlsx",
    media_types.ODS: "ingest.chunkers.workbook_ods:read_ods",
    media_types.XLS: "ingest.chunkers.workbook_xls:read_xls",
}
WORKBOOKS: Final = frozenset(_READERS)
"""The media types of workbooks that are read."""


def read_workbook(content: bytes, path: str, media_type: str) -> list[Grid]:
    """Return each visible sheet of a workbook.

    Raises: InvalidInput for a file that is damaged, protected, or would grow past the caps; Unavailable.
    """
    return [Grid.of_plain(plain) for plain in sandbox.parse(_READERS[media_type], content, place=path)]
