"""The changing sources that the contract of `Collector` is run over, one of each kind."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fake_confluence import TOKEN, fake_confluence
from fake_confluence_rows import Site
from fake_github import FakeGitHub, fake_github
from fake_gitlab import FakeGitLab, fake_gitlab
from fake_google_sheets import FakeGoogle, FakeSpreadsheet, FakeTab, fake_google
from ingest_fakes import Repository

from ingest.chunkers.sheet_grid import Cell, Grid
from ingest.collectors import FolderCollector, GitCollector
from ingest.collectors.confluence import ConfluenceCollector
from ingest.collectors.google_sheets import GoogleSheetsCollector
from ingest.collectors.issues import IssuesCollector
from ingest.collectors.openapi import OpenApiCollector
from shirabe.protocols import Collector
from shirabe.types import Acl, Source

MAX_BYTES = 2_000
ACL = Acl(False, ("staff",))


def spec(title: str) -> str:
    return f'openapi: 3.0.3\ninfo: {{title: {title}, version: "1"}}\npaths: {{}}\n'


@dataclass
class Place:
    """A source that can be written to: `suffix` names its kind of document."""

    collector: Collector
    root: Path
    suffix: str
    repository: Repository | None = None

    def write(self, files: dict[str, str | bytes]) -> None:
        for name, content in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes(content.encode() if isinstance(content, str) else content)
        self.commit()

    def remove(self, name: str) -> None:
        (self.root / name).unlink()
        self.commit()

    def commit(self) -> None:
        if self.repository is not None:
            self.repository.commit()

    def name(self, stem: str) -> str:
        return f"{stem}{self.suffix}"

    def content(self, name: str, text: str) -> bytes:
        """What the document at a name holds when it was written as a text."""
        return text.encode()


SPREADSHEET = "1AbCdEfGhIjKlMnOp"


@dataclass
class GooglePlace(Place):
    """A spreadsheet; its documents are sheets, one cell in each."""

    google: FakeGoogle = field(default_factory=FakeGoogle)

    def write(self, files: dict[str, str | bytes]) -> None:
        found = self.google.spreadsheets[SPREADSHEET]
        for name, text in files.items():
            number = int(name.rpartition("/")[2])
            found.tabs = [tab for tab in found.tabs if tab.sheet_id != number]
            found.tabs.append(FakeTab(number, f"シート {number}"))
            found.tabs[-1].write([text if isinstance(text, str) else text.decode()])
        found.touch()

    def remove(self, name: str) -> None:
        found = self.google.spreadsheets[SPREADSHEET]
        found.tabs = [tab for tab in found.tabs if not name.endswith(f"/{tab.sheet_id}")]
        found.touch()

    def name(self, stem: str) -> str:
        return f"{SPREADSHEET}/{zlib.crc32(stem.encode())}"

    def content(self, name: str, text: str) -> bytes:
        grid = Grid(f"シート {name.rpartition('/')[2]}", {(1, 1): Cell(text.strip())})
        return json.dumps(grid.plain(), ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class WikiPlace(Place):
    """A Confluence space; its documents are pages with one block of code in each."""

    site: Site = field(default_factory=lambda: Site(cloud=True))

    def write(self, files: dict[str, str | bytes]) -> None:
        for name, text in files.items():
            number = name.rpartition("/")[2]
            words = text if isinstance(text, str) else text.decode()
            code = f"<ac:plain-text-body><![CDATA[{words}]]></ac:plain-text-body>"
            storage = f'<ac:structured-macro ac:name="code">{code}</ac:structured-macro>'
            if number in self.site.items:
                self.site.edit(self.site.items[number], storage=storage)
            else:
                self.site.put(f"頁 {number}", storage, number=number)

    def remove(self, name: str) -> None:
        self.site.trash(self.site.items[name.rpartition("/")[2]])

    def name(self, stem: str) -> str:
        return f"page/{zlib.crc32(stem.encode())}"

    def content(self, name: str, text: str) -> bytes:
        return f'---\ntitle: "頁 {name.rpartition("/")[2]}"\n---\n\n```\n{text.strip()}\n```\n'.encode()


@dataclass
class IssuesPlace(Place):
    """A repository's issues, one for each document."""

    fake: FakeGitHub | FakeGitLab = field(default_factory=FakeGitHub)

    def write(self, files: dict[str, str | bytes]) -> None:
        for name, text in files.items():
            number = int(name.rpartition("/")[2])
            words = text if isinstance(text, str) else text.decode()
            if isinstance(self.fake, FakeGitHub) and number in self.fake.issues:
                self.fake.edit(number, body=words)
            elif isinstance(self.fake, FakeGitLab) and number in self.fake.rows["issues"]:
                self.fake.edit("issues", number, description=words)
            else:
                self.fake.open("頁", words, number=number)

    def remove(self, name: str) -> None:
        number = int(name.rpartition("/")[2])
        if isinstance(self.fake, FakeGitHub):
            self.fake.delete(number)
        else:
            del self.fake.rows["issues"][number]

    def name(self, stem: str) -> str:
        return f"issues/{zlib.crc32(stem.encode())}"

    def content(self, name: str, text: str) -> bytes:
        facts = "- State: open\n- Opened: 2026-03-01 by alice"
        return f'---\ntitle: "頁 #{name.rpartition("/")[2]}"\n---\n\n{facts}\n\n{text.strip()}\n'.encode()


