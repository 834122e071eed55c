"""A bare copy of a repository's branches and tags, and which commit of it counts as its head.

Unreachable objects are never pruned: after a rewritten history the old commit is still there to compare with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from ingest.collectors.git_process import REMOTE_TIMEOUT_S, Git, GitRefused, without_credentials
from ingest.collectors.git_refs import choose_versions, decode_versions, encode_versions
from shirabe.errors import InvalidInput, NotFound, Unavailable
from shirabe.types import digest

_URL = re.compile(r"^(?:https|ssh|file)://[^\s-][^\s]*$")
_SCP_LIKE = re.compile(r"^[A-Za-z0-9._-]+@[A-Za-z0-9][A-Za-z0-9.-]*:[^\s]+$")
_COMMIT = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")
_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_PREFERRED = ("main", "master")
_HEADS = "refs/heads/"


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a repository is: the address given to git, and the folder or file when it is on this machine."""

    address: str
    local: Path | None

    @classmethod
    def of(cls, location: str) -> Remote:
        """Read a location: a folder, a bundle, or an https, ssh or file URL.

        Raises: InvalidInput, NotFound.
        """
        if location.startswith("file://"):
            location = urlsplit(location).path
        if _URL.match(location) or _SCP_LIKE.match(location):
            return cls(location, None)
        if "://" in location or re.match(r"^[A-Za-z0-9+.-]+::", location):
            raise InvalidInput("only https, ssh and file addresses, folders and bundles are read", "location")
        local = Path(location).expanduser().resolve()
        if not local.exists():
            raise NotFound(f"no repository at {location}")
        return cls(str(local), local)


def mirror_folder(state_dir: Path, source_id: str, location: str) -> Path:
    """Return the folder of a source's mirror."""
    return state_dir / "mirrors" / f"{digest('mirror', source_id, location)}.git"


class GitMirror:
    """The mirror of one source under `state_dir/mirrors`."""

    def __init__(self, state_dir: Path, source_id: str, location: str) -> None:
        self._location = location
        self._shown = without_credentials(location)
        self._remote = Remote.of(location)
        self.git = Git(mirror_folder(state_dir, source_id, location), self._remote.local)

    async def fetch_head(self, branch: str, ref: str) -> str:
        """Bring the mirror up to date and return the commit that counts, or an empty string for an empty repository.

        `ref` (a ref or commit) pins it; else `branch`; else the remote's HEAD; else main, master or the only branch.

        Raises: InvalidInput, NotFound, Unavailable, Timeout.
        """
        await self._prepare()
        if ref:
            return await self._pinned(ref)
        head, tips = _read_listing(await self._listing())
        if not tips and not branch:
            return ""
        commit = tips[_choose(branch, head, tips)]
        if not await self.has(commit):
            await self._fetch()
        return commit

    async def fetch_versions(self, globs: Sequence[str]) -> dict[str, str]:
        """Bring the mirror up to date and return the commit of every branch and tag whose name matches.

        A tag of something that is no commit is left out.

        Raises: InvalidInput, NotFound, Unavailable, Timeout.
        """
        await self._prepare()
        chosen = choose_versions(await self._listing(), globs)
        kinds = await self._kinds(chosen.values())
        if not all(kinds.values()):
            await self._fetch()
            kinds = await self._kinds(chosen.values())
        if not all(kinds.values()):
            raise Unavailable("the repository was written to while it was read")
        return {name: commit for name, commit in chosen.items() if kinds[commit] == "commit"}

    async def keep(self, versions: Mapping[str, str]) -> str:
        """Keep which commit each version is, and return the id of the object that says it; empty for no versions."""
        if not versions:
            return ""
        found = await self.git.run("hash-object", "-w", "--stdin", stdin=encode_versions(versions))
        return found.decode("ascii").strip()

    async def kept(self, name: str) -> dict[str, str] | None:
        """Return what `keep` was given, None when it is not in the mirror or a commit of it is not."""
        if not name:
            return {}
        if not _COMMIT.match(name):
            return None
        try:
            versions = decode_versions(await self.git.run("cat-file", "blob", name))
        except GitRefused:
            return None
        kinds = await self._kinds(versions.values())
        return versions if all(kind == "commit" for kind in kinds.values()) else None

    async def has(self, commit: str) -> bool:
        """Tell whether a commit is in the mirror."""
        if not _COMMIT.match(commit):
            return False
        try:
            await self.git.run("cat-file", "-e", f"{commit}^{{commit}}")
        except GitRefused:
            return False
        return True

    def uri(self, path: str, commit: str) -> str:
        """Return an address that shows a file as it was at a commit: a page where the host is known to have one."""
        web = _web_address(self._location)
        if web:
            host = urlsplit(web).hostname or ""
            blob = "-/blob" if "gitlab" in host else "blob"
            return f"{web}/{blob}/{commit}/{quote(path)}"
        return f"git:{self._shown}@{commit}:{path}"

    async def _listing(self) -> str:
        arguments = ("ls-remote", "--symref", "--", self._remote.address)
        try:
            return (await self.git.run(*arguments, timeout_s=REMOTE_TIMEOUT_S)).decode("utf-8", "replace")
        except GitRefused as error:
            raise _unreachable(self._remote, error) from None

    async def _kinds(self, objects: Iterable[str]) -> dict[str, str]:
        async with self.git.blobs() as blobs:
            return {name: await blobs.kind(name) for name in sorted(set(objects))}

    async def _prepare(self) -> None:
        folder = self.git.repository
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.git.configure()
        if not (folder / "HEAD").is_file():
            await self.git.run("init", "--quiet", "--bare", "--template=", "--", str(folder))

    async def _fetch(self) -> None:
        try:
            await self.git.run(
                *("fetch", "--quiet", "--prune", "--force", "--no-tags", "--no-recurse-submodules"),
                *("--no-write-fetch-head", "--update-head-ok", "--", self._remote.address, *_REFSPECS),
                timeout_s=REMOTE_TIMEOUT_S,
            )
        except GitRefused as error:
            raise _unreachable(self._remote, error) from None

    async def _pinned(self, ref: str) -> str:
        if not await self.has(ref):
            await self._fetch()
        try:
            found = await self.git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        except GitRefused:
            raise InvalidInput(f"no commit {ref!r} in {self._shown}", "options.ref") from None
        return found.decode().strip()


