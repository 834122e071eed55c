"""Access to Google's APIs: a service account signs for a token that lasts an hour, or a token is given.

Signing is google-auth's; the token is asked for like everything that a collector fetches.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from google.auth import crypt, exceptions, jwt
from pydantic import SecretStr

from ingest.collectors.web import WebClient
from ingest.secrets import secret_option, secret_text_option
from shirabe.errors import Forbidden, InvalidInput, Unavailable
from shirabe.types import digest

SCOPES: Final = (
    "https://www.googleapis.com/auth/spreadsheets.readonly",
    "https://www.googleapis.com/auth/drive.metadata.readonly",
)
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE_S: Final = 3_600
_EARLY_S: Final = 300
_PLACE: Final = "options.service_account"
_MAX_ACCOUNTS: Final = 64
_SIGNER: Final[Any] = crypt.RSASigner
_JWT: Final[Any] = jwt


@dataclass(slots=True)
class GoogleAccess:
    """Who reads: `account` is the service account's address, which spreadsheets are shared with."""

    account: str
    allow_private: bool
    token_uri: str = ""
    signer: Any = field(default=None, repr=False)
    token: SecretStr | None = field(default=None, repr=False)
    expires_s: float = float("inf")

    async def bearer(self) -> SecretStr:
        """Return a token that is good for some minutes at least.

        Raises: Forbidden when the key is refused, Unavailable, Overloaded, Timeout.
        """
        if self.token is None or time.time() > self.expires_s - _EARLY_S:
            await self._ask()
        if self.token is None:
            raise AssertionError("a token was asked for")
        return self.token

    def forget_token(self) -> None:
        """Have the next `bearer` ask for a token: the last one was refused. A given token stays."""
        if self.signer is not None:
            self.token = None

    async def _ask(self) -> None:
        now = int(time.time())
        claims = {
            "iss": self.account,
            "scope": " ".join(SCOPES),
            "aud": self.token_uri,
            "iat": now,
            "exp": now + _LIFE_S,
        }
        assertion: bytes = _JWT.encode(self.signer, claims)
        parts = urlsplit(self.token_uri)
        fields = {"grant_type": _GRANT, "assertion": assertion.decode("ascii")}
        async with WebClient(f"{parts.scheme}://{parts.netloc}", allow_private=self.allow_private) as web:
            try:
                answer = await web.post_form(self.token_uri, fields)
            except InvalidInput as error:
                # `invalid_grant`: the key was deleted, or this machine's clock is off.
                raise Forbidden(f"the service account {self.account} is refused: {error.message}") from None
        if not isinstance(answer, Mapping) or not isinstance(answer.get("access_token"), str):
            raise Unavailable("the token server gave no token")
        self.token = SecretStr(answer["access_token"])
        self.expires_s = now + float(answer.get("expires_in", _LIFE_S))


_accounts: dict[str, GoogleAccess] = {}


def google_access(options: Mapping[str, Any], *, allow_private: bool) -> GoogleAccess:
    """Return the access that a source's options name: `service_account` (the JSON key) or `access_token`.

    Raises: InvalidInput.
    """
    token = secret_text_option(options, "access_token")
    key = secret_option(options, "service_account")
    if (token is None) == (key is None):
        raise InvalidInput("needs either the JSON key of a service account, or an access token", _PLACE)
    if key is None:
        return GoogleAccess("", allow_private, token=token)
    # A source that is polled is opened each time; its token lasts an hour.
    name = digest(key.get_secret_value(), str(allow_private))
    if name not in _accounts:
        if len(_accounts) >= _MAX_ACCOUNTS:
            _accounts.clear()
        _accounts[name] = _account(key, allow_private=allow_private)
    return _accounts[name]


def _account(key: SecretStr, *, allow_private: bool) -> GoogleAccess:
    try:
        info = json.loads(key.get_secret_value())
        account, token_uri = info["client_email"], info["token_uri"]
        signer = _SIGNER.from_service_account_info(info)
    except (ValueError, KeyError, TypeError, exceptions.MalformedError):
        # The message of the parser may quote the key.
        raise InvalidInput("not the JSON key of a service account", _PLACE) from None
    if not isinstance(account, str) or not isinstance(token_uri, str):
        raise InvalidInput("not the JSON key of a service account", _PLACE)
    return GoogleAccess(account, allow_private, token_uri, signer)
