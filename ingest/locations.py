"""From a location that a user typed to a source: what kind it is, what it is called, whether it may be read."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ingest.addresses import is_public
from ingest.media_types import ASYNCAPI, HEAD_BYTES, MARKDOWN, OPENAPI, SHEETS, media_type_of
from ingest.secrets import has_reference
from shirabe.errors import Forbidden, InvalidInput, NotFound
from shirabe.types import Source, SourceKind

_NAME = re.compile(r"^\w[\w.-]{0,63}$")
_REMOTE = re.compile(r"^(?:(?:https|ssh)://|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:)")
_GOOGLE_SHEET = re.compile(r"^https://docs\.google\.com/spreadsheets/(?:u/\d+/)?d/([A-Za-z0-9_-]{10,100})(?:[/?#]|$)")
_ISSUES = re.compile(r"^https?://[^/]+/(.+?)/(?:-/)?(?:issues|pulls|merge_requests)/?$")
_ENDINGS = (
    *(".git", ".bundle", ".yaml", ".yml", ".json", ".md", ".txt", ".xlsx", ".ods", ".xls", ".csv"),
    *(".rst", ".adoc", ".html", ".pdf", ".docx", ".pptx", ".odt", ".odp"),
)


def configured_source(location: str, name: str | None, kind: SourceKind | None, known: Sequence[Source]) -> Source:
    """Return the source at a location: the one of `known` that is there, or a new one.

    Raises: InvalidInput when the name is taken or unfit or the kind cannot be told, NotFound.
    """
    place = placed(location, Path())
    for source in known:
        if source.location == place and name in (None, source.source_id) and kind in (None, source.kind):
            return source
    wanted = name or name_of(place)
    require_name(wanted)
    if any(source.source_id == wanted for source in known):
        raise InvalidInput(f"a source is called {wanted!r} already; choose another name", "name")
    return Source(wanted, kind or guess_kind(place), place)


def placed(location: str, folder: Path) -> str:
    """Return a location whole: an address as it is, a path resolved from `folder`. Raises: InvalidInput, NotFound."""
    # Whether http is read is for the source's kind to say, and for its options.
    return location if _is_remote(location) or location.startswith("http://") else str(_existing(location, folder))


def name_of(location: str) -> str:
    """Return a name for a source from the last part of its location."""
    if spreadsheet := spreadsheet_id_of(location):
        return f"sheet-{spreadsheet[:12]}"
    if issues := _ISSUES.match(location):
        location = f"{issues[1]}-issues"
    last = re.split(r"[/:\\]", location.rstrip("/"))[-1]
    for ending in _ENDINGS:
        last = last.removesuffix(ending)
    return re.sub(r"[^\w.-]+", "-", last).strip("-._")[:64] or "source"


def require_name(name: str) -> None:
    """Check a source's name. Raises: InvalidInput."""
    if not _NAME.match(name):
        raise InvalidInput("letters, digits, `_`, `-` and `.`, at most 64", "name")


def guess_kind(location: str) -> SourceKind:
    """Tell what kind of source a location is.

    Raises: InvalidInput when it is nothing that is read, NotFound.
    """
    if spreadsheet_id_of(location):
        return "sheet"
    if _ISSUES.match(location):
        return "issues"
    if _is_remote(location):
        return "git"
    path = _existing(location)
    if path.is_dir():
        return _kind_of_folder(path)
    if path.suffix == ".bundle":
        return "git"
    media_type = _media_type(path)
    if media_type is None:
        raise InvalidInput("not a kind of document that is read; name the kind", "location")
    if media_type in (OPENAPI, ASYNCAPI):
        return "openapi"
    return "sheet" if media_type in SHEETS else "markdown"


def spreadsheet_id_of(location: str) -> str | None:
    """Return the id of the Google spreadsheet at an address; None when it is no address of one."""
    match = _GOOGLE_SHEET.match(location)
    return match[1] if match else None


def require_readable(source: Source, allowed_roots: Sequence[Path]) -> None:
    """Check a source that was added over the network: inside an allowed folder, or an https address in public.

    Raises: Forbidden, InvalidInput.
    """
    require_name(source.source_id)
    if source.options.get("allow_private"):
        raise Forbidden("`allow_private` may be set only in this machine's own configuration")
    if any(map(has_reference, source.options.values())):
        # Whoever names both the secret and where it is sent could have any of this machine's.
        raise Forbidden("secrets may be named only in this machine's own configuration")
    if not _is_remote(source.location):
        if "://" in source.location or not Path(source.location).is_absolute():
            raise InvalidInput("a folder or file by its whole path, or an https address", "location")
        place = Path(source.location).resolve()
        if not any(place.is_relative_to(root.expanduser().resolve()) for root in allowed_roots):
            raise Forbidden("the location is in none of the folders that `ingest.allowed_roots` names")
        return
    parts = urlsplit(source.location)
    if parts.scheme != "https" or not parts.hostname:
        raise Forbidden("only https addresses may be added over the network")
    try:
        answers = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InvalidInput(f"there is no host {parts.hostname}", "location") from None
    if not all(is_public(str(answer[4][0])) for answer in answers):
        raise Forbidden("the address is inside a private network")


def _kind_of_folder(folder: Path) -> SourceKind:
    if (folder / ".git").exists() or all((folder / name).exists() for name in ("HEAD", "objects", "refs")):
        return "git"
    kinds = {_media_type(path) for path in sorted(folder.iterdir()) if path.is_file() and not path.is_symlink()}
    return "openapi" if kinds & {OPENAPI, ASYNCAPI} and MARKDOWN not in kinds else "markdown"


def _media_type(path: Path) -> str | None:
    with path.open("rb") as file:
        return media_type_of(path.name, file.read(HEAD_BYTES))


def _is_remote(location: str) -> bool:
    return _REMOTE.match(location) is not None


def _existing(location: str, folder: Path = Path()) -> Path:
    if re.match(r"^[A-Za-z][A-Za-z0-9+.-]*://", location) and not location.startswith("file://"):
        raise InvalidInput("only https, ssh and file addresses are read", "location")
    named = Path(urlsplit(location).path if location.startswith("file://") else location)
    path = (folder / named.expanduser()).resolve()
    if not path.exists():
        raise NotFound(f"there is nothing at {location}")
    return path
