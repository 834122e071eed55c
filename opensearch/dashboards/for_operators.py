"""The dashboard of operators: are the sources in the index, do searches answer, and do people find. Pure."""

from __future__ import annotations

from functools import partial

from opensearch.activity_documents import APPLICATION
from opensearch.dashboards.charts import (
    Metric,
    cases,
    figures,
    over_time,
    percentiles,
    series,
    table,
    terms,
)
from opensearch.dashboards.patterns import Patterns
from opensearch.dashboards.saved_objects import Panel, SavedObject, dashboard, saved_search

_SEARCHES = Metric("Searches")
_EXACT_QUERY = "user_query"
_CLICKS = f"application:{APPLICATION} AND action_name:click"
_FAILED_SYNCS = "NOT outcome:ok"
STAGES = ("embed", "legs", "fetch", "late", "cross")


def operators_dashboard(of: Patterns) -> SavedObject:
    """Return the dashboard."""
    rows = [*_sync_rows(of), *_search_rows(of), *_found_rows(of)]
    return dashboard(
        of.name("dashboard-operators"),
        "Shirabe: how it runs",
        "Lag, failures and growth of the sources; time, gaps and clicks of the searches.",
        rows,
        since="now-7d",
    )


def _sync_rows(of: Patterns) -> list[list[Panel]]:
    chart = partial(of.chart, of.syncs)
    by_source = terms("Source", "source", 20)
    finished = over_time("finished")
    lag = chart(
        "lag",
        "lag by source",
        "How old the copy of a source was when a sync of it ended, at most. It grows while syncs fail.",
        series("line", [Metric("Lag, s", "max", "lag_s")], finished, by_source),
    )
    last = chart(
        "last-sync",
        "last good sync of each source",
        "A source that is missing here had none in the time range.",
        table([Metric("Last good sync", "max", "finished"), Metric("Good syncs")], terms("Source", "source", 50)),
        "outcome:ok",
    )
    failures = chart(
        "failures",
        "failing documents by source",
        "Documents that are not as their source has them; `shirabe failures` names them.",
        series("line", [Metric("Failing documents", "max", "held.failures")], finished, by_source),
    )
    outcomes = chart(
        "failed-syncs",
        "failed syncs",
        "Syncs that did not end well, by source and error.",
        table([Metric("Syncs"), Metric("Last", "max", "finished")], by_source, terms("Error", "outcome", 10)),
        _FAILED_SYNCS,
    )
    growth = chart(
        "growth",
        "chunks by source",
        "How the index grows.",
        series("line", [Metric("Chunks", "max", "held.chunks")], finished, by_source),
    )
    work = chart(
        "embedding",
        "chunks embedded",
        "What syncs cost: chunks that went through the model, and chunks whose embedding was in the cache.",
        series("histogram", [Metric("Embedded", "sum", "embedded"), Metric("Cached", "sum", "cached")], finished),
    )
    listed = saved_search(
        of.name("syncs-with-failures"),
        "Shirabe: syncs with failures",
        "Syncs that failed, or left documents out.",
        of.syncs,
        ("source", "kind", "outcome", "failed", "documents", "took_s", "lag_s"),
        "finished",
        f"({_FAILED_SYNCS}) OR failed:>0",
    )
    return [
        [Panel(lag, 24, 13), Panel(last, 24, 13)],
        [Panel(failures, 24, 13), Panel(outcomes, 24, 13)],
        [Panel(growth, 24, 13), Panel(work, 24, 13)],
        [Panel(listed, 48, 13)],
    ]


