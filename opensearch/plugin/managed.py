"""Indexes under a state policy. Each keeps a copy of the policy of when it came under it.

So a policy that is changed changes nothing for them, and one that is deleted goes on: they have to be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opensearch.plugin.calls import Call
from opensearch.plugin.cluster import Cluster
from opensearch.plugin.shelves import STATE_POLICY, Found, Shelf

_LISTING: Final = Call("GET", "/_plugins/_ism/explain?size=1000")


async def renewals(cluster: Cluster, shelf: Shelf, found: Found | None) -> tuple[Call, ...]:
    """Return the calls that bring a policy, once it is changed, to the indexes under it.

    Raises: Forbidden, InvalidInput, Unavailable, Timeout.
    """
    if found is None or not (indexes := await _managed(cluster, shelf, found)):
        return ()
    return (Call("POST", f"/_plugins/_ism/change_policy/{indexes}", {"policy_id": found.ident}),)


async def releases(cluster: Cluster, shelf: Shelf, found: Found) -> tuple[Call, ...]:
    """Return the calls that take the indexes under a policy out of it. Raises: as `renewals`."""
    indexes = await _managed(cluster, shelf, found)
    return (Call("POST", f"/_plugins/_ism/remove/{indexes}"),) if indexes else ()


async def _managed(cluster: Cluster, shelf: Shelf, found: Found) -> str:
    if shelf is not STATE_POLICY:
        return ""
    rows = await cluster.ask(_LISTING) or {}
    named = (name for name, row in rows.items() if isinstance(row, Mapping) and row.get("policy_id") == found.ident)
    return ",".join(sorted(named))
