"""Questions people ask of real documents: the first hit answers, and its locator opens that place of that revision."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from real_system import drop, facade, found, opened, own

from shirabe.cli.compose import open_parts
from shirabe.settings import Settings
from shirabe.types import Source

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
# What answers, and what is near it in words or meaning; each page in both languages.
TERMS = (
    *("ingress", "kubernetes", "service-mesh", "service-proxy", "service-discovery", "service", "api-gateway"),
    *("microservices-architecture", "sidecar-container", "cluster"),
)
PAGES = (
    *("request-files", "request-forms-and-files", "request-forms", "static-files", "bigger-applications"),
    "background-tasks",
)
SOURCES = {
    "cncf-glossary": [f"content/{lang}/{term}.md" for lang in ("en", "ja") for term in TERMS],
    "fastapi": [
        *(f"docs/{lang}/docs/tutorial/{page}.md" for lang in ("en", "ja") for page in PAGES),
        "docs_src/bigger_applications/app_an_py310/**/*.py",
    ],
}
MOST_DOCUMENTS = 60

FIRST_HITS = (
    ("K8s Ingress", {"content/en/ingress.md", "content/ja/ingress.md"}, "ngress"),
    ("サービスメッシュとは", {"content/ja/service-mesh.md"}, "サービスメッシュ"),
    ("func main()", {"go/main.go"}, "func main() {"),
    ("upload a file", {"docs/en/docs/tutorial/request-files.md"}, "File"),
    (
        "include_router",
        {
            "docs/en/docs/tutorial/bigger-applications.md",
            "docs/ja/docs/tutorial/bigger-applications.md",
            "docs_src/bigger_applications/app_an_py310/main.py",
        },
        "include_router",
    ),
)


@pytest_asyncio.fixture(scope="module")
async def client(
    settings: Settings, opensearch_url: str, models_url: str, checkpoint: Path, shared: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A facade over a few documents of each corpus and the samples' code."""
    mine = own(settings)
    try:
        async with open_parts(mine, opensearch_url, models_url, checkpoint) as parts:
            for name, include in SOURCES.items():
                bundle = shared / "corpora" / f"{name}.bundle"
                await parts.job.add(Source(name, "git", str(bundle), options={"include": include}))
            await parts.job.add(Source("code", "markdown", str(SAMPLES / "src")))
            reports = [await parts.job.sync(name) for name in (*SOURCES, "code")]
            assert all(report.documents and not report.failures for report in reports)
            assert sum(report.documents for report in reports) <= MOST_DOCUMENTS
            async with facade(parts, mine) as client:
                yield client
    finally:
        await drop(opensearch_url, mine.opensearch.alias)


@pytest.fixture(scope="module")
def clones(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bare clones of the bundles, to look a hit up without our own collector."""
    found = {name: tmp_path_factory.mktemp(name) for name in SOURCES}
    for name, folder in found.items():
        bundle = shared / "corpora" / f"{name}.bundle"
        subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(folder)], check=True, timeout=60)
    return found


def at_revision(clone: Path, revision: str, path: str) -> str:
    show = ["git", "-C", str(clone), "show", f"{revision}:{path}"]
    return subprocess.run(show, check=True, capture_output=True, timeout=60).stdout.decode()


@pytest.mark.parametrize(("query", "paths", "says"), FIRST_HITS, ids=[query for query, _, _ in FIRST_HITS])
async def test_the_first_hit_answers_and_its_locator_opens_it(
    client: httpx.AsyncClient, clones: dict[str, Path], query: str, paths: set[str], says: str
) -> None:
    hit = (await found(client, query=query))["hits"][0]
    assert hit["path"] in paths
    assert says in hit["text"]
    assert hit["locator"].startswith(hit["path"])
    if hit["source"] == "code":
        content = (SAMPLES / "src" / hit["path"]).read_text(encoding="utf-8")
    else:
        content = at_revision(clones[hit["source"]], hit["revision"], hit["path"])
    place = opened(content, hit["locator"])
    assert hit["text"].strip() in place
    before = place[: place.index(hit["text"].strip())]
    assert "\n#" not in before, "no other heading stands between the place opened and the text"
