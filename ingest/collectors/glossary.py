"""Any source as a glossary: its documents are those of another collector, marked as holding terms."""

from __future__ import annotations

from ingest.collectors.marked import MarkedCollector
from ingest.glossary import META, term_columns
from shirabe.protocols import Collector
from shirabe.types import Source


class GlossaryCollector(MarkedCollector):
    """Yields what `inner` yields. Option: `columns`, which maps fields of a term to columns of tables."""

    def __init__(self, source: Source, inner: Collector) -> None:
        columns = term_columns(source.options.get("columns"), "options.columns")
        super().__init__(inner, {META: {"columns": dict(columns.given)}})
