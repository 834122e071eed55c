"""The user the embedded node runs as: ourselves, or an unprivileged one when we are root.

OpenSearch refuses to run as root, rightly: it parses what strangers wrote.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from shirabe.errors import Unavailable

_PREFERRED = ("shirabe", "opensearch", "nobody")


@dataclass(frozen=True)
class User:
    """An account."""

    name: str
    uid: int
    gid: int


def engine_user(euid: int | None = None) -> User:
    """Return the account to run the node as: ours, or for root an unprivileged one.

    Raises: Unavailable if we are root and there is no other account.
    """
    uid = os.geteuid() if euid is None else euid
    if uid != 0:
        names = (account.pw_name for account in pwd.getpwall() if account.pw_uid == uid)
        return User(next(names, str(uid)), uid, os.getegid())
    accounts = {a.pw_name: a for a in pwd.getpwall() if a.pw_uid != 0}
    for name in (*_PREFERRED, *accounts):
        if name in accounts:
            return User(name, accounts[name].pw_uid, accounts[name].pw_gid)
    raise Unavailable("OpenSearch does not run as root and this machine has no other account to run it as")


def obstacle(path: Path, user: User) -> Path | None:
    """Return the first folder on the way to `path`, or `path` itself, that the user may not enter or read, or None.

    Links are followed. Access lists beyond the mode bits are not looked at.
    """
    target = path.resolve()
    for place in (*reversed(target.parents), target):
        info = place.stat()
        wanted = 0o5 if place == target and not stat.S_ISDIR(info.st_mode) else 0o1
        if info.st_uid == user.uid:
            granted = info.st_mode >> 6
        elif info.st_gid == user.gid:
            granted = info.st_mode >> 3
        else:
            granted = info.st_mode
        if granted & wanted != wanted:
            return place
    return None


def require_reach(path: Path, user: User, advice: str) -> None:
    """Check that the user can reach `path`. Raises: Unavailable naming the closed folder, with `advice`."""
    closed = obstacle(path, user)
    if closed is not None:
        raise Unavailable(
            f"OpenSearch runs as the user {user.name} (never as root), who cannot enter {closed} on the way to {path}; "
            f"{advice}"
        )


def hand_over(folder: Path, user: User) -> None:
    """Make a folder and all in it belong to the user; nothing happens unless we are root and it does not yet."""
    if os.geteuid() != 0 or folder.stat().st_uid == user.uid:
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(parent, name), user.uid, user.gid, follow_symlinks=False)
    # The folder itself last: its owner tells that everything inside was done.
    os.chown(folder, user.uid, user.gid, follow_symlinks=False)
