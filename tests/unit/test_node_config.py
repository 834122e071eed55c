"""What the node is told, where it may listen, and whom its folders belong to."""

import os
from pathlib import Path

import pytest
import yaml

from opensearch.jdk import Jdk
from opensearch.node_config import Folders, java_command, write_config
from opensearch.places import check_room, read_end, write_new
from opensearch.privileges import User, engine_user, hand_over, obstacle, require_reach
from shirabe.errors import Unavailable

STRANGER = User("stranger", 54_321, 54_321)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "a: folder" / "opensearch")
    for folder in (made.config, made.data, made.logs, made.tmp):
        folder.mkdir(parents=True)
    return made


def test_the_node_listens_on_loopback_and_makes_no_index_by_itself(folders: Folders) -> None:
    write_config(folders, 9201, 768)
    told = yaml.safe_load((folders.config / "opensearch.yml").read_text(encoding="utf-8"))
    assert told["network.host"] == "127.0.0.1"
    assert told["discovery.type"] == "single-node"
    assert told["http.port"] == 9201
    assert told["action.auto_create_index"] is False
    assert told["path.data"] == str(folders.data)
    free = [told[f"cluster.routing.allocation.disk.watermark.{level}"] for level in ("low", "high", "flood_stage")]
    assert free == ["3gb", "2gb", "1gb"]


def test_the_breaker_fits_the_collector(folders: Folders) -> None:
    jdk = Jdk(Path("/jdk/bin/java"), 25, "25", frozenset())
    for heap_mb, serial in ((768, True), (4096, False)):
        write_config(folders, 0, heap_mb)
        told = yaml.safe_load((folders.config / "opensearch.yml").read_text(encoding="utf-8"))
        command = java_command(jdk, Path("/home"), folders, heap_mb)
        assert ("-XX:+UseSerialGC" in command) is serial
        assert ("-XX:+UseG1GC" in command) is not serial
        assert ("indices.breaker.total.use_real_memory" in told) is serial
        assert f"-Xms{heap_mb}m" in command and f"-Xmx{heap_mb}m" in command


@pytest.mark.parametrize("modules", [frozenset(), frozenset({"jdk.incubator.vector"})])
def test_the_vector_module_is_asked_for_where_the_runtime_has_it(folders: Folders, modules: frozenset[str]) -> None:
    command = java_command(Jdk(Path("/jdk/bin/java"), 25, "25", modules), Path("/home"), folders, 768)
    assert ("--add-modules=jdk.incubator.vector" in command) is bool(modules)


def test_further_options_come_last_and_before_the_class(folders: Folders) -> None:
    jdk = Jdk(Path("/jdk/bin/java"), 25, "25", frozenset())
    command = java_command(jdk, Path("/home"), folders, 768, ["-Xss2m", "-Dx=y"])
    assert command[-5:-2] == ["-Xss2m", "-Dx=y", "-cp"]
    assert command.index("-Xss1m") < command.index("-Xss2m")


def test_an_earlier_runs_temporary_files_go_and_links_are_not_followed(folders: Folders, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    (folders.tmp / "link").symlink_to(kept)
    (folders.tmp / "old" / "deep").mkdir(parents=True)
    folders.ports_file.write_text("127.0.0.1:1")
    folders.clear()
    assert not list(folders.tmp.iterdir()) and not folders.ports_file.exists()
    assert (kept / "file").read_text() == "x"


def test_root_writes_and_reads_through_no_link_of_the_engines_user(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("precious")
    for name in ("opensearch.yml", "opensearch.yml.new", "node.log"):
        (tmp_path / name).symlink_to(secret)
    write_new(tmp_path / "opensearch.yml", "new", 0o644)
    assert secret.read_text() == "precious"
    assert (tmp_path / "opensearch.yml").read_text() == "new" and not (tmp_path / "opensearch.yml").is_symlink()
    assert read_end(tmp_path / "node.log", 100) == ""


def test_only_the_end_of_a_log_is_read(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("0123456789")
    assert read_end(tmp_path / "log", 4) == "6789"
    assert read_end(tmp_path / "log", 100) == "0123456789"
    assert read_end(tmp_path / "absent", 4) == ""


def test_root_is_never_the_engines_user() -> None:
    assert engine_user(euid=0).uid != 0
    assert engine_user(euid=54_321).uid == 54_321


def test_a_closed_folder_on_the_way_is_named(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents):
        if obstacle(folder, STRANGER) == folder and folder != tmp_path:
            break  # where pytest keeps its folders is closed already
    else:
        folder = tmp_path / "closed"
        folder.chmod(0o700)
    with pytest.raises(Unavailable, match=f"stranger.*cannot enter {folder} on the way to {inner}; open it"):
        require_reach(inner, STRANGER, "open it")


def test_the_owner_and_the_group_are_judged_by_their_own_bits(tmp_path: Path) -> None:
    info = tmp_path.stat()
    owner = User("owner", info.st_uid, -1)
    tmp_path.chmod(0o077)
    assert obstacle(tmp_path, owner) == tmp_path
    tmp_path.chmod(0o700)
    assert obstacle(tmp_path, owner) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_folders_are_handed_over_with_their_content_but_links_are_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("x")
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_text("x")
    (folder / "link").symlink_to(mine)
    hand_over(folder, STRANGER)
    assert {p.lstat().st_uid for p in (folder, *folder.rglob("*"))} == {STRANGER.uid}
    assert mine.stat().st_uid == 0


def test_room_is_checked_against_what_is_free(tmp_path: Path) -> None:
    check_room(tmp_path, 100, lambda _: 100)
    with pytest.raises(Unavailable, match="0 MB free"):
        check_room(tmp_path, 1_000_000, lambda _: 999)
