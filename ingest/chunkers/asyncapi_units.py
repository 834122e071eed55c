"""What an AsyncAPI description offers: its channels, the operations on them, its messages.

Version 2 has operations in channels, version 3 beside them; both become the same units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ingest.chunkers.openapi_document import ApiDocument, Node
from ingest.chunkers.openapi_origins import pointer_text
from ingest.chunkers.openapi_units import Named, mapping, sequence

_VERBS: Final = ("publish", "subscribe")


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: `address` is what applications know it by."""

    pointer: str
    address: str
    node: Node


@dataclass(frozen=True, slots=True)
class ChannelOperation:
    """One operation: `messages` are the messages it sends or takes, most of them references."""

    pointer: str
    action: str
    operation_id: str
    channel: Channel
    node: Node
    messages: tuple[object, ...]

    @property
    def name(self) -> str:
        """How the operation is spoken of: `SEND user/signedup`."""
        return f"{self.action.upper()} {self.channel.address}".strip()


def channels(document: ApiDocument) -> Iterator[Channel]:
    """Yield the channels."""
    for name, channel in mapping(document.root.get("channels")).items():
        if isinstance(channel, Mapping):
            node, _ = document.resolve(channel)
            yield Channel(pointer_text(("channels", name)), _address(name, node), node)


def channel_operations(document: ApiDocument) -> Iterator[ChannelOperation]:
    """Yield the operations."""
    for channel in channels(document):
        for verb in _VERBS:
            if isinstance(channel.node.get(verb), Mapping):
                node = merged(document, channel.node[verb])
                message, _ = document.resolve(node.get("message"))
                choices = sequence(message.get("oneOf"))
                messages = tuple(choices) if choices else (node["message"],) if "message" in node else ()
                name = str(node.get("operationId", ""))
                yield ChannelOperation(f"{channel.pointer}/{verb}", verb, name, channel, node, messages)
    for name, operation in mapping(document.root.get("operations")).items():
        if isinstance(operation, Mapping):
            node = merged(document, operation)
            reference = mapping(node.get("channel")).get("$ref")
            channel = _channel_at(document, reference if isinstance(reference, str) else "")
            messages = tuple(sequence(node.get("messages"))) or _messages_of(channel)
            action = str(node.get("action", ""))
            yield ChannelOperation(pointer_text(("operations", name)), action, name, channel, node, messages)


def messages(document: ApiDocument) -> Iterator[Named]:
    """Yield the messages that have a name: the shared ones, and those that a channel of version 3 defines."""
    shared = mapping(mapping(document.root.get("components")).get("messages"))
    for name, node in shared.items():
        if isinstance(node, Mapping):
            pointer = pointer_text(("components", "messages", name))
            yield Named(pointer, document.called(pointer), node)
    for channel, item in mapping(document.root.get("channels")).items():
        for name, node in mapping(mapping(item).get("messages")).items():
            if isinstance(node, Mapping) and "$ref" not in node:
                yield Named(pointer_text(("channels", channel, "messages", name)), name, node)


def merged(document: ApiDocument, node: object) -> Node:
    """Return an operation or a message with what its traits say where it says nothing itself."""
    own, _ = document.resolve(node)
    together: dict[str, object] = {}
    for trait in sequence(own.get("traits")):
        together.update(document.resolve(trait)[0])
    return {**together, **own}


def _channel_at(document: ApiDocument, reference: str) -> Channel:
    node, name = document.resolve({"$ref": reference})
    return Channel(reference.removeprefix("#"), _address(name, node), node)


def _messages_of(channel: Channel) -> tuple[object, ...]:
    """Return references to all messages of a channel, which an operation that names none may send."""
    names = mapping(channel.node.get("messages"))
    return tuple({"$ref": f"#{channel.pointer}{pointer_text(('messages', name))}"} for name in names)


def _address(name: str, node: Node) -> str:
    return str(node["address"]) if isinstance(node.get("address"), str) else name