def _read_listing(listing: str) -> tuple[str, dict[str, str]]:
    """Return the branch HEAD names (empty: none) and each branch's commit."""
    head, detached, tips = "", "", {}
    for line in listing.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            head = value.removeprefix("ref: ").removeprefix(_HEADS)
        elif name == "HEAD":
            detached = value
        elif name.startswith(_HEADS):
            tips[name.removeprefix(_HEADS)] = value
    if not head and detached:
        # A bundle tells HEAD's commit and not its branch.
        same = sorted(name for name, commit in tips.items() if commit == detached)
        head = next((name for name in _PREFERRED if name in same), same[0] if same else "")
    return head, tips


def _choose(branch: str, head: str, tips: dict[str, str]) -> str:
    wanted = branch or head
    if wanted in tips:
        return wanted
    named = ", ".join(sorted(tips)[:20]) or "none"
    if branch:
        raise InvalidInput(f"no branch {branch!r}; there are: {named}", "options.branch")
    fallback = next((name for name in _PREFERRED if name in tips), None)
    if fallback is None and len(tips) == 1:
        return next(iter(tips))
    if fallback is None:
        raise InvalidInput(f"HEAD names no branch; choose one of: {named}", "options.branch")
    return fallback


def _web_address(location: str) -> str:
    if match := re.match(r"^(?:ssh://)?git@([^:/]+)[:/](.+)$", location):
        host, path = match.groups()
    else:
        parts = urlsplit(location)
        if parts.scheme != "https":
            return ""
        host, path = parts.hostname or "", parts.path.lstrip("/")
    if host != "github.com" and "gitlab" not in host:
        return ""
    return f"https://{host}/{path.rstrip('/').removesuffix('.git')}"


def _unreachable(remote: Remote, error: GitRefused) -> Unavailable | InvalidInput:
    if remote.local is not None:
        return InvalidInput(f"git cannot read it: {error.detail}", "location")
    return Unavailable(f"git cannot reach the repository: {error.detail}")
