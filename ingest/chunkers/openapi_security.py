"""Who may call an operation, in words: security schemes, and the scopes that are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ingest.chunkers.openapi_document import ApiDocument, Node, reference_name
from ingest.chunkers.openapi_units import mapping, sequence
from ingest.chunkers.openapi_words import one_line

_FLOWS: Final = {
    "authorizationCode": "authorization code",
    "accessCode": "authorization code",
    "clientCredentials": "client credentials",
    "application": "client credentials",
    "deviceAuthorization": "device authorization",
    "implicit": "implicit",
    "password": "password",
}
_KINDS: Final = {
    "basic": "HTTP basic: user name and password",
    "oauth2": "OAuth 2.0",
    "openIdConnect": "OpenID Connect",
    "mutualTLS": "client certificate (mutual TLS)",
    "userPassword": "user name and password",
    "X509": "client certificate",
}
_HTTP: Final = {"basic": _KINDS["basic"], "bearer": "HTTP bearer token", "digest": "HTTP digest"}


def schemes_of(document: ApiDocument) -> tuple[str, Node]:
    """Return the pointer of a document's security schemes, and the schemes by name."""
    if document.family == "2.0":
        return "/securityDefinitions", mapping(document.root.get("securityDefinitions"))
    return "/components/securitySchemes", mapping(mapping(document.root.get("components")).get("securitySchemes"))


def scheme_lines(document: ApiDocument, name: str, scheme: object) -> Iterator[str]:
    """Yield what a security scheme is, and each of its scopes."""
    node, _ = document.resolve(scheme)
    words = _kind(node)
    addresses = [
        f"{label} {flow[key]}"
        for flow in _flows(node).values()
        for key, label in (("authorizationUrl", "authorization at"), ("tokenUrl", "token at"))
        if isinstance(flow.get(key), str)
    ]
    description = one_line(node.get("description"))
    yield f"Security scheme {name}: {'; '.join((words, *dict.fromkeys(addresses)))}" + (
        f". {description}" if description else ""
    )
    for scope, meaning in _scopes(node).items():
        yield f"- scope {scope}: {meaning}" if meaning else f"- scope {scope}"


def requirement_words(document: ApiDocument, requirements: object, *, short: bool = False) -> str:
    """Return which schemes and scopes are asked for: `oauth2 (OAuth 2.0; scopes write: to write) or none`.

    In `short` without what they mean. AsyncAPI 3 names the schemes by reference, the scopes in them.
    """
    schemes = schemes_of(document)[1]
    listed = [mapping(one) for one in sequence(requirements)]
    if not listed:
        return "none"
    ways = []
    for requirement in listed:
        if "$ref" in requirement or "type" in requirement:
            scheme, name = document.resolve(requirement)
            ways.append(_required(document, name or "scheme", scheme, scheme.get("scopes")))
            continue
        known = {} if short else schemes
        parts = [_required(document, name, known.get(name), scopes) for name, scopes in requirement.items()]
        ways.append(" and ".join(parts) or "none")
    return " or ".join(ways)


def _required(document: ApiDocument, name: str, scheme: object, scopes: object) -> str:
    node, _ = document.resolve(scheme)
    meanings = _scopes(node)
    asked = [str(scope) for scope in sequence(scopes)]
    words = [f"{scope}: {meanings[scope]}" if meanings.get(scope) else scope for scope in asked]
    kind = _kind(node) if node else ""
    inside = "; ".join(part for part in (kind, f"scopes {', '.join(words)}" if words else "") if part)
    return f"{reference_name(name)} ({inside})" if inside else reference_name(name)


def _kind(node: Node) -> str:
    named = str(node.get("type", ""))
    if named == "http":
        scheme = str(node.get("scheme", "")).lower()
        words = _HTTP.get(scheme, f"HTTP {scheme}".strip())
        return f"{words} ({node['bearerFormat']})" if isinstance(node.get("bearerFormat"), str) else words
    if named in ("apiKey", "httpApiKey"):
        return " ".join(part for part in ("API key in", str(node.get("in", "")), str(node.get("name", ""))) if part)
    flows = [_FLOWS.get(flow, flow) for flow in _flows(node)]
    words = _KINDS.get(named, named)
    return f"{words} ({', '.join(flows)})" if flows else words


def _flows(node: Node) -> dict[str, Node]:
    flows = {name: mapping(flow) for name, flow in mapping(node.get("flows")).items()}
    if isinstance(node.get("flow"), str):  # OpenAPI 2.0 has one, on the scheme itself
        flows[node["flow"]] = node
    return flows


def _scopes(node: Node) -> dict[str, str]:
    return {
        name: one_line(meaning)
        for flow in _flows(node).values()
        for key in ("scopes", "availableScopes")
        for name, meaning in mapping(flow.get(key)).items()
    }
