"""Cluster settings: what is changed of them, and how it is undone to the letter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from opensearch.plugin.facts import Facts
from opensearch.plugin.served import ServedModels

TRUSTED: Final = "plugins.ml_commons.trusted_connector_endpoints_regex"
PRIVATE_IP: Final = "plugins.ml_commons.connector.private_ip_enabled"
WORKBENCH: Final = "plugins.search_relevance.workbench_enabled"
ARCHIVED: Final = "archived."
"""Before the name of a setting whose plugin is gone; while there is one, the cluster takes no other setting."""


@dataclass(frozen=True, slots=True)
class Record:
    """What was there before us, kept in the cluster: setting -> its persistent value, None where it had none.

    `trusted`: the patterns that we added. `inherited`: those that were in force before, by default or set.
    """

    before: Mapping[str, Any]
    trusted: tuple[str, ...]
    inherited: tuple[str, ...]


def wanted_settings(served: ServedModels, facts: Facts, *, workbench: bool) -> dict[str, Any]:
    """Return the persistent settings to write; empty when everything is as needed. `workbench`: it is to be filled.

    The list of trusted addresses replaces the default one, so what is in force is written with it.
    """
    wanted: dict[str, Any] = {}
    trusted = _patterns(facts.settings.get(TRUSTED))
    if served.trusted_pattern not in trusted:
        wanted[TRUSTED] = [*trusted, served.trusted_pattern]
    switches = {PRIVATE_IP: served.private, WORKBENCH: workbench}
    for name, needed in switches.items():
        if needed and str(facts.settings.get(name)).lower() != "true":
            wanted[name] = True
    return wanted


def overruled(wanted: Mapping[str, Any], facts: Facts) -> list[str]:
    """Return the settings that could not take effect, because a transient one stands over them."""
    return [
        f"the setting {name} is set as a transient one, which overrules what is installed: clear it first"
        for name in wanted
        if name in facts.transient
    ]


def record_of(wanted: Mapping[str, Any], served: ServedModels, facts: Facts, earlier: Record | None) -> Record:
    """Return what to remember: what an earlier install found, and for settings it did not touch what is there now."""
    before = dict(earlier.before) if earlier else {}
    for name in wanted:
        before.setdefault(name, facts.persistent.get(name))
    added = earlier.trusted if earlier else ()
    inherited = earlier.inherited if earlier else tuple(_patterns(facts.settings.get(TRUSTED)))
    if TRUSTED in wanted:
        added = tuple(dict.fromkeys((*added, served.trusted_pattern)))
    return Record(before, added, inherited)


def restored_settings(record: Record, facts: Facts) -> dict[str, Any]:
    """Return the persistent settings that undo ours; None clears one. Patterns that others added meanwhile stay."""
    restored: dict[str, Any] = {}
    for name, before in record.before.items():
        if (archived := f"{ARCHIVED}{name}") in facts.persistent:
            restored[archived] = None
            continue
        now, value = facts.persistent.get(name), before
        if name == TRUSTED and now is not None:
            left = [pattern for pattern in _patterns(now) if pattern not in record.trusted]
            value = before if tuple(left) == record.inherited else left
        if value != now:
            restored[name] = value
    return restored


def _patterns(value: Any) -> list[str]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [str(value)]
