"""The shapes of events: what was done with a hit, in the words of UBI (User Behavior Insights)."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.models import ClientId, Strict

MAX_EVENTS = 100
MAX_ORDINAL = 10_000


class EventObject(Strict):
    """The hit."""

    object_id: str = Field(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$", description="The hit's `chunk_id`")
    object_id_field: Literal["chunk_id"] = "chunk_id"


class EventPosition(Strict):
    """Where the hit stood."""

    ordinal: int = Field(ge=1, le=MAX_ORDINAL, strict=True, description="Its place among the hits, from 1")


class EventAttributes(Strict):
    """What an event was about."""

    object: EventObject
    position: EventPosition


class EventBody(Strict):
    """One event. Its time is when it arrives; whether the query is known is not asked, as UBI has it."""

    action_name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,63}$", description="What was done", examples=["click", "impression"]
    )
    query_id: UUID = Field(description="The `query_id` of the search that gave the hit")
    client_id: ClientId | None = Field(None, description="Who did it, as given with the search; a pseudonym is kept")
    event_attributes: EventAttributes


class EventsRequest(Strict):
    """Events to keep."""

    events: list[EventBody] = Field(min_length=1, max_length=MAX_EVENTS)


class EventsAnswer(BaseModel):
    """What became of them."""

    accepted: int = Field(description="Events taken; none where the log of queries is switched off")
