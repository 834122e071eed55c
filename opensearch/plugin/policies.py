"""What index-management does over time: old activity logs deleted, snapshots taken and thinned out."""

from __future__ import annotations

from typing import Any, Final

from opensearch.activity_documents import ActivityIndexes
from opensearch.plugin.marks import PREFIX, described
from opensearch.plugin.roles import LOG_PATTERNS
from opensearch.plugin.shelves import SNAPSHOT_POLICY, STATE_POLICY, Thing
from opensearch.plugin.templates import PATTERN

LOGS: Final = f"{PREFIX}logs"
DAILY: Final = f"{PREFIX}daily"
_KEPT: Final = "180d"
_LOGS: Final = ActivityIndexes()


def state_policy() -> Thing:
    """Return the policy of rolled-over query and click logs; what holds documents is never aged away.

    The age is that of the rollover: by its own age an index that is still written to would go, with today's entries.
    """
    return Thing(
        STATE_POLICY,
        LOGS,
        {
            "description": described(f"query and click logs are kept {_KEPT}"),
            "default_state": "kept",
            "states": [
                {
                    "name": "kept",
                    "actions": [],
                    "transitions": [{"state_name": "deleted", "conditions": {"min_rollover_age": _KEPT}}],
                },
                {"name": "deleted", "actions": [{"delete": {}}], "transitions": []},
            ],
            "ism_template": [{"index_patterns": [f"{_LOGS.queries}-*", f"{_LOGS.events}-*"], "priority": 100}],
        },
    )


def snapshot_policy(repository: str, alias: str) -> Thing:
    """Return the policy of a snapshot a day of everything that cannot be made again from elsewhere."""
    deletion: dict[str, Any] = {"max_age": "14d", "min_count": 7, "max_count": 30}
    return Thing(
        SNAPSHOT_POLICY,
        DAILY,
        {
            "description": described("a snapshot a day, two weeks of them"),
            "enabled": True,
            "creation": {"schedule": {"cron": {"expression": "0 3 * * *", "timezone": "UTC"}}, "time_limit": "1h"},
            "deletion": {
                "schedule": {"cron": {"expression": "0 5 * * *", "timezone": "UTC"}},
                "condition": deletion,
                "time_limit": "1h",
            },
            "snapshot_config": {
                "repository": repository,
                "indices": ",".join((f"{alias}-*", PATTERN, *LOG_PATTERNS)),
                "ignore_unavailable": True,
                # Pipelines, templates and models are made again by `plugin install`.
                "include_global_state": False,
                "partial": False,
            },
        },
    )
