"""The branches and tags of a repository that are versions of one source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from ingest.collectors.selection import globs_option
from shirabe.errors import InvalidInput

MAX_VERSIONS: Final = 50
_HEADS: Final = "refs/heads/"
_TAGS: Final = "refs/tags/"
_PEELED: Final = "^{}"
_SHOWN: Final = 20


def refs_option(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the option `refs`: globs of the names of branches and tags; none when the source has one version.

    Raises: InvalidInput.
    """
    globs = globs_option(options, "refs")
    if "refs" in options and not (globs and all(globs)):
        raise InvalidInput("must name at least one branch or tag", "options.refs")
    if globs and (options.get("branch") or options.get("ref")):
        raise InvalidInput("either `refs`, or `branch` or `ref`", "options.refs")
    return globs


def choose_versions(listing: str, globs: Sequence[str]) -> dict[str, str]:
    """Return name -> object of the branches and tags that match, out of what `git ls-remote` printed.

    A `*` stays between slashes. A tag stands for what it points at, and has no version of its own beside a branch of
    the same name.

    Raises: InvalidInput when they are too many, or none of those that there are.
    """
    tips = _tips(listing)
    chosen = {name: tips[name] for name in sorted(tips) if any(_matches(name, glob) for glob in globs)}
    if tips and not chosen:
        raise InvalidInput(f"no branch or tag matches; there are: {', '.join(sorted(tips)[:_SHOWN])}", "options.refs")
    if len(chosen) > MAX_VERSIONS:
        raise InvalidInput(f"{len(chosen)} branches and tags match, more than {MAX_VERSIONS}", "options.refs")
    return chosen


def encode_versions(versions: Mapping[str, str]) -> bytes:
    """Return versions and their commits as the lines of a listing."""
    return "".join(f"{commit}\t{name}\n" for name, commit in sorted(versions.items())).encode()


def decode_versions(listing: bytes) -> dict[str, str]:
    """Return what `encode_versions` wrote."""
    lines = (line.partition("\t") for line in listing.decode("utf-8", "replace").splitlines())
    return {name: commit for commit, _, name in lines}


def _tips(listing: str) -> dict[str, str]:
    heads: dict[str, str] = {}
    tags: dict[str, str] = {}
    for line in listing.split("\n"):
        value, _, name = line.partition("\t")
        if "\ufffd" in name or not name.isprintable():
            continue
        if name.startswith(_HEADS):
            heads[name.removeprefix(_HEADS)] = value
        elif name.startswith(_TAGS):
            # The line of what an annotated tag points at follows that of the tag.
            tags[name.removeprefix(_TAGS).removesuffix(_PEELED)] = value
    return tags | heads


def _matches(name: str, glob: str) -> bool:
    parts, wanted = name.split("/"), glob.split("/")
    return len(parts) == len(wanted) and all(fnmatchcase(*pair) for pair in zip(parts, wanted, strict=True))
