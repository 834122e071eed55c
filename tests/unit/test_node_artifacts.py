"""The lock file and fetching, with jgo against a real Maven repository of a few files on loopback."""

import gc
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from opensearch.artifacts import LOCK_PATH, Artifact, Repository, fetch_all, make_lock, missing_bytes, read_lock
from opensearch.layout import DESCRIPTORS, ML_COMMONS, ROOTS, Root
from shirabe.errors import InvalidInput, Unavailable


class MavenServer:
    """Files by path; a list of bodies is served one after the other, the last again and again."""

    def __init__(self) -> None:
        self.files: dict[str, list[bytes]] = {}
        self.asked: Counter[str] = Counter()

    def put(self, group: str, artifact: str, version: str, *bodies: bytes, needs: tuple[str, ...] = ()) -> None:
        base = f"/{group.replace('.', '/')}/{artifact}/{version}/{artifact}-{version}"
        dependencies = "".join(
            f"<dependency><groupId>{group}</groupId><artifactId>{n}</artifactId><version>1.0</version></dependency>"
            for n in needs
        )
        pom = (
            f"<project><modelVersion>4.0.0</modelVersion><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
            f"<version>{version}</version><dependencies>{dependencies}</dependencies></project>"
        )
        self.files[f"{base}.pom"] = [pom.encode()]
        self.files[f"{base}.jar"] = list(bodies)

    def body(self, path: str) -> bytes | None:
        self.asked[path] += 1
        bodies = self.files.get(path)
        if bodies is None:
            return None
        return bodies.pop(0) if len(bodies) > 1 else bodies[0]


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MavenServer]:
    model = MavenServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = model.body(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    config = tmp_path / "jgo.conf"
    config.write_text(f"[repositories]\ncentral = http://user:hidden@127.0.0.1:{server.server_port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
    yield model
    server.shutdown()
    thread.join()
    server.server_close()


def pinned(name: str, body: bytes) -> Artifact:
    return Artifact(
        group="org.example",
        artifact=name,
        version="1.0",
        packaging="jar",
        part="core",
        folders=("lib",),
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )


JAR = "/org/example/one/1.0/one-1.0.jar"


def test_the_committed_lock_covers_the_layout_and_names_no_registry() -> None:
    lock = read_lock()
    text = LOCK_PATH.read_text(encoding="utf-8")
    assert "://" not in text and "maven2" not in text
    locked = {(a.group, a.artifact, a.version, folder) for a in lock.artifacts for folder in a.folders}
    assert {(r.group, r.artifact, r.version, r.folder) for r in ROOTS} <= locked
    assert {d.folder for d in DESCRIPTORS} <= {folder for *_, folder in locked}
    assert len({a.coordinate for a in lock.artifacts}) == len(lock.artifacts)
    in_lib = {a.filename for a in lock.artifacts if "lib" in a.folders}
    elsewhere = {a.filename for a in lock.artifacts if any(f.startswith("modules/") for f in a.folders)}
    assert not in_lib & elsewhere, "the engine refuses to start on a class found twice"


def test_ml_commons_is_left_out_unless_wanted() -> None:
    lock = read_lock()
    assert {a.part for a in lock.chosen(ml_commons=False)} == {"core"}
    extra = set(lock.chosen(ml_commons=True)) - set(lock.chosen(ml_commons=False))
    assert {a.artifact for a in extra} == {"opensearch-ml-plugin", "bcprov-jdk18on"}
    assert {a.part for a in extra} == {ML_COMMONS}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sha256", "00"),
        ("artifact", "../../etc/passwd"),
        ("classifier", "../x"),
        ("folders", ["../outside"]),
        ("folders", []),
        ("size", 0),
        ("packaging", "exe"),
    ],
)
def test_a_lock_with_a_bad_field_is_refused_by_name(tmp_path: Path, field: str, value: object) -> None:
    content = json.loads(LOCK_PATH.read_text(encoding="utf-8"))
    content["artifacts"][3][field] = value
    path = tmp_path / "bad.lock.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidInput, match=rf"artifacts\.3\.{field}") as caught:
        read_lock(path)
    assert caught.value.place == str(path)


