"""Webhooks of the services that sources lie in: told by the source's secret, they say "look again", nothing else.

GitHub, Gitea, Forgejo and Confluence Data Center sign the body with HMAC-SHA256, each under its own header; GitLab
sends the secret itself. What a payload claims is never believed: the collector looks for itself. From the vendors'
published documentation; none of them has called this yet.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from shirabe.errors import Forbidden

SECRET_OPTION: Final = "webhook_secret"  # noqa: S105 (the name of an option)
_SIGNATURES: Final = ("x-hub-signature-256", "x-hub-signature", "x-gitea-signature", "x-forgejo-signature")
_TOKENS: Final = ("x-gitlab-token",)
_PREFIX: Final = "sha256="


def require_authentic(headers: Mapping[str, str], body: bytes, secret: SecretStr) -> None:
    """Check that a call knows the secret; header names in lower case.

    Every signature that is there must be right: one that is wrong beside one that is right is no vendor's doing.

    Raises: Forbidden.
    """
    key = secret.get_secret_value().encode()
    signed = hmac.new(key, body, hashlib.sha256).hexdigest()
    proofs = [(headers[name].removeprefix(_PREFIX), signed) for name in _SIGNATURES if _is_sha256(headers, name)]
    proofs += [(headers[name], key.decode()) for name in _TOKENS if name in headers]
    if not proofs or not all(hmac.compare_digest(given.encode(), wanted.encode()) for given, wanted in proofs):
        raise Forbidden("the call is not signed with this source's secret")


def _is_sha256(headers: Mapping[str, str], name: str) -> bool:
    """Tell whether a signature is there; GitHub sends an old SHA-1 one beside the new one, which proves nothing."""
    return name in headers and not headers[name].startswith("sha1=")
