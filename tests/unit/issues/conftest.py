"""The simulated services, and collectors over them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fake_github import FakeGitHub, fake_github
from fake_gitlab import FakeGitLab, fake_gitlab
from issue_sources import MAX_BYTES, STAFF, Clock, Opened, source_of

from ingest.collectors.issues import IssuesCollector
from shirabe.types import Acl


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[FakeGitHub]:
    async with fake_github() as fake:
        yield fake


@pytest_asyncio.fixture
async def lab() -> AsyncIterator[FakeGitLab]:
    async with fake_gitlab() as fake:
        yield fake


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    def open_one(fake: FakeGitHub | FakeGitLab, clock: Clock | None = None, acl: Acl = STAFF, **options: Any) -> Any:
        return IssuesCollector(source_of(fake, acl, **options), tmp_path, MAX_BYTES, now=clock or Clock())

    return open_one
