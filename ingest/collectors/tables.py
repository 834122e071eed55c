"""The collectors of the kinds `sheet` and `glossary`, which lie in folders, in repositories, or with Google."""

from __future__ import annotations

from pathlib import Path

from ingest.collectors.folder import FolderCollector
from ingest.collectors.git import GitCollector
from ingest.collectors.glossary import GlossaryCollector
from ingest.locations import guess_kind, spreadsheet_id_of
from shirabe.protocols import Collector
from shirabe.types import Source


def open_tables(source: Source, state_dir: Path, max_file_bytes: int) -> Collector:
    """Return the collector of a source of kind `sheet` or `glossary`: a sheet with `columns` is a glossary too.

    Raises: InvalidInput for a bad option, NotFound when there is nothing there.
    """
    collector = _by_location(source, state_dir, max_file_bytes)
    if source.kind == "glossary" or "columns" in source.options:
        return GlossaryCollector(source, collector)
    return collector


def _by_location(source: Source, state_dir: Path, max_file_bytes: int) -> Collector:
    if spreadsheet_id_of(source.location):
        from ingest.collectors.google_sheets import GoogleSheetsCollector  # with what signs tokens

        return GoogleSheetsCollector(source, max_file_bytes)
    # A folder is read as it is, be it a checkout or not.
    if not Path(source.location).is_dir() and guess_kind(source.location) == "git":
        return GitCollector(source, state_dir, max_file_bytes)
    return FolderCollector(source, max_file_bytes)
