"""Collectors: each reads one kind of source and says what changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ingest.collectors.folder import FolderCollector
from ingest.collectors.git import GitCollector
from ingest.collectors.git_mirror import mirror_folder
from ingest.collectors.marked import MarkedCollector
from ingest.secrets import secret_option
from ingest.units import UNIT, unit_option
from ingest.webhooks import SECRET_OPTION, require_authentic
from shirabe.errors import Forbidden, InvalidInput
from shirabe.protocols import Collector
from shirabe.settings import Settings
from shirabe.types import Source


def open_collector(source: Source, settings: Settings) -> Collector:
    """Return the collector for a source; its option `unit` (`section`, `document`) says what documents are cut into.

    Raises: InvalidInput for a kind that no collector reads or a bad option, NotFound when there is nothing there.
    """
    meta = unit_option(source.options.get(UNIT))
    collector = _open(source, settings)
    return MarkedCollector(collector, meta) if meta else collector


def _open(source: Source, settings: Settings) -> Collector:
    max_file_bytes = settings.ingest.max_file_bytes
    match source.kind:
        case "git":
            return GitCollector(source, settings.state_dir, max_file_bytes)
        case "openapi":
            from ingest.collectors.openapi import OpenApiCollector  # with a YAML parser, which no other kind needs

            return OpenApiCollector(source, max_file_bytes)
        case "confluence":
            from ingest.collectors.confluence import ConfluenceCollector  # with an HTTP client

            return ConfluenceCollector(source, settings.state_dir, max_file_bytes)
        case "issues":
            from ingest.collectors.issues import IssuesCollector  # with an HTTP client

            return IssuesCollector(source, settings.state_dir, max_file_bytes)
        case "markdown":
            return FolderCollector(source, max_file_bytes)
        case "sheet" | "glossary":
            from ingest.collectors.tables import open_tables

            return open_tables(source, settings.state_dir, max_file_bytes)
        case _:
            raise InvalidInput(f"no collector reads sources of kind {source.kind} yet", "kind")


def state_folders(source: Source, state_dir: Path) -> Iterator[Path]:
    """Yield the folders in which collectors keep what they know of a source, there or not."""
    from ingest.collectors.confluence import snapshot_folder  # with an HTTP client
    from ingest.collectors.issues import issues_folder

    yield mirror_folder(state_dir, source.source_id, source.location)
    yield snapshot_folder(state_dir, source.source_id, source.location)
    yield issues_folder(state_dir, source.source_id, source.location)


def take_webhook(source: Source, state_dir: Path, headers: Mapping[str, str], body: bytes) -> None:
    """Check the webhook of a source, and note for its next sync what it says; header names in lower case.

    Raises: InvalidInput, Forbidden unless it is signed with the source's secret.
    """
    secret = secret_option(source.options, SECRET_OPTION)
    if secret is None:
        raise Forbidden(f"{source.source_id} takes no webhooks: it has no option {SECRET_OPTION}")
    match source.kind:
        case "confluence":
            from ingest.collectors import confluence

            confluence.remember(source, state_dir, confluence.events_of(headers, body, secret))
        case "issues":
            from ingest.collectors import issues

            require_authentic(headers, body, secret)
            issues.remember(source, state_dir, issues.events_of(body))
        case _:
            require_authentic(headers, body, secret)


__all__ = ["FolderCollector", "GitCollector", "open_collector", "state_folders", "take_webhook"]
