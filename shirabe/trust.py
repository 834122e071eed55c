"""Whose certificates are believed where no authorities are named."""

from __future__ import annotations

import ssl

import httpx


def default_trust() -> ssl.SSLContext:
    """Return how servers are checked: by the public authorities, and by those of the system.

    A company's own authority is among the system's, or in `SSL_CERT_FILE`.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


def trust_for(url: str) -> ssl.SSLContext:
    """Return how the server at an address is checked: for one of http no authority is read from the disk."""
    return default_trust() if url.lower().startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
