"""AsyncAPI descriptions into one unit per channel, operation, message and schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final

from ingest.chunkers.asyncapi_render import channel_operation_parts, channel_parts, message_parts, summary_of
from ingest.chunkers.asyncapi_units import ChannelOperation, channel_operations, channels, messages
from ingest.chunkers.openapi_checks import circle_problems, reference_problems, schema_problems
from ingest.chunkers.openapi_document import ApiDocument
from ingest.chunkers.openapi_origins import Problem
from ingest.chunkers.openapi_parts import Unit
from ingest.chunkers.openapi_render import schema_parts
from ingest.chunkers.openapi_units import mapping, schemas, sequence
from ingest.chunkers.openapi_usage import Usage, User, links

_ACTIONS: Final = ("send", "receive")


def asyncapi_units(document: ApiDocument) -> Iterator[Unit]:
    """Yield what a description is cut into; what is wrong with it is added to its problems on the way."""
    offered, sent, defined = list(channel_operations(document)), list(messages(document)), list(schemas(document))
    named = [*sent, *defined]
    document.problems += chain(
        _structure_problems(document),
        reference_problems(document),
        circle_problems(named),
        schema_problems(document),
    )
    usage = Usage(document, named, map(_user_of, offered))
    on_channel: dict[str, list[ChannelOperation]] = {}
    for operation in offered:
        on_channel.setdefault(operation.channel.pointer, []).append(operation)
    for channel in channels(document):
        headings = tuple(name for name in (channel.address, summary_of(channel.node)) if name)
        parts = channel_parts(document, channel, on_channel.get(channel.pointer, []))
        yield Unit("channel", channel.pointer, headings, parts)
    for operation in offered:
        headings = tuple(
            name for name in (operation.name, summary_of(operation.node) or operation.operation_id) if name
        )
        yield Unit("operation", operation.pointer, headings, channel_operation_parts(document, operation), headed=True)
    for message in sent:
        users = usage.of(message.pointer)
        parts = message_parts(document, message, users)
        yield Unit("message", message.pointer, (message.name,), parts, links(document, users))
    for schema in defined:
        users = usage.of(schema.pointer)
        yield Unit(
            "schema", schema.pointer, (schema.name,), schema_parts(document, schema, users), links(document, users)
        )


def _user_of(operation: ChannelOperation) -> User:
    reply = mapping(operation.node.get("reply"))
    parts = (("message", list(operation.messages)), ("reply", sequence(reply.get("messages"))))
    return User(operation.pointer, operation.name, parts)


def _structure_problems(document: ApiDocument) -> Iterator[Problem]:
    """Yield what no reader of the description could do without."""
    root = document.root
    info = mapping(root.get("info"))
    for key in ("title", "version"):
        if not isinstance(info.get(key), str):
            yield Problem("/info", f"{key} is missing")
    for channel in mapping(root.get("channels")).values():
        if not isinstance(channel, Mapping):
            yield Problem("/channels", "a channel is a mapping")
    for operation in channel_operations(document):
        if document.family == "asyncapi-3":
            if operation.action not in _ACTIONS:
                yield Problem(operation.pointer, f"action {operation.action or 'missing'}: it is send or receive")
            if not operation.channel.node:
                yield Problem(operation.pointer, "channel is missing")
