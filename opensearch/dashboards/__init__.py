"""What Shirabe puts into OpenSearch Dashboards: index patterns, saved searches and two dashboards."""

from opensearch.activity_documents import ActivityIndexes
from opensearch.dashboards.for_operators import operators_dashboard
from opensearch.dashboards.for_searchers import searchers_dashboard
from opensearch.dashboards.patterns import patterns_of
from opensearch.dashboards.saved_objects import SavedObject, ndjson

__all__ = ["dashboard_objects", "dashboards"]


def dashboards(alias: str, indexes: ActivityIndexes = ActivityIndexes()) -> list[SavedObject]:  # noqa: B008 - frozen
    """Return the dashboards over the index behind an alias; all the other objects hang on them."""
    of = patterns_of(alias, indexes)
    return [searchers_dashboard(of), operators_dashboard(of)]


def dashboard_objects(alias: str, indexes: ActivityIndexes = ActivityIndexes()) -> bytes:  # noqa: B008 - frozen
    """Return all objects as the NDJSON that Dashboards imports."""
    return ndjson(dashboards(alias, indexes))
