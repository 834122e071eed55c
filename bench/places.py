"""Sources that change on demand: repositories, and pages and rows on the simulated servers of `tests/contracts`."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fake_confluence import TOKEN, FakeConfluence
from fake_confluence_rows import Site
from fake_google_sheets import FakeSpreadsheet, FakeTab, fake_google

from ingest.job import SyncJob
from ingest.sources import IngestSources
from shirabe.types import Source

POLL_S: Final = 2.0
NEVER_S: Final = 86_400.0
SPREADSHEET: Final = "1AbCdEfGhIjKlMnOp"
HOOK_SECRET: Final = "bench"  # noqa: S105 (of servers that end with the bench)

Change = Callable[[str], Awaitable[None]]
"""Makes one change; takes the word that the change is to be found by."""


@dataclass(frozen=True, slots=True)
class Place:
    """One source and how it changes: `write` puts a word in, `close` takes the last one out of everybody's sight."""

    name: str
    write: Change
    close: Change


class GitPlace:
    """A repository with one page that is written and removed; `told` is called after each commit."""

    def __init__(self, folder: Path, told: Callable[[], Awaitable[None]] | None = None) -> None:
        self.folder = folder
        self._told = told
        self._git("init", "--quiet", "--initial-branch=main", str(folder))

    async def write(self, word: str) -> None:
        """Commit a page with the word."""
        (self.folder / "page.md").write_text(f"# Page\n\nThe word of the hour is {word}.\n", encoding="utf-8")
        await self._commit()

    async def close(self, word: str) -> None:  # noqa: ARG002 (there is one page)
        """Commit the removal of the page."""
        (self.folder / "page.md").unlink()
        await self._commit()

    async def _commit(self) -> None:
        self._git("-C", str(self.folder), "add", "--all")
        self._git("-C", str(self.folder), *_IDENTITY, "commit", "--quiet", "--message", "change")
        if self._told is not None:
            await self._told()

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], check=True, timeout=60)  # noqa: S603, S607 (ours)


_IDENTITY: Final = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")


class WikiPlace:
    """A page of the simulated wiki that is edited, and trashed or restricted; `told` is called with its number."""

    def __init__(self, site: Site, title: str, told: Callable[[str], Awaitable[None]] | None = None) -> None:
        self._site = site
        self._told = told
        self._page = site.put(title, "<p>before</p>")

    async def write(self, word: str) -> None:
        """Write the page with the word, open to all."""
        self._page.status, self._page.users = "current", ()
        self._site.edit(self._page, storage=f"<p>The word of the hour is {word}.</p>")
        await self._tell()

    async def close(self, word: str) -> None:  # noqa: ARG002 (there is one page)
        """Restrict the page when the wiki tells of it, which no search of it shows; trash it otherwise."""
        if self._told is None:
            self._site.trash(self._page)
        else:
            self._page.users = ("5b10-sato",)
        await self._tell()

    async def _tell(self) -> None:
        if self._told is not None:
            await self._told(self._page.number)


class SheetPlace:
    """A row of the simulated spreadsheet that is rewritten."""

    def __init__(self, spreadsheet: FakeSpreadsheet) -> None:
        self._spreadsheet = spreadsheet

    async def write(self, word: str) -> None:
        """Write the word into the row."""
        self._spreadsheet.tabs[0].write(["order", "note"], ["1", f"The word of the hour is {word}."])
        self._spreadsheet.touch()

    async def close(self, word: str) -> None:  # noqa: ARG002 (there is one row)
        """Write something else into the row."""
        self._spreadsheet.tabs[0].write(["order", "note"], ["1", "nothing"])
        self._spreadsheet.touch()


@asynccontextmanager
async def open_places(
    job: SyncJob, sources: IngestSources, folder: Path, wiki: FakeConfluence
) -> AsyncIterator[list[Place]]:
    """Give the places, their sources configured in the job."""

    async def tell(source_id: str, body: bytes) -> None:
        signature = hmac.new(HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
        await sources.notify(source_id, {"x-hub-signature": f"sha256={signature}"}, body)

    async def committed() -> None:
        await tell("git, webhook", b"{}")

    async def edited(number: str) -> None:
        await tell("wiki, webhook", json.dumps({"event": "page_updated", "page": {"id": int(number)}}).encode())

    wiki.site.spaces["DEV"].anonymous = True
    async with fake_google() as google:
        os.environ |= {"BENCH_WIKI": TOKEN, "GOOGLE_KEY": google.key(), "BENCH_HOOK": HOOK_SECRET}
        google.spreadsheets[SPREADSHEET] = FakeSpreadsheet("Orders", [FakeTab(0, "Sheet")])
        hook = {"webhook_secret": {"env": "BENCH_HOOK"}}
        wiki_options = {"token": {"env": "BENCH_WIKI"}, "allow_private": True, "deployment": "data_center"}
        watched, hooked = GitPlace(folder / "watched"), GitPlace(folder / "hooked", committed)
        address = f"https://docs.google.com/spreadsheets/d/{SPREADSHEET}"
        for source in (
            Source("git, watched", "git", str(watched.folder), poll_s=NEVER_S),
            Source("git, webhook", "git", str(hooked.folder), options=hook, poll_s=NEVER_S),
            Source("wiki, polled", "confluence", wiki.url, options=wiki_options, poll_s=POLL_S),
            Source("wiki, webhook", "confluence", wiki.url, options=wiki_options | hook, poll_s=NEVER_S),
            Source("sheet, polled", "sheet", address, options=google.options(), poll_s=POLL_S),
        ):
            await job.add(source)
        polled, told = WikiPlace(wiki.site, "polled"), WikiPlace(wiki.site, "told", edited)
        sheet = SheetPlace(google.spreadsheets[SPREADSHEET])
        yield [
            Place("git, watched", watched.write, watched.close),
            Place("git, webhook", hooked.write, hooked.close),
            Place("wiki, polled", polled.write, polled.close),
            Place("wiki, webhook", told.write, told.close),
            Place("sheet, polled", sheet.write, sheet.close),
        ]
