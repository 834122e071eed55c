"""The dashboard of people who search: what there is to find, and how fresh it is. Pure."""

from __future__ import annotations

from functools import partial

from opensearch.dashboards.charts import Metric, bars, figures, over_time, series, table, terms
from opensearch.dashboards.patterns import Patterns
from opensearch.dashboards.saved_objects import Panel, SavedObject, dashboard, saved_search

_PUBLIC = "public:true"
_DOCUMENTS = Metric("Documents", "cardinality", "doc_id")
_CHUNKS = Metric("Chunks")


def searchers_dashboard(of: Patterns) -> SavedObject:
    """Return the dashboard; it shows what everybody may see, as the search does to somebody without a name."""
    chart = partial(of.chart, of.chunks, query=_PUBLIC)
    size = chart(
        "size",
        "what there is to find",
        "Documents, their chunks, and the sources they come from.",
        figures(_DOCUMENTS, _CHUNKS, Metric("Sources", "cardinality", "source")),
    )
    sources = chart(
        "by-source",
        "documents by source",
        "How many documents each source has, by language.",
        bars(_DOCUMENTS, terms("Source", "source", 20), terms("Language", "lang", 10)),
    )
    kinds = chart("by-kind", "chunks by kind", "What the chunks are.", bars(_CHUNKS, terms("Kind", "kind", 20)))
    languages = chart(
        "by-language", "chunks by language", "In which language they are.", bars(_CHUNKS, terms("Language", "lang", 20))
    )
    freshness = chart(
        "freshness",
        "documents by last change",
        "In which month documents were changed last, by source.",
        series("histogram", [_DOCUMENTS], over_time("updated_at", "M"), terms("Source", "source", 10)),
    )
    newest = chart(
        "newest-by-source",
        "last change of each source",
        "When anything of a source was changed last: a source whose date stands still is dead, or not synced.",
        table([Metric("Last change", "max", "updated_at"), _DOCUMENTS], terms("Source", "source", 50)),
    )
    documents = saved_search(
        of.name("documents"),
        "Shirabe: documents, newest first",
        "One line per document, by its first chunk.",
        of.chunks,
        ("title", "source", "path", "kind", "lang", "updated_at", "uri"),
        "updated_at",
        f"{_PUBLIC} AND ordinal:0",
    )
    rows = [
        [Panel(size, 48, 7)],
        [Panel(sources, 24, 14), Panel(newest, 24, 14)],
        [Panel(kinds, 24, 14), Panel(languages, 24, 14)],
        [Panel(freshness, 48, 13)],
        [Panel(documents, 48, 20)],
    ]
    return dashboard(
        of.name("dashboard-searchers"),
        "Shirabe: what can be found",
        "What is indexed, by source, kind, language and freshness.",
        rows,
    )
