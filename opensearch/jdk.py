"""The Java runtime of the embedded node: found on the machine, or fetched with cjdk.

A runtime must be at least Java 21 and have the Thai locale data: without `jdk.localedata` the node starts, but no index
can be created. Every candidate that is refused is named with the reason. This is the only file that imports cjdk.
"""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cjdk
import structlog

from shirabe.errors import InvalidInput, Unavailable

MINIMUM = 21
VECTOR_MODULE = "jdk.incubator.vector"

_FETCHED_VENDOR = "temurin-jre"
_FETCHED_VERSION = "25"
_PROBE_TIMEOUT_S = 30
_NEEDED_MODULES = {
    "jdk.localedata": "no Thai locale data (the module jdk.localedata is missing): no index could be created",
    "java.instrument": "no support for Java agents (the module java.instrument is missing)",
}
_PLACES = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "/opt/*jdk*",
    "/opt/*jre*",
    "/opt/java/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
    "/usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
)
_VERSION = re.compile(r"^\s*java\.version = (\d+)(\S*)", re.MULTILINE)
_HOME = re.compile(r"^\s*java\.home = (.+?)\s*$", re.MULTILINE)
_MODULE = re.compile(r"^([a-z][\w.]*)(?:@|$)", re.MULTILINE)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Jdk:
    """A usable Java runtime."""

    java: Path
    version: int
    full_version: str
    modules: frozenset[str]


class Refused(Exception):
    """A candidate that cannot run the node; the message is the reason."""


def find_jdk(
    java_home: Path | None,
    cache_dir: Path,
    *,
    quiet: bool = True,
    environ: Mapping[str, str] = os.environ,
    places: Sequence[str] = _PLACES,
    accept: Callable[[Path], str | None] = lambda _: None,
    fetch: Callable[[Path, bool], Path] | None = None,
) -> Jdk:
    """Return the first runtime that can run the node; blocks, and downloads one if none is on the machine.

    Looks at `java_home`, JAVA_HOME, the PATH, the usual `places` (glob patterns) and cjdk's cache, in this order.
    `accept` gives a reason to refuse a `java` file, or None.

    Raises: InvalidInput if the configured `java_home` cannot be used; Unavailable listing each candidate and why it was
    refused if none can and none can be fetched.
    """
    if java_home is not None:
        try:
            return examine(java_home / "bin" / "java", accept)
        except Refused as reason:
            raise InvalidInput(f"{java_home} cannot run OpenSearch: {reason}", place="opensearch.java_home") from reason
    refusals: list[str] = []
    seen: set[Path] = set()
    for source, java in _candidates(environ, places, cache_dir):
        real = java.resolve()
        if real in seen:
            continue
        seen.add(real)
        try:
            return examine(java, accept)
        except Refused as reason:
            log.debug("a Java runtime was refused", java=str(java), source=source, reason=str(reason))
            refusals.append(f"{java} ({source}): {reason}")
    tried = "".join(f"\n  {line}" for line in refusals) or " none found"
    try:
        fetched = (fetch or _fetch)(_fetched_folder(cache_dir), quiet)
        return examine(fetched / "bin" / "java", accept)
    except (Refused, Unavailable) as reason:
        raise Unavailable(
            f"no Java runtime >= {MINIMUM} that can run OpenSearch, and none could be fetched: {reason}\n"
            f"Install a JDK (for example Temurin {_FETCHED_VERSION}) or set SHIRABE_OPENSEARCH__JAVA_HOME. "
            f"Candidates:{tried}"
        ) from reason


def examine(java: Path, accept: Callable[[Path], str | None] = lambda _: None) -> Jdk:
    """Run a `java` to learn its version and modules. Raises: Refused with the reason."""
    if not java.is_file():
        raise Refused("there is no such file")
    if reason := accept(java):
        raise Refused(reason)
    try:
        # One launch tells both: the settings go to stderr, the modules to stdout.
        done = subprocess.run(  # noqa: S603 - a program the user's own settings and folders name
            [str(java), "-XshowSettings:properties", "--list-modules"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"it does not run: {error}") from error
    version = _VERSION.search(done.stderr)
    if version is None:
        raise Refused("it is no Java runtime, or an older one than Java 9")
    if int(version[1]) < MINIMUM:
        raise Refused(f"it is Java {version[1]}{version[2]}, OpenSearch needs {MINIMUM} or newer")
    modules = frozenset(_MODULE.findall(done.stdout))
    for module, reason in _NEEDED_MODULES.items():
        if module not in modules:
            raise Refused(reason)
    home = _HOME.search(done.stderr)
    # A stub such as /usr/bin/java leads elsewhere: take the real one.
    real = Path(home[1]) / "bin" / "java" if home else java
    return Jdk(real if real.is_file() else java, int(version[1]), f"{version[1]}{version[2]}", modules)


def _candidates(environ: Mapping[str, str], places: Sequence[str], cache_dir: Path) -> Iterator[tuple[str, Path]]:
    if home := environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    for folder in environ.get("PATH", "").split(os.pathsep):
        if folder and (java := Path(folder) / "java").is_file():
            yield "PATH", java
    for pattern in places:
        for home in sorted(glob.glob(pattern), reverse=True):  # names end in a version: the newest first
            if (java := Path(home) / "bin" / "java").is_file():
                yield pattern, java
    for cache in (_fetched_folder(cache_dir), _cjdk_cache(environ)):
        for java in sorted(cache.glob("v0/jdks/*/**/bin/java"), reverse=True):
            yield "cjdk's cache", java


def _fetched_folder(cache_dir: Path) -> Path:
    return cache_dir / "jdk"


def _cjdk_cache(environ: Mapping[str, str]) -> Path:
    if named := environ.get("CJDK_CACHE_DIR"):
        return Path(named)
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "cjdk"
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "cjdk"


def _fetch(folder: Path, quiet: bool) -> Path:
    """Download a runtime into `folder`. Raises: Unavailable."""
    log.info("fetching a Java runtime", vendor=_FETCHED_VENDOR, version=_FETCHED_VERSION, folder=str(folder))
    try:
        home = cjdk.java_home(vendor=_FETCHED_VENDOR, version=_FETCHED_VERSION, cache_dir=folder, progress=not quiet)
    except (cjdk.CjdkError, OSError) as error:
        raise Unavailable(f"cjdk: {error}") from error
    return Path(home)