def test_a_lock_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.lock.json"
    path.write_text(LOCK_PATH.read_text(encoding="utf-8").replace('"opensearch": "3.6.0"', '"opensearch": "2.19.0"'))
    with pytest.raises(InvalidInput, match=r"2\.19\.0"):
        read_lock(path)


def test_fetching_verifies_and_caches(maven: MavenServer, tmp_path: Path) -> None:
    bodies = {name: name.encode() * 1000 for name in ("one", "two", "three")}
    for name, body in bodies.items():
        maven.put("org.example", name, "1.0", body)
    artifacts = [pinned(name, body) for name, body in bodies.items()]
    repository = tmp_path / "m2"
    assert missing_bytes(artifacts, repository) == sum(map(len, bodies.values()))
    files = fetch_all(artifacts, repository, quiet=True)
    assert {a.artifact: path.read_bytes() for a, path in files.items()} == bodies
    assert missing_bytes(artifacts, repository) == 0
    assert fetch_all(artifacts, repository, quiet=True) == files
    assert maven.asked[JAR] == 1


def test_content_other_than_pinned_is_refused_and_not_kept(maven: MavenServer, tmp_path: Path) -> None:
    maven.put("org.example", "one", "1.0", b"something else")
    artifact = pinned("one", b"the real thing")
    with pytest.raises(Unavailable, match=r"org\.example:one:1\.0.*sha256") as caught:
        fetch_all([artifact], tmp_path / "m2", quiet=True)
    assert artifact.sha256 in caught.value.message
    assert not list((tmp_path / "m2").rglob("*.jar"))
    assert maven.asked[JAR] == 2


def test_a_damaged_cached_file_is_fetched_again(maven: MavenServer, tmp_path: Path) -> None:
    maven.put("org.example", "one", "1.0", b"the real thing")
    repository = Repository(tmp_path / "m2")
    artifact = pinned("one", b"the real thing")
    repository.fetch(artifact).write_bytes(b"the real")
    assert not repository.holds(artifact)
    assert repository.fetch(artifact).read_bytes() == b"the real thing"
    assert maven.asked[JAR] == 2


def test_a_damaged_download_is_fetched_again_once(maven: MavenServer, tmp_path: Path) -> None:
    maven.put("org.example", "one", "1.0", b"half", b"the real thing")
    assert Repository(tmp_path / "m2").fetch(pinned("one", b"the real thing")).read_bytes() == b"the real thing"
    assert maven.asked[JAR] == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # jgo leaves the 404's socket open
def test_what_no_repository_has_is_named_without_addresses(maven: MavenServer, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"org\.example:one:1\.0") as caught:
        fetch_all([pinned("one", b"x")], tmp_path / "m2", quiet=True)
    assert "hidden" not in str(caught.value)
    del caught
    gc.collect()


def test_locking_follows_dependencies_and_does_not_repeat_lib(maven: MavenServer, tmp_path: Path) -> None:
    maven.put("org.example", "core", "1.0", b"core", needs=("shared",))
    maven.put("org.example", "shared", "1.0", b"shared")
    maven.put("org.example", "module", "1.0", b"module", needs=("shared", "own"))
    maven.put("org.example", "own", "1.0", b"own")
    maven.put("org.example", "agent", "1.0", b"agent", needs=("shared",))
    roots = (
        Root("modules/m", "org.example", "module", "1.0"),
        Root("agent", "org.example", "agent", "1.0"),
        Root("lib", "org.example", "core", "1.0"),
    )
    lock = make_lock(tmp_path / "m2", roots)
    assert {a.artifact: a.folders for a in lock.artifacts} == {
        "core": ("lib",),
        "shared": ("agent", "lib"),
        "module": ("modules/m",),
        "own": ("modules/m",),
        "agent": ("agent",),
    }
    assert {a.artifact: a.sha256 for a in lock.artifacts}["own"] == hashlib.sha256(b"own").hexdigest()
