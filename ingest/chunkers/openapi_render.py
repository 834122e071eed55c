"""Operations and component schemas of an OpenAPI document as text that people and models read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ingest.chunkers.html_text import strip_tags
from ingest.chunkers.openapi_document import Node, OpenApiDocument, reference_name
from ingest.chunkers.openapi_schema import field_lines, field_words, one_line, type_words, value_words

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of a unit that belong to one key of it; the key is a JSON pointer relative to the unit, "" the unit."""

    key: str
    lines: tuple[str, ...]

    @property
    def label(self) -> str:
        """The key in words: `responses 200`."""
        return self.key.strip("/").replace("/", " ")


def overview(document: OpenApiDocument) -> list[Part]:
    """Return what an API says of itself: description, servers, tags, security schemes."""
    info = _mapping(document.root.get("info"))
    head = [
        " ".join(str(info[key]) for key in ("title", "version") if key in info),
        *_paragraphs(info.get("description")),
    ]
    parts = [Part("/info", tuple(line for line in head if line))]
    servers = [_server(server) for server in _list(document.root.get("servers"))]
    if document.version.startswith("2") and "host" in document.root:
        servers.append(f"{document.root['host']}{document.root.get('basePath', '')}")
    parts.append(Part("/servers", tuple(f"Server: {server}" for server in servers if server)))
    tags = [_mapping(tag) for tag in _list(document.root.get("tags"))]
    lines = [
        f"Tag {tag.get('name', '')}: {one_line(tag.get('description'))}"
        for tag in tags
        if one_line(tag.get("description"))
    ]
    parts.append(Part("/tags", tuple(lines)))
    key, schemes = (
        "/components/securitySchemes",
        _mapping(_mapping(document.root.get("components")).get("securitySchemes")),
    )
    if document.version.startswith("2"):
        key, schemes = "/securityDefinitions", _mapping(document.root.get("securityDefinitions"))
    parts.append(Part(key, tuple(_security_scheme(document, name, scheme) for name, scheme in schemes.items())))
    return [part for part in parts if part.lines]


def operation(document: OpenApiDocument, path: str, method: str, item: Node) -> list[Part]:
    """Return an operation: what it does, its parameters, request body and responses."""
    node, name = document.resolve(item.get(method))
    head = [operation_name(path, method), name] if name else [operation_name(path, method)]
    if one_line(node.get("summary")):
        head.append(one_line(node["summary"]))
    if node.get("operationId"):
        head.append(f"operationId: {node['operationId']}")
    if _list(node.get("tags")):
        head.append("tags: " + ", ".join(str(tag) for tag in _list(node.get("tags"))))
    if node.get("deprecated") is True:
        head.append("deprecated")
    head.extend(_paragraphs(node.get("description") or item.get("description")))
    security = node.get("security", document.root.get("security"))
    if _list(security):
        head.append("Security: " + " or ".join(_requirement(one) for one in _list(security)))
    parts = [Part("", tuple(head))]
    parameters = [document.resolve(one)[0] for one in (*_list(item.get("parameters")), *_list(node.get("parameters")))]
    kept = {(one.get("name"), one.get("in")): one for one in parameters if one}
    plain = [one for one in kept.values() if one.get("in") != "body"]
    if plain:
        parts.append(Part("/parameters", ("Parameters:", *(_parameter(document, one) for one in plain))))
    for body in (one for one in kept.values() if one.get("in") == "body"):
        parts.append(Part("/parameters", tuple(_content(document, "Request body", body.get("schema"), body))))
    if "requestBody" in node:
        parts.append(Part("/requestBody", tuple(_bodies(document, "Request body", node["requestBody"]))))
    for status, response in _mapping(node.get("responses")).items():
        # Every operation answers errors in the same few schemas, which have units of their own.
        expand = not status.startswith(("4", "5"))
        lines = tuple(_bodies(document, f"Response {status}", response, expand=expand))
        parts.append(Part(f"/responses/{status}", lines))
    return parts


def operation_name(path: str, method: str) -> str:
    """Return how an operation is spoken of: `POST /orders`."""
    return f"{method.upper()} {path}"


def schema(document: OpenApiDocument, name: str, node: object) -> list[Part]:
    """Return a component schema: what it is, its values or its fields; schemas in it by name."""
    own = node if isinstance(node, Mapping) else {}
    head = [f"Schema {name} ({type_words(document, node)})"]
    if one_line(own.get("title")):
        head.append(one_line(own["title"]))
    head.extend(_paragraphs(own.get("description")))
    if value_words(own):
        head.append(value_words(own))
    required = [str(one) for one in _list(own.get("required"))]
    if required and not isinstance(own.get("properties"), Mapping):
        head.append("required: " + ", ".join(required))
    fields = field_lines(document, node, 0)
    return [Part("", tuple(head))] + ([Part("/properties", tuple(fields))] if fields else [])


def _parameter(document: OpenApiDocument, node: Node) -> str:
    described = {
        **_mapping(node.get("schema", {} if "content" in node else node)),
        "description": node.get("description"),
    }
    words = field_words(document, described, required=node.get("required") is True)
    return f"- {node.get('name')} in {node.get('in')} {words}"


def _bodies(document: OpenApiDocument, label: str, body: object, *, expand: bool = True) -> Iterator[str]:
    node, name = document.resolve(body)
    if not node:
        yield f"{label}: {name}"
        return
    contents = _mapping(node.get("content"))
    if "schema" in node:  # a response of OpenAPI 2.0
        yield from _content(document, label, node["schema"], node, expand=expand)
        return
    seen: list[object] = []
    for media_type, content in contents.items():
        body_schema = _mapping(content).get("schema")
        if body_schema in seen:
            continue
        seen.append(body_schema)
        yield from _content(document, f"{label} {media_type}", body_schema, node, expand=expand)
    if not contents:
        yield f"{label}: {one_line(node.get('description'))}"


def _content(
    document: OpenApiDocument, label: str, body_schema: object, node: Node, *, expand: bool = True
) -> Iterator[str]:
    required = ", required" if node.get("required") is True else ""
    description = one_line(node.get("description"))
    yield f"{label} ({type_words(document, body_schema)}{required})" + (f": {description}" if description else "")
    yield from field_lines(document, body_schema, int(expand))


def _security_scheme(document: OpenApiDocument, name: str, scheme: object) -> str:
    node, _ = document.resolve(scheme)
    words = " ".join(str(node[key]) for key in ("type", "scheme", "in", "name", "bearerFormat") if key in node)
    description = one_line(node.get("description"))
    return f"Security scheme {name} ({words})" + (f": {description}" if description else "")


def _requirement(requirement: object) -> str:
    named = []
    for name, scopes in _mapping(requirement).items():
        listed = ", ".join(str(scope) for scope in _list(scopes))
        named.append(f"{reference_name(str(name))} ({listed})" if listed else str(name))
    return " and ".join(named) or "none"


def _server(server: object) -> str:
    node = _mapping(server)
    return " ".join(part for part in (str(node.get("url", "")), one_line(node.get("description"))) if part)


def _paragraphs(text: object) -> list[str]:
    return strip_tags(text).split("\n") if isinstance(text, str) else []


def _mapping(node: object) -> Node:
    return node if isinstance(node, Mapping) else {}


def _list(node: object) -> list[object]:
    return node if isinstance(node, list) else []
