"""A repository of many files is read in memory that does not grow with what they hold, and hardly with how many."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FEW, MANY = 1_000, 10_000
BYTES_PER_FILE = 2_000
"""The names of what was seen; the files themselves are four times as large."""

READ = """
import asyncio, sys
from pathlib import Path
from bench.memory import peak_mib
from ingest.collectors import GitCollector
from shirabe.types import Cursor, Source

async def read(branch):
    source = Source("s", "git", sys.argv[1], options={"branch": branch})
    collector = GitCollector(source, Path(sys.argv[2]), 100_000)
    head, seen = await collector.head(), 0
    async for change in collector.changes(None, head):
        seen += len(change.document.content) > 8_000
    print(seen, int(peak_mib() * 1024**2), flush=True)
    return head

async def both():
    few, many = await read("few"), await read("many")
    source = Source("s", "git", sys.argv[1], options={"branch": "many"})
    changed = [c async for c in GitCollector(source, Path(sys.argv[2]), 100_000).changes(many, many)]
    print(len(changed), 0, flush=True)

asyncio.run(both())
"""


def monorepo(path: Path, branches: dict[str, int]) -> None:
    """Make a bare repository with so many files in each branch, 8 kB each."""
    subprocess.run(["git", "init", "--quiet", "--bare", str(path)], check=True)
    with subprocess.Popen(["git", "-C", str(path), "fast-import", "--quiet"], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        write = process.stdin.write
        words = b"# Title\n\n" + b"All work and no play. " * 380
        for number in range(10):
            content = words + b"%d\n" % number
            write(b"blob\nmark :%d\ndata %d\n%s\n" % (number + 1, len(content), content))
        for name, count in branches.items():
            write(b"commit refs/heads/%s\ncommitter T <t@example.org> 1700000000 +0000\ndata 0\n" % name.encode())
            for number in range(count):
                place = b"services/%03d/part-%02d/page-%d.md" % (number // 500, number // 50 % 10, number)
                write(b"M 100644 :%d %s\n" % (number % 10 + 1, place))
            write(b"\n")
    assert process.returncode == 0


def test_memory_is_bounded(tmp_path: Path) -> None:
    monorepo(tmp_path / "mono.git", {"few": FEW, "many": MANY})
    arguments = [sys.executable, "-c", READ, str(tmp_path / "mono.git"), str(tmp_path / "state")]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    (few, small), (many, large), (none, _) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert (few, many, none) == (FEW, MANY, 0)
    assert large - small < (MANY - FEW) * BYTES_PER_FILE
