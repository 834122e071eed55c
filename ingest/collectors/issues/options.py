"""The options of a source of issues, checked when it is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from ingest.collectors.issues.snapshot import Readers
from ingest.collectors.selection import text_option
from ingest.collectors.service_options import compare_every_option, require_known
from ingest.collectors.web import allow_private_option, base_address, bearer
from ingest.secrets import secret_text_option
from shirabe.errors import InvalidInput, NotFound
from shirabe.types import Acl, Source, digest

GITHUB: Final = "github"
GITLAB: Final = "gitlab"
_OWN: Final = ("service", "api", "confidential")
_LISTS: Final = re.compile(r"(?:/-)?/(?:issues|pulls|merge_requests)/?$")
_GITHUB_NAME: Final = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}")
_GITLAB_NAME: Final = re.compile(r"[\w.-]{1,255}(?:/[\w.-]{1,255}){1,20}")
_COMPARE_MINUTES: Final = 60


@dataclass(frozen=True, slots=True)
class Options:
    """A source's options. `export`: the folder or file that is read in place of a service (`api`, `name`)."""

    service: str
    api: str
    name: str
    export: Path | None
    headers: Mapping[str, SecretStr]
    readers: Readers
    compare_every: timedelta
    allow_private: bool

    @classmethod
    def of(cls, source: Source) -> Options:
        """Read the options of a source. Raises: InvalidInput, NotFound."""
        options = source.options
        require_known(options, _OWN)
        allow_private = allow_private_option(options)
        service, api, name, export = "", "", "", None
        if source.location.startswith(("https://", "http://")):
            service, api, name = _place(source.location, options, allow_private=allow_private)
        else:
            export = Path(source.location)
            if not export.exists():
                raise NotFound(f"there is nothing at {source.location}")
        token = secret_text_option(options, "token")
        return cls(
            service=service,
            api=api,
            name=name,
            export=export,
            headers=bearer(token) if token is not None else {},
            readers=_readers(source),
            compare_every=compare_every_option(options, _COMPARE_MINUTES),
            allow_private=allow_private,
        )

    @property
    def scope(self) -> str:
        """What names the options that decide what is read, and for whom."""
        readers = self.readers
        acls = [
            part
            for acl in (readers.source, readers.private, readers.confidential)
            for part in (str(acl.public), str(len(acl.principals)), *acl.principals)
        ]
        return digest(self.service, self.api, self.name, str(bool(self.headers)), *acls)


def _place(location: str, options: Mapping[str, Any], *, allow_private: bool) -> tuple[str, str, str]:
    """Return the service, the address of its API and the project's name."""
    parts = urlsplit(location)
    host, path = parts.hostname or "", _LISTS.sub("", parts.path).strip("/").removesuffix(".git")
    service = text_option(options, "service") or (GITHUB if host == "github.com" else "")
    service = service or (GITLAB if "gitlab" in host.split(".") else "")
    if service not in (GITHUB, GITLAB):
        raise InvalidInput("must be github or gitlab, which the address does not tell", "options.service")
    root = f"{parts.scheme}://{parts.netloc}"
    default = "https://api.github.com" if host == "github.com" else f"{root}/api/{'v3' if service == GITHUB else 'v4'}"
    # The project's own address, too, is one that is read: without a user, a password or a query.
    base_address(location, allow_private=allow_private)
    api = base_address(text_option(options, "api") or default, allow_private=allow_private)
    if not (_GITHUB_NAME if service == GITHUB else _GITLAB_NAME).fullmatch(path):
        raise InvalidInput("must be the address of a repository or project", "location")
    return service, str(api), path


def _readers(source: Source) -> Readers:
    permissions = text_option(source.options, "permissions") or "service"
    if permissions not in ("service", "source"):
        raise InvalidInput("must be service or source", "options.permissions")
    names = source.options.get("confidential", ())
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name for name in names):
        raise InvalidInput("must be a list of principals", "options.confidential")
    # Whoever made the source's rule without thinking of it did not mean to show a private repository to everybody.
    is_meant = permissions == "source" or not source.acl.public
    return Readers(source.acl, source.acl if is_meant else Acl(), Acl(principals=tuple(sorted(set(names)))))