@asynccontextmanager
async def issues_place(folder: Path, service: str) -> AsyncIterator[Place]:
    async with fake_github() if service == "github" else fake_gitlab() as fake:
        options: dict[str, Any] = {"service": service, "api": f"{fake.url}/{'api/v4' if service == 'gitlab' else ''}"}
        options |= {"allow_private": True, "compare_minutes": 0}
        source = Source("s", "issues", f"{fake.url}/{fake.name}", ACL, options)
        yield IssuesPlace(IssuesCollector(source, folder, MAX_BYTES), Path(), "", fake=fake)


@dataclass
class VersionPlace(Place):
    """A repository with one branch as a version."""

    def write(self, files: dict[str, str | bytes]) -> None:
        super().write({name.removeprefix("main:"): content for name, content in files.items()})

    def remove(self, name: str) -> None:
        super().remove(name.removeprefix("main:"))

    def name(self, stem: str) -> str:
        return f"main:{stem}{self.suffix}"


@asynccontextmanager
async def wiki_place(folder: Path, deployment: str) -> AsyncIterator[Place]:
    async with fake_confluence(cloud=deployment == "cloud") as fake:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WIKI_TOKEN", TOKEN)
            options = {"token": {"env": "WIKI_TOKEN"}, "allow_private": True, "deployment": deployment}
            source = Source("s", "confluence", fake.url, ACL, {**options, "permissions": "source"})
            collector = ConfluenceCollector(source, folder, MAX_BYTES, now=lambda: fake.site.now)
            yield WikiPlace(collector, Path(), "", site=fake.site)


@asynccontextmanager
async def google_place(source: Source) -> AsyncIterator[Place]:
    async with fake_google() as google:
        google.spreadsheets[SPREADSHEET] = FakeSpreadsheet("受注", [FakeTab(0, "シート1")])
        location = f"https://docs.google.com/spreadsheets/d/{SPREADSHEET}/edit#gid=0"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GOOGLE_KEY", google.key())
            source = replace(source, kind="sheet", location=location, options=google.options())
            yield GooglePlace(GoogleSheetsCollector(source, MAX_BYTES), Path(), "", google=google)


def in_files(kind: str, tmp_path: Path) -> Place:
    root = tmp_path / "source"
    if kind in ("git", "versions"):
        repository = Repository(root)
        repository.commit()
        if kind == "versions":
            source = Source("s", "git", str(root), ACL, {"refs": ["main"]})
            return VersionPlace(GitCollector(source, tmp_path / "state", MAX_BYTES), root, ".md", repository)
        source = Source("s", "git", str(root), ACL)
        return Place(GitCollector(source, tmp_path / "state", MAX_BYTES), root, ".md", repository)
    root.mkdir()
    if kind == "folder":
        return Place(FolderCollector(Source("s", "markdown", str(root), ACL), MAX_BYTES), root, ".md")
    return Place(OpenApiCollector(Source("s", "openapi", str(root), ACL), MAX_BYTES), root, ".yaml")
