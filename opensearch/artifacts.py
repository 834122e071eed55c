"""The Maven artifacts of the embedded node: their lock file, and fetching them with jgo.

`artifacts.lock.json` names every artifact by coordinate with its size, its sha256 and the folders it goes to. Assembly
uses the lock alone. `python -m opensearch.artifacts --lock` writes it anew from `opensearch.layout`, transitive
dependencies included. This is the only file that imports jgo; where artifacts come from is jgo's own configuration.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import typer
from jgo import constants as jgo_constants
from jgo.config import GlobalSettings
from jgo.maven import MavenContext, PythonResolver
from jgo.parse import Coordinate
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from opensearch.layout import ML_COMMONS, ROOTS, VERSION, Root
from shirabe.errors import InvalidInput, Unavailable

LOCK_PATH = Path(__file__).with_name("artifacts.lock.json")

_THREADS = 8
_TIMEOUT_S = 60
_ATTEMPTS = 2
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_FOLDER = r"^(lib|agent|(modules|plugins)/[a-z0-9][a-z0-9-]*)$"

# jgo warns for what the lock file decides better: a checksum that is checked here, a POM it had to interpret.
logging.getLogger("jgo").setLevel(logging.ERROR)


class Artifact(BaseModel):
    """One pinned file of a Maven repository."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: Annotated[str, Field(pattern=_NAME)]
    artifact: Annotated[str, Field(pattern=_NAME)]
    version: Annotated[str, Field(pattern=_NAME)]
    classifier: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$")] = ""
    packaging: Literal["jar", "zip"]
    part: Literal["core", "ml-commons"]
    folders: tuple[Annotated[str, Field(pattern=_FOLDER)], ...] = Field(min_length=1)
    size: int = Field(ge=1, description="bytes")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def coordinate(self) -> str:
        """The Maven coordinate, for people."""
        parts = (self.group, self.artifact, self.version, self.classifier, "" if self.packaging == "jar" else "zip")
        return ":".join(part for part in parts if part)

    @property
    def filename(self) -> str:
        """The file's name in a repository and in a home."""
        suffix = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{suffix}.{self.packaging}"


