"""Finding a model on this machine."""

from pathlib import Path

import pytest

from ray_app import hub, m3_mini
from ray_app.models import BGE_M3
from shirabe.errors import NotFound

OTHER = "a" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def _snapshot(cache: Path, name: str, revision: str, *, is_main: bool = False) -> Path:
    repository = cache / f"models--{name.replace('/', '--')}"
    folder = repository / "snapshots" / revision
    folder.mkdir(parents=True)
    if is_main:
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(revision)
    return folder


def test_a_folder_is_itself(tmp_path: Path, cache: Path) -> None:
    assert hub.locate(str(tmp_path)) == tmp_path
    assert m3_mini.resolve(str(tmp_path), tmp_path) == tmp_path


def test_a_known_model_is_taken_at_its_pinned_revision(cache: Path) -> None:
    _snapshot(cache, BGE_M3.name, OTHER, is_main=True)
    assert BGE_M3.revision is not None
    pinned = _snapshot(cache, BGE_M3.name, BGE_M3.revision)
    assert hub.locate("BAAI/bge-m3") == pinned
    assert hub.locate(f"BAAI/bge-m3@{OTHER}").name == OTHER


def test_another_revision_is_not_taken_silently(cache: Path) -> None:
    _snapshot(cache, BGE_M3.name, OTHER, is_main=True)
    with pytest.raises(NotFound, match=f"has revision {OTHER}, not {BGE_M3.revision}.*@COMMIT"):
        hub.locate("BAAI/bge-m3")


def test_an_unknown_model_is_taken_at_main(cache: Path) -> None:
    folder = _snapshot(cache, "me/mine", OTHER, is_main=True)
    assert hub.locate("me/mine") == folder
    _snapshot(cache, "me/half", OTHER)
    with pytest.raises(NotFound, match="not None"):
        hub.locate("me/half")


@pytest.mark.parametrize(("name", "said"), [("bge", "such as m3-mini"), ("BAAI/none", "hub's cache at")])
def test_what_is_not_there_is_said(cache: Path, name: str, said: str) -> None:
    with pytest.raises(NotFound, match=said):
        hub.locate(name)


def test_the_cache_is_where_the_hub_s_library_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert hub.cache() == Path.home() / ".cache" / "huggingface" / "hub"
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert hub.cache() == Path("/x/huggingface/hub")
    monkeypatch.setenv("HF_HOME", "/h")
    assert hub.cache() == Path("/h/hub")