def _search_rows(of: Patterns) -> list[list[Panel]]:
    chart = partial(of.chart, of.searches)
    asked = over_time("timestamp")
    took = chart(
        "search-figures",
        "searches, and how long they took",
        "Median, 95th and 99th percentile of the time to answer, milliseconds.",
        figures(_SEARCHES, percentiles("Time, ms", "took_ms", 50, 95, 99)),
    )
    latency = chart(
        "search-time",
        "time to answer",
        "Median and 95th percentile, milliseconds.",
        series("line", [percentiles("Time, ms", "took_ms", 50, 95)], asked),
    )
    stages = chart(
        "search-stages",
        "time by stage",
        "Mean time of the stages of a search, milliseconds: which of them is slow.",
        series("line", [Metric(stage, "avg", f"stages_ms.{stage}") for stage in STAGES], asked, unit="Mean, ms"),
    )
    health = chart(
        "search-outcomes",
        "searches by outcome",
        "Searches that found nothing, or did without a model, among all.",
        series(
            "histogram",
            [_SEARCHES],
            asked,
            cases(
                "Outcome",
                {
                    "found": "hits:>0 AND NOT _exists_:degraded",
                    "found, degraded": "hits:>0 AND _exists_:degraded",
                    "nothing found": "hits:0",
                },
            ),
        ),
    )
    slow = chart(
        "slow-queries",
        "slowest queries",
        "The queries that took longest.",
        table([Metric("Longest, ms", "max", "took_ms"), _SEARCHES], terms("Query", _EXACT_QUERY, 25)),
    )
    empty = chart(
        "zero-hit-queries",
        "queries without hits",
        "What is asked for and is not there, or is there in other words: the first candidates for the glossary.",
        table([_SEARCHES], terms("Query", _EXACT_QUERY, 25)),
        "hits:0",
    )
    listed = saved_search(
        of.name("searches-without-hits"),
        "Shirabe: searches without hits",
        "Each search that found nothing, with its filters.",
        of.searches,
        ("user_query", "lang", "mode", "filters", "generation"),
        "timestamp",
        "hits:0",
    )
    slowest = saved_search(
        of.name("slow-searches"),
        "Shirabe: searches of a second and more",
        "Each slow search, with the time of its stages.",
        of.searches,
        ("user_query", "took_ms", "mode", "degraded", *(f"stages_ms.{stage}" for stage in STAGES)),
        "timestamp",
        "took_ms:>=1000",
    )
    return [
        [Panel(took, 48, 7)],
        [Panel(latency, 24, 13), Panel(stages, 24, 13)],
        [Panel(health, 24, 13), Panel(slow, 24, 13)],
        [Panel(empty, 24, 13), Panel(listed, 24, 13)],
        [Panel(slowest, 48, 13)],
    ]


def _found_rows(of: Patterns) -> list[list[Panel]]:
    frequent = of.chart(
        of.queries,
        "frequent-queries",
        "most frequent queries",
        "What is asked most.",
        table([_SEARCHES, Metric("Askers", "cardinality", "client_id")], terms("Query", _EXACT_QUERY, 25)),
        f"application:{APPLICATION}",
    )
    places = of.chart(
        of.events,
        "clicks-by-place",
        "clicks by place",
        "At which place the hits stood that were opened: the further to the left, the better the order.",
        series(
            "histogram",
            [Metric("Clicks")],
            terms("Place", "event_attributes.position.ordinal", 20, by="_key", order="asc"),
        ),
        _CLICKS,
    )
    clicked = of.chart(
        of.events,
        "click-figures",
        "clicks",
        "Hits that were opened, and searches of which one was; compare with the searches above.",
        figures(Metric("Clicks"), Metric("Searches with a click", "cardinality", "query_id")),
        _CLICKS,
    )
    listed = saved_search(
        of.name("clicks"),
        "Shirabe: clicks",
        "Each hit that was opened.",
        of.events,
        ("query_id", "event_attributes.object.object_id", "event_attributes.position.ordinal"),
        "timestamp",
        _CLICKS,
    )
    return [
        [Panel(frequent, 24, 13), Panel(places, 24, 13)],
        [Panel(clicked, 24, 9), Panel(listed, 24, 9)],
    ]
