"""The state of a generation follows from what became of it and from which one answers."""

from __future__ import annotations

from itertools import takewhile

import pytest

from opensearch.generations import Generation
from opensearch.history import ITSELF, Event, events_of, idle_since, last_event, partner_of, state_of, with_event


def generation(*events: Event) -> Generation:
    meta: dict[str, object] = {}
    for event in events:
        meta = with_event(meta, event)
    return Generation("x-000002", "u", meta)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        (("created",), "candidate"),
        (("created", "built", "verified"), "candidate"),
        (("created", "promoted", "replaced"), "previous"),
        (("created", "promoted", "rolled back"), "candidate"),
        (("created", "promoted", "rolled back", "promoted", "replaced"), "previous"),
        (("replaced", "restored", "replaced"), "previous"),
        # Killed between the switch and the note of it, and one that a first ingest made.
        (("created", "promoted"), "previous"),
        ((), "previous"),
    ],
)
def test_the_state_of_what_does_not_answer(events: tuple[Event, ...], state: str) -> None:
    assert state_of(generation(*events), "x-000001") == state
    assert state_of(generation(*events), "x-000002") == "answering"


def test_the_first_event_and_the_latest_are_kept() -> None:
    many: list[Event] = ["built"] * 80
    made = generation("created", *many, "verified")
    names = [event["event"] for event in events_of(made)]
    assert (names[0], names[-1], len(names)) == ("created", "verified", 51)
    assert len(list(takewhile(lambda name: name == "built", names[1:]))) == 49
    assert last_event(made, "created", "built") is events_of(made)[-2]
    assert last_event(made, "promoted") is None
    assert idle_since(made) is not None and idle_since(generation()) is None


@pytest.mark.parametrize(
    ("events", "partner"),
    [
        ((), None),
        ((("created", None),), None),
        ((("created", "code-1"), ("built", None), ("promoted", None)), "code-1"),
        # Noted before the switch, whether or not what follows could be noted.
        ((("joined", "code-1"),), "code-1"),
        ((("joined", ITSELF), ("replaced", ITSELF)), ITSELF),
        # Whoever was replaced alone goes alone from then on.
        ((("created", "code-1"), ("promoted", None), ("replaced", None)), None),
        ((("created", "code-1"), ("promoted", None), ("joined", "code-2"), ("rolled back", "code-2")), "code-2"),
    ],
)
def test_what_a_generation_is_switched_together_with(
    events: tuple[tuple[Event, str | None], ...], partner: str | None
) -> None:
    meta: dict[str, object] = {}
    for event, code in events:
        meta = with_event(meta, event, **({} if code is None else {"code": code}))
    assert partner_of(Generation("x-000002", "u", meta)) == partner
