"""Operations and schemas of an OpenAPI document as text that people and models read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ingest.chunkers.openapi_actions import action_words
from ingest.chunkers.openapi_bodies import body_parts, example_parts, examples_of, response_parts
from ingest.chunkers.openapi_document import ApiDocument, Node
from ingest.chunkers.openapi_origins import pointer_text
from ingest.chunkers.openapi_parts import Part
from ingest.chunkers.openapi_schema import field_lines, field_words, type_words
from ingest.chunkers.openapi_security import requirement_words, scheme_lines, schemes_of
from ingest.chunkers.openapi_units import Named, Operation, mapping, parameters, sequence
from ingest.chunkers.openapi_usage import Users, used_by
from ingest.chunkers.openapi_words import (
    described_values,
    first_sentence,
    introduction,
    limit_words,
    one_line,
    paragraphs,
)

_MAX_TAG_CHARS: Final = 60
_FIELD_KEYS: Final = ("properties", "allOf", "oneOf", "anyOf", "items", "additionalProperties", "patternProperties")


def overview(document: ApiDocument) -> list[Part]:
    """Return what an API says of itself: description, servers, tags, security schemes."""
    root = document.root
    info = mapping(root.get("info"))
    head = [" ".join(str(info[key]) for key in ("title", "version") if key in info)]
    head += [one_line(info["summary"])] if "summary" in info else []
    parts = [Part("/info", (*(line for line in head if line), *paragraphs(info.get("description"))), "info")]
    servers = [*_servers(root.get("servers")), *_servers_2(root)]
    place = "/servers" if "servers" in root else "/host"
    parts.append(Part(place, tuple(f"Server: {server}" for server in servers), "servers"))
    for start, holder in (("", root), ("/info", info)):  # AsyncAPI 3 has its tags there
        for index, tag in enumerate(sequence(holder.get("tags"))):
            node, _ = document.resolve(tag)
            name, lines = str(node.get("name", "")), paragraphs(node.get("description"))
            if lines:
                parts.append(Part(f"{start}/tags/{index}", (f"Tag {name}: {lines[0]}", *lines[1:]), f"tag {name}"))
    pointer, schemes = schemes_of(document)
    for name, scheme in schemes.items():
        lines = list(scheme_lines(document, name, scheme))
        parts.append(Part(pointer + pointer_text((name,)), tuple(lines), f"security scheme {name}"))
    return [part for part in parts if part.lines]


def operation_parts(document: ApiDocument, operation: Operation) -> list[Part]:
    """Return an operation: what it does, who may call it, what it takes and what it answers."""
    node = operation.node
    head = [operation.name, *([operation.reference] if operation.reference and not node else [])]
    summary = one_line(node.get("summary")) or one_line(operation.item.get("summary"))
    head += [summary] if summary else []
    words, _ = action_words(operation)
    head += [words] if words else []
    head += [operation.role] if operation.role else []
    tags = [_tag_words(document, str(tag)) for tag in sequence(node.get("tags"))]
    head += [f"tags: {', '.join(tags)}"] if tags else []
    head += ["deprecated"] if node.get("deprecated") is True else []
    intro, notes = introduction(node.get("description") or operation.item.get("description"))
    head += [*intro, *_see(node)]
    calling = Part(operation.pointer, tuple(_calling(document, operation)), "call")
    parts = [Part(operation.pointer, tuple(head)), calling, *_parameter_parts(document, operation)]
    if notes:
        start = operation.pointer if "description" in node else operation.pointer.rpartition("/")[0]
        parts.append(Part(f"{start}/description", tuple(notes), "notes"))
    parts += [*body_parts(document, operation), *response_parts(document, operation)]
    called = list(mapping(node.get("callbacks")))
    if called:
        lines = (f"Calls back: {', '.join(called)}",)
        parts.append(Part(f"{operation.pointer}/callbacks", lines, "callbacks"))
    return [part for part in (*parts, *example_parts(document, operation)) if part.lines]


def schema_parts(document: ApiDocument, schema: Named, users: Users) -> list[Part]:
    """Return a named schema: what it is, its values or its fields, schemas in it by name, and who uses it."""
    own = mapping(schema.node)
    head = [f"Schema {schema.name} ({type_words(document, schema.node)})"]
    head += [one_line(own["title"])] if one_line(own.get("title")) not in ("", schema.name) else []
    head += ["deprecated"] if own.get("deprecated") is True else []
    description, values = described_values(own)
    head += [description] if values and description else paragraphs(own.get("description")) if not values else []
    head += [f"values: {values}"] if values else []
    head += list(limit_words(own))
    required = [str(one) for one in sequence(own.get("required"))]
    if required and "properties" not in own and "allOf" not in own:
        head.append(f"required: {', '.join(required)}")
    head += list(_told_apart(document, own))
    parts = [Part(schema.pointer, tuple(head))]
    fields = field_lines(document, schema.node, 0)
    if fields:
        key = next((f"/{key}" for key in _FIELD_KEYS if key in own), "")
        parts.append(Part(f"{schema.pointer}{key}", tuple(fields), "fields"))
    parts += examples_of(document, "Example", schema.pointer, own)
    used = tuple(used_by(users))
    return [*parts, Part(schema.pointer, used, "used by")] if used else parts


def _calling(document: ApiDocument, operation: Operation) -> Iterator[str]:
    """Yield what one must know to call an operation, beside what it takes."""
    node = operation.node
    _, words = action_words(operation)
    if words:
        yield words
    if node.get("operationId"):
        yield f"operationId: {node['operationId']}"
    codes = [code for code in mapping(node.get("responses")) if not code.startswith("x-")]
    if codes:
        yield f"Responses: {', '.join(codes)}"
    if "security" in node:
        yield f"Security: {requirement_words(document, node['security'])}"
    elif "security" in document.root:  # said in full once, where the API speaks of itself
        yield f"Security: {requirement_words(document, document.root['security'], short=True)}"
    for server in _servers(node.get("servers") or operation.item.get("servers")):
        yield f"Server: {server}"


def _parameter_parts(document: ApiDocument, operation: Operation) -> Iterator[Part]:
    """Yield the parameters, one a line; those of the path item first, where they were written."""
    for start in (operation.pointer.rpartition("/")[0], operation.pointer):
        lines = tuple(
            _parameter(document, node)
            for (_, place), (pointer, node) in parameters(document, operation).items()
            if place != "body" and pointer.startswith(f"{start}/parameters/")
        )
        if lines:
            yield Part(f"{start}/parameters", ("Parameters:", *lines), "parameters")


def _parameter(document: ApiDocument, node: Node) -> str:
    schema = node.get("schema", {} if "content" in node else node)
    content = list(mapping(node.get("content")).values())
    if content:
        schema = mapping(content[0]).get("schema", {})
    described = {**mapping(schema), **({"description": node["description"]} if "description" in node else {})}
    words = field_words(document, described, required=node.get("required") is True)
    old = " deprecated" if node.get("deprecated") is True else ""
    return f"- {node.get('name')} in {node.get('in')}{old} {words}"


def _tag_words(document: ApiDocument, name: str) -> str:
    """Return a tag with how its description begins: authors name a tag in one language and describe it in another."""
    for tag in sequence(document.root.get("tags")):
        node = mapping(tag)
        if node.get("name") == name:
            words = one_line(node.get("x-displayName")) or first_sentence(node.get("description"), _MAX_TAG_CHARS)
            return f"{name} ({words})" if words and words != name else name
    return name


def _servers(servers: object) -> Iterator[str]:
    """Yield where an API is served; AsyncAPI has its servers by name."""
    named = mapping(servers)
    for name, server in [*named.items(), *(("", server) for server in sequence(servers))]:
        node = mapping(server)
        words = [name, str(node.get("url") or node.get("host") or ""), str(node.get("protocol", ""))]
        words.append(one_line(node.get("description")))
        for variable, one in mapping(node.get("variables")).items():
            own = mapping(one)
            values = ", ".join(str(value) for value in sequence(own.get("enum"))) or str(own.get("default", ""))
            words.append(f"({variable}: {values})")
        if any(words):
            yield " ".join(word for word in words if word)


def _servers_2(root: Node) -> Iterator[str]:
    if isinstance(root.get("host"), str):
        schemes = [str(scheme) for scheme in sequence(root.get("schemes"))] or ["https"]
        for scheme in schemes:
            yield f"{scheme}://{root['host']}{root.get('basePath', '')}"


def _see(node: Node) -> Iterator[str]:
    more = mapping(node.get("externalDocs"))
    if isinstance(more.get("url"), str):
        yield " ".join(part for part in ("See", one_line(more.get("description")), more["url"]) if part)


def _told_apart(document: ApiDocument, schema: Node) -> Iterator[str]:
    told = mapping(schema.get("discriminator"))
    if isinstance(told.get("propertyName"), str):
        kinds = [f"{value} = {document.name_of(str(name))}" for value, name in mapping(told.get("mapping")).items()]
        yield f"Told apart by {told['propertyName']}" + (f": {', '.join(kinds)}" if kinds else "")