class Lock(BaseModel):
    """The lock file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opensearch: str
    artifacts: tuple[Artifact, ...] = Field(min_length=1)

    def chosen(self, ml_commons: bool) -> tuple[Artifact, ...]:
        """Return the artifacts of the core, and those of ml-commons if wanted."""
        return tuple(a for a in self.artifacts if ml_commons or a.part != ML_COMMONS)


def read_lock(path: Path = LOCK_PATH) -> Lock:
    """Read a lock file. Raises: InvalidInput naming the file and the field."""
    try:
        lock = Lock.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"the lock file cannot be read: {error.strerror}", place=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"not a lock file of engine artifacts: {where}: {first['msg']}", place=str(path)) from error
    if lock.opensearch != VERSION:
        raise InvalidInput(f"locks OpenSearch {lock.opensearch}, this code runs {VERSION}", place=str(path))
    return lock


class Repository:
    """A local Maven repository in `folder`, filled by jgo and checked against the lock."""

    def __init__(self, folder: Path, on_bytes: Callable[[int], None] = lambda _: None) -> None:
        @contextmanager
        def report(_filename: str, _total: int) -> Iterator[Callable[[int], None]]:
            yield on_bytes

        self._maven = MavenContext(
            repo_cache=folder,
            remote_repos={"central": jgo_constants.MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories},
            resolver=PythonResolver(progress_callback=report),
            timeout=_TIMEOUT_S,
        )
        self._folder = folder

    def path(self, artifact: Artifact) -> Path:
        """Return where the artifact lies, or would lie."""
        return (
            self._folder / artifact.group.replace(".", "/") / artifact.artifact / artifact.version / artifact.filename
        )

    def holds(self, artifact: Artifact) -> bool:
        """Tell whether a file of the right size is there; its content is checked by `fetch`."""
        path = self.path(artifact)
        return path.is_file() and path.stat().st_size == artifact.size

    def fetch(self, artifact: Artifact) -> Path:
        """Return the path of the artifact's verified file, downloading it if it is absent or damaged.

        Raises: Unavailable naming the artifact; a file with the wrong content is deleted, never returned.
        """
        path = self.path(artifact)
        if path.is_file():
            if _sha256(path) == artifact.sha256:
                return path
            path.unlink()
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                self._download(artifact)
            except Unavailable:
                if last:
                    raise
                continue
            found = _sha256(path)
            if found == artifact.sha256:
                return path
            path.unlink()
            if last:
                raise Unavailable(
                    f"{artifact.coordinate} was fetched but is not what the lock file pins: "
                    f"its sha256 is {found}, expected {artifact.sha256}; it was deleted"
                )
        raise AssertionError("unreachable: the last attempt returns or raises")

    def resolve(self, root: Root) -> list[tuple[str, str, str, str]]:
        """Return (group, artifact, version, classifier) of a root and of all that it needs at run time.

        Raises: Unavailable if the POMs cannot be fetched.
        """
        coordinate = Coordinate(root.group, root.artifact, root.version, scope="compile")
        dependency = self._maven.create_dependency(coordinate)
        try:
            inputs, transitive = self._maven.resolver.resolve([dependency])
        except (OSError, RuntimeError) as error:
            raise Unavailable(f"{root.group}:{root.artifact} could not be resolved: {error}") from error
        needed = [*inputs, *(d for d in transitive if d.scope in ("compile", "runtime"))]
        found = [d.artifact for d in needed if d.artifact.packaging == "jar"]
        return [(a.groupId, a.artifactId, a.version, a.classifier) for a in found]

    def pin(self, artifact: Artifact) -> Artifact:
        """Return the artifact with the size and sha256 of what the repository serves now."""
        path = self.path(artifact)
        if not path.is_file():
            self._download(artifact)
        return artifact.model_copy(update={"size": path.stat().st_size, "sha256": _sha256(path)})

    def _download(self, artifact: Artifact) -> None:
        component = self._maven.project(artifact.group, artifact.artifact).at_version(artifact.version)
        try:
            component.artifact(classifier=artifact.classifier, packaging=artifact.packaging).resolve()
        except RuntimeError as error:
            # jgo's message lists the repositories' addresses, which may hold credentials.
            raise Unavailable(f"{artifact.coordinate} is in none of jgo's Maven repositories") from error
        except OSError as error:  # requests' errors are OSErrors; jgo leaves what it has written so far
            self.path(artifact).unlink(missing_ok=True)
            raise Unavailable(f"{artifact.coordinate} could not be fetched: {error}") from error


def fetch_all(artifacts: Sequence[Artifact], folder: Path, quiet: bool) -> dict[Artifact, Path]:
    """Fetch artifacts in parallel into the repository at `folder`; the first failure stops the rest.

    Shows a progress bar on stderr unless `quiet` or nothing has to be downloaded.

    Raises: Unavailable naming the artifact that could not be had.
    """
    total = missing_bytes(artifacts, folder)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet or total == 0, transient=True) as progress:
        task = progress.add_task("Fetching OpenSearch", total=total)
        repository = Repository(folder, on_bytes=lambda count: progress.advance(task, count))
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="fetch")
        try:
            # The largest first: the end of the run then has small ones to balance the threads with.
            ordered = sorted(artifacts, key=lambda a: -a.size)
            return dict(zip(ordered, pool.map(repository.fetch, ordered), strict=True))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def missing_bytes(artifacts: Sequence[Artifact], folder: Path) -> int:
    """Return how many bytes `fetch_all` would download."""
    repository = Repository(folder)
    return sum(a.size for a in artifacts if not repository.holds(a))


def make_lock(folder: Path, roots: Sequence[Root] = ROOTS) -> Lock:
    """Resolve the roots with everything they need and pin each file's content.

    A module or plugin folder does not repeat what `lib` has: the engine refuses to start on a class found twice.

    Raises: Unavailable if an artifact cannot be had.
    """
    repository = Repository(folder)
    folders: dict[tuple[str, str, str, str, str, str], list[str]] = {}
    in_lib: set[tuple[str, str, str]] = set()
    for root in sorted(roots, key=lambda r: r.folder != "lib"):
        files = repository.resolve(root) if root.transitive else [(root.group, root.artifact, root.version, "")]
        for group, name, version, classifier in files:
            if root.folder == "lib":
                in_lib.add((group, name, classifier))
            elif root.folder != "agent" and (group, name, classifier) in in_lib:
                continue
            places = folders.setdefault((group, name, version, classifier, root.packaging, root.part), [])
            if root.folder not in places:
                places.append(root.folder)
    names = ("group", "artifact", "version", "classifier", "packaging", "part")
    unknown = {"size": 1, "sha256": "0" * 64}  # until `pin` has seen the file
    drafts = [
        Artifact.model_validate(dict(zip(names, key, strict=True)) | {"folders": sorted(places)} | unknown)
        for key, places in sorted(folders.items())
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        pinned = tuple(pool.map(repository.pin, drafts))
    return Lock(opensearch=VERSION, artifacts=pinned)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _main(lock: Annotated[bool, typer.Option("--lock", help="Write the lock file anew")] = False) -> None:
    """Check the lock file; with --lock, write it anew from what the repositories serve."""
    console = Console()
    if lock:
        with TemporaryDirectory() as folder:
            made = make_lock(Path(folder))
        LOCK_PATH.write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")
    current = read_lock()
    size = sum(a.size for a in current.chosen(ml_commons=False))
    console.print(
        f"OpenSearch {current.opensearch}: {len(current.artifacts)} artifacts, {size / 1e6:.0f} MB without ml-commons"
    )


if __name__ == "__main__":
    typer.run(_main)
