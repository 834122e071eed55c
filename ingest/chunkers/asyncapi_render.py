"""Channels, operations and messages of an AsyncAPI description as text that people and models read."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.chunkers.asyncapi_units import Channel, ChannelOperation, merged
from ingest.chunkers.openapi_document import ApiDocument, Node
from ingest.chunkers.openapi_parts import Part
from ingest.chunkers.openapi_schema import field_lines, field_words, type_words
from ingest.chunkers.openapi_security import requirement_words
from ingest.chunkers.openapi_units import Named, mapping, sequence
from ingest.chunkers.openapi_usage import Users, used_by
from ingest.chunkers.openapi_words import example_words, one_line, paragraphs


def channel_parts(document: ApiDocument, channel: Channel, operations: list[ChannelOperation]) -> list[Part]:
    """Return a channel: what it is for, its parameters, what goes over it."""
    node = channel.node
    head = [f"Channel {channel.address}", *_introduced(node)]
    servers = [mapping(one).get("$ref", one) for one in sequence(node.get("servers"))]
    head += [f"Servers: {', '.join(document.name_of(str(server)) for server in servers)}"] if servers else []
    parts = [Part(channel.pointer, tuple(head))]
    lines = [_parameter(document, name, one) for name, one in mapping(node.get("parameters")).items()]
    if lines:
        parts.append(Part(f"{channel.pointer}/parameters", ("Parameters:", *lines), "parameters"))
    told = [" ".join((operation.name, summary_of(operation.node))).strip() for operation in operations]
    named = [_message_name(document, one) for operation in operations for one in operation.messages]
    named += [_message_name(document, one) or name for name, one in mapping(node.get("messages")).items()]
    lines = [f"Operations: {'; '.join(told)}"] if told else []
    lines += [f"Messages: {', '.join(dict.fromkeys(name for name in named if name))}"] if any(named) else []
    return [*parts, Part(channel.pointer, tuple(lines), "operations")] if lines else parts


def channel_operation_parts(document: ApiDocument, operation: ChannelOperation) -> list[Part]:
    """Return an operation: what it does, on which channel, with which messages."""
    node = operation.node
    head = [operation.name]
    head += [f"operationId: {operation.operation_id}"] if operation.operation_id else []
    head += _introduced(node)
    said = one_line(operation.channel.node.get("title")) or one_line(operation.channel.node.get("description"))
    head += [f"Channel {operation.channel.address}: {said}"] if said else []
    head += [f"Security: {requirement_words(document, node['security'])}"] if "security" in node else []
    parts = [Part(operation.pointer, tuple(head))]
    for one in operation.messages:
        message = merged(document, one)
        lines = (_message_line(document, one, message), *_payload_lines(document, message))
        parts.append(Part(operation.pointer, lines, f"message {_message_name(document, one)}".strip()))
    reply = mapping(node.get("reply"))
    named = [_message_name(document, one) for one in sequence(reply.get("messages"))]
    if reply:
        target = mapping(reply.get("channel")).get("$ref")
        where = f" on {document.name_of(target)}" if isinstance(target, str) else ""
        line = f"Reply{where}" + (f": {', '.join(named)}" if named else "")
        parts.append(Part(f"{operation.pointer}/reply", (line,), "reply"))
    return parts


def message_parts(document: ApiDocument, message: Named, users: Users) -> list[Part]:
    """Return a message: what it says, its headers and payload, who sends or takes it."""
    node = merged(document, message.node)
    content = f" ({node['contentType']})" if isinstance(node.get("contentType"), str) else ""
    parts = [Part(message.pointer, (f"Message {message.name}{content}", *_introduced(node)))]
    headers = field_lines(document, node.get("headers"), 1)
    if headers:
        parts.append(Part(f"{message.pointer}/headers", ("Headers:", *headers), "headers"))
    payload = list(_payload_lines(document, node))
    if payload:
        label = f"Payload ({type_words(document, _schema_of(node))})"
        parts.append(Part(f"{message.pointer}/payload", (label, *payload), "payload"))
    for example in sequence(node.get("examples")):
        said = one_line(mapping(example).get("summary")) or one_line(mapping(example).get("name"))
        value = mapping(example).get("payload", example)
        label = f"Example, {said}" if said else "Example"
        parts.append(Part(f"{message.pointer}/examples", (f"{label}: {example_words(value)}",), "example"))
    used = tuple(used_by(users))
    return [*parts, Part(message.pointer, used, "used by")] if used else parts


def _introduced(node: Node) -> list[str]:
    """Return what an operation, a channel or a message says of itself."""
    lines = [words for key in ("title", "summary") if (words := one_line(node.get(key)))]
    tags = [str(mapping(tag).get("name")) for tag in sequence(node.get("tags")) if mapping(tag).get("name")]
    lines += [f"tags: {', '.join(tags)}"] if tags else []
    lines += ["deprecated"] if node.get("deprecated") is True else []
    return lines + paragraphs(node.get("description"))


def summary_of(node: Node) -> str:
    """Return a channel's, an operation's or a message's summary."""
    return one_line(node.get("summary")) or one_line(node.get("title"))


def _message_name(document: ApiDocument, one: object) -> str:
    node, name = document.resolve(one)
    return name or one_line(node.get("name")) or one_line(node.get("title"))


def _message_line(document: ApiDocument, one: object, message: Node) -> str:
    words = summary_of(message) or one_line(message.get("description"))
    name = _message_name(document, one) or "without a name"
    return f"Message {name} ({type_words(document, _schema_of(message))})" + (f": {words}" if words else "")


def _payload_lines(document: ApiDocument, message: Node) -> Iterator[str]:
    """Yield the fields of a payload; what is no JSON schema (Avro, Protobuf) as it was written."""
    schema = _schema_of(message)
    lines = field_lines(document, schema, 1)
    if isinstance(schema, str):
        yield from schema.split("\n")
    elif not lines and isinstance(mapping(schema).get("fields"), list):
        yield example_words(schema)
    yield from lines


def _schema_of(message: Node) -> object:
    payload = message.get("payload")
    multiple = mapping(payload)
    return multiple["schema"] if "schemaFormat" in multiple and "schema" in multiple else payload


def _parameter(document: ApiDocument, name: str, node: object) -> str:
    own, _ = document.resolve(node)
    described = {**mapping(own.get("schema", {"type": "string"})), **{key: own[key] for key in own if key != "schema"}}
    return f"- {name} {field_words(document, described, required=False)}"
