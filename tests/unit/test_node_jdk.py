"""Choosing a Java runtime, with scripts that answer as `java` does."""

from pathlib import Path

import pytest

from opensearch.jdk import Refused, examine, find_jdk
from shirabe.errors import InvalidInput, Unavailable

FULL = ("java.base", "java.instrument", "jdk.localedata", "jdk.incubator.vector")


def fake_java(home: Path, version: str = "25.0.3", modules: tuple[str, ...] = FULL) -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    listed = "\n".join(f"{module}@{version}" for module in modules)
    java.write_text(
        "#!/bin/sh\n"
        '[ "$1" = -XshowSettings:properties ] && [ "$2" = --list-modules ] || exit 2\n'
        f"cat >&2 <<'END'\nProperty settings:\n    java.home = {home}\n    java.version = {version}\n"
        f"    java.version.date = 2026-04-21\nEND\ncat <<'END'\n{listed}\nEND\n"
    )
    java.chmod(0o755)
    return java


def no_download(folder: Path, quiet: bool) -> Path:
    raise Unavailable("no network")


def test_version_and_modules_are_read_from_the_runtime_itself(tmp_path: Path) -> None:
    jdk = examine(fake_java(tmp_path / "jdk"))
    assert (jdk.version, jdk.full_version, jdk.java) == (25, "25.0.3", tmp_path / "jdk" / "bin" / "java")
    assert "jdk.incubator.vector" in jdk.modules


def test_a_stub_leads_to_the_real_runtime(tmp_path: Path) -> None:
    real = fake_java(tmp_path / "real")
    stub = tmp_path / "usr" / "java"
    stub.parent.mkdir()
    stub.write_text(real.read_text())
    stub.chmod(0o755)
    assert examine(stub).java == real


@pytest.mark.parametrize(
    ("version", "modules", "reason"),
    [
        ("17.0.15", FULL, r"it is Java 17\.0\.15, OpenSearch needs 21 or newer"),
        ("25.0.3", ("java.base", "java.instrument"), "no Thai locale data"),
        ("25.0.3", ("java.base", "jdk.localedata"), "no support for Java agents"),
    ],
)
def test_unfit_runtimes_are_refused_with_the_reason(
    tmp_path: Path, version: str, modules: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        examine(fake_java(tmp_path / "jdk", version, modules))


def test_what_is_no_java_is_refused(tmp_path: Path) -> None:
    java = tmp_path / "java"
    with pytest.raises(Refused, match="no such file"):
        examine(java)
    java.write_text("#!/bin/sh\necho hello\n")
    java.chmod(0o755)
    with pytest.raises(Refused, match="no Java runtime"):
        examine(java)
    java.write_bytes(b"\x7fELF not for this machine")
    with pytest.raises(Refused, match="does not run"):
        examine(java)


def test_the_search_passes_over_what_is_refused(tmp_path: Path) -> None:
    old, no_thai = tmp_path / "old", tmp_path / "jvm" / "jdk-26"
    fake_java(old, "17.0.15")
    fake_java(no_thai, "26", ("java.base", "java.instrument"))
    good = fake_java(tmp_path / "jvm" / "jdk-25")
    environ = {"JAVA_HOME": str(old), "PATH": "", "HOME": str(tmp_path)}
    found = find_jdk(None, tmp_path / "cache", environ=environ, places=[f"{tmp_path}/jvm/*"], fetch=no_download)
    assert found.java == good


def test_the_error_lists_every_candidate_with_its_reason(tmp_path: Path) -> None:
    old = fake_java(tmp_path / "old", "17.0.15")
    no_thai = fake_java(tmp_path / "jvm" / "jdk-26", "26", ("java.base", "java.instrument"))
    environ = {"JAVA_HOME": str(tmp_path / "old"), "PATH": str(no_thai.parent), "HOME": str(tmp_path)}
    with pytest.raises(Unavailable) as caught:
        find_jdk(None, tmp_path / "cache", environ=environ, places=[f"{tmp_path}/jvm/*"], fetch=no_download)
    lines = caught.value.message.splitlines()
    assert f"  {old} (JAVA_HOME): it is Java 17.0.15, OpenSearch needs 21 or newer" in lines
    assert [line for line in lines if str(no_thai) in line and "no Thai locale data" in line]
    assert "no network" in lines[0]


def test_a_configured_home_that_does_not_fit_is_an_error_not_a_hint(tmp_path: Path) -> None:
    fake_java(tmp_path / "old", "17.0.15")
    fake_java(tmp_path / "jvm" / "jdk-25")
    with pytest.raises(InvalidInput, match="Java 17") as caught:
        find_jdk(tmp_path / "old", tmp_path, environ={}, places=[f"{tmp_path}/jvm/*"], fetch=no_download)
    assert caught.value.place == "opensearch.java_home"


def test_a_runtime_closed_to_the_engines_user_is_passed_over(tmp_path: Path) -> None:
    closed = fake_java(tmp_path / "jvm" / "jdk-26")
    good = fake_java(tmp_path / "jvm" / "jdk-25")
    found = find_jdk(
        None,
        tmp_path / "cache",
        environ={"HOME": str(tmp_path)},
        places=[f"{tmp_path}/jvm/*"],
        accept=lambda java: "closed" if java == closed else None,
        fetch=no_download,
    )
    assert found.java == good


def test_a_runtime_is_fetched_when_the_machine_has_none_and_found_the_next_time(tmp_path: Path) -> None:
    def download(folder: Path, quiet: bool) -> Path:
        home = folder / "v0" / "jdks" / "0123" / "jdk-25-jre"
        fake_java(home)
        return home

    environ = {"HOME": str(tmp_path)}
    first = find_jdk(None, tmp_path / "cache", environ=environ, places=[], fetch=download)
    again = find_jdk(None, tmp_path / "cache", environ=environ, places=[], fetch=no_download)
    assert first == again
