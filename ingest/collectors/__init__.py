"""Collectors: each reads one kind of source and says what changed."""

from __future__ import annotations

from ingest.collectors.folder import FolderCollector
from ingest.collectors.git import GitCollector
from shirabe.errors import InvalidInput
from shirabe.protocols import Collector
from shirabe.settings import Settings
from shirabe.types import Source


def open_collector(source: Source, settings: Settings) -> Collector:
    """Return the collector for a source.

    Raises: InvalidInput for a kind that no collector reads or a bad option, NotFound when there is nothing there.
    """
    max_file_bytes = settings.ingest.max_file_bytes
    match source.kind:
        case "git":
            return GitCollector(source, settings.state_dir, max_file_bytes)
        case "openapi":
            from ingest.collectors.openapi import OpenApiCollector  # with a YAML parser, which no other kind needs

            return OpenApiCollector(source, max_file_bytes)
        case "markdown" | "sheet" | "glossary":
            return FolderCollector(source, max_file_bytes)
        case _:
            raise InvalidInput(f"no collector reads sources of kind {source.kind} yet", "kind")


__all__ = ["FolderCollector", "GitCollector", "open_collector"]
