"""TLS to the search engine and to Dashboards: whose certificates are trusted, and what it means when it fails."""

from __future__ import annotations

import ssl
from typing import Final

from shirabe.errors import InvalidInput
from shirabe.settings import OpenSearchSettings
from shirabe.trust import default_trust

_PLACE: Final = "opensearch.ca_certs"
# OpenSSL's numbers of "who signed this is not known here"; an expired certificate or another's name has others.
_UNKNOWN_ISSUER: Final = frozenset({2, 18, 19, 20, 21})
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"})


def tls_context(settings: OpenSearchSettings) -> ssl.SSLContext:
    """Return how servers are checked: by `ca_certs` alone where given, else by the public authorities and the system's.

    Raises: InvalidInput for a file that cannot be read or holds no certificate.
    """
    if not settings.verify_certs:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if settings.ca_certs is None:
        return default_trust()
    try:
        return ssl.create_default_context(cafile=settings.ca_certs)
    except ssl.SSLError as error:  # an OSError too
        raise InvalidInput(f"{settings.ca_certs} holds no certificates in PEM form", _PLACE) from error
    except OSError as error:
        raise InvalidInput(f"{settings.ca_certs} cannot be read: {error.strerror}", _PLACE) from error


def tls_trouble(error: BaseException | None) -> str:
    """Return what an error behind a failed connection says of TLS; empty when it is about something else."""
    found: ssl.SSLError | None = None
    while error is not None:
        # The innermost: around it lie the client libraries' own, which are kinds of it and lack what it says.
        found = error if isinstance(error, ssl.SSLError) else found
        error = error.__cause__ or error.__context__
    if isinstance(found, ssl.SSLCertVerificationError):
        advice = f"; name its authority in {_PLACE}" if found.verify_code in _UNKNOWN_ISSUER else ""
        return f"its certificate is not trusted: {found.verify_message.rstrip('.')}{advice}"
    if found is None:
        return ""
    return "it does not answer in TLS; is its address one of http?" if found.reason in _NO_TLS else f"TLS: {found}"
