"""What became of a generation: events in its own `_meta`, and the state that follows from them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from opensearch.generations import Generation

Event = Literal["created", "built", "verified", "joined", "promoted", "replaced", "restored", "rolled back", "emptying"]
State = Literal["answering", "candidate", "previous"]
_KEPT: Final = 50
ITSELF: Final = ""
"""The partner of a generation that holds its code itself."""


def events_of(generation: Generation) -> Sequence[Mapping[str, Any]]:
    """Return the events of a generation, oldest first; one that was made by a first ingest may have none."""
    events: Sequence[Mapping[str, Any]] = generation.meta.get("history", ())
    return events


def last_event(generation: Generation, *names: Event) -> Mapping[str, Any] | None:
    """Return the latest event of one of these names."""
    return next((event for event in reversed(events_of(generation)) if event["event"] in names), None)


def with_event(meta: Mapping[str, Any], name: Event, **facts: object) -> dict[str, Any]:
    """Return what a generation records, with one event more; the first is never forgotten."""
    event = {"event": name, "at": datetime.now(UTC).isoformat(timespec="seconds"), **facts}
    history = [*meta.get("history", ()), event]
    return {**meta, "history": [*history[:1], *history[1:][-_KEPT:]]}


def state_of(generation: Generation, answering: str) -> State:
    """Return the state of a generation, given the name of the one that answers.

    One that was promoted and rolled back from is a candidate again.
    """
    if generation.name == answering:
        return "answering"
    last = last_event(generation, "created", "promoted", "replaced", "restored", "rolled back")
    return "candidate" if last is not None and last["event"] in ("created", "rolled back") else "previous"


def partner_of(generation: Generation) -> str | None:
    """Return the generation of the code index that one of the first index is switched together with.

    `ITSELF` where it holds its code itself; None where it goes with whichever of the code index answers. It says
    nothing of the one that answers.
    """
    last = last_event(generation, "created", "joined", "replaced", "rolled back")
    return None if last is None else last.get("code")


def idle_since(generation: Generation) -> datetime | None:
    """Return when the last thing became of a generation, None when nothing is recorded."""
    events = events_of(generation)
    return datetime.fromisoformat(events[-1]["at"]) if events else None
