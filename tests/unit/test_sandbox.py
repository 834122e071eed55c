import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from ingest.sandbox import Limits, Sandbox, parse
from shirabe.errors import InvalidInput

LIMITS = Limits(memory_bytes=1 << 29, cpu_s=0, wall_s=20, answer_bytes=1_000_000, documents=50)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(LIMITS)
    yield sandbox
    sandbox.close()


def run(sandbox: Sandbox, function: str, content: bytes = b"", **options: object) -> object:
    return sandbox.parse(f"sandboxed_functions:{function}", content, place="a.pdf", **options)


def test_content_and_options_go_in_and_plain_data_comes_out(sandbox: Sandbox) -> None:
    found = run(sandbox, "echo", b"x" * 5_000_000, words=["受注", "\ud800"], deep={"a": None})
    assert found == {"size": 5_000_000, "head": "x" * 20, "words": ["受注", "\ud800"], "deep": {"a": None}}
    assert run(sandbox, "echo") == {"size": 0, "head": ""}


def test_one_process_reads_many_documents_and_is_replaced_after_some(sandbox: Sandbox) -> None:
    processes = [run(sandbox, "process_id") for _ in range(LIMITS.documents + 1)]
    assert len(set(processes[:-1])) == 1
    assert processes[-1] not in (processes[0], os.getpid())


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("refuse", "a.pdf#page=3: nothing on this page"),
        ("fail", "a.pdf: it cannot be read (KeyError: '/Root')"),
        ("loop", "a.pdf: took longer than 0 s of processor time to read"),
        ("allocate", "a.pdf: takes more than 512 MiB of memory to read"),
        ("crash", "a.pdf: its reader crashed (SIGSEGV: printed by a library)"),
        ("give_up", "a.pdf: takes more than 512 MiB of memory to read, or its reader gave up"),
        ("leave", "a.pdf: its reader crashed (exit status 3: nothing to be done)"),
        ("write_much", "a.pdf: holds more than 1000000 bytes of text"),
        ("babble", "a.pdf: holds more than 1000000 bytes of text"),
        ("unplain", "a.pdf: it cannot be read (TypeError: Object of type set is not JSON serializable)"),
        ("start_program", "a.pdf: it cannot be read (PermissionError"),
        ("missing", "a.pdf: it cannot be read (AttributeError"),
    ],
)
def test_whatever_goes_wrong_is_a_reason_and_the_next_document_is_read(
    sandbox: Sandbox, function: str, reason: str
) -> None:
    run(sandbox, "complain")
    with pytest.raises(InvalidInput) as refused:
        run(sandbox, function)
    assert str(refused.value).startswith(reason)
    assert run(sandbox, "echo", b"next") == {"size": 4, "head": "next"}


def test_a_reader_that_waits_is_ended() -> None:
    sandbox = Sandbox(Limits(wall_s=0.3))
    with pytest.raises(InvalidInput, match=r"took longer than 0\.3 s to read"):
        run(sandbox, "sleep")
    sandbox.close()


def test_what_a_library_prints_is_in_nobodys_way(sandbox: Sandbox) -> None:
    assert run(sandbox, "talk") == "done"


def test_a_reader_has_no_network_no_secrets_and_writes_nothing(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIRABE_TEST_SECRET", "hush")
    assert "SHIRABE_TEST_SECRET" not in str(run(sandbox, "environment"))
    with pytest.raises(InvalidInput, match="PermissionError"):
        run(sandbox, "connect", b"1")
    with pytest.raises(InvalidInput, match="File too large"):
        run(sandbox, "write_file", str(tmp_path / "x").encode())


def test_threads_take_turns(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: run(sandbox, "echo", b"%d" % n), range(60)))
    assert found == [{"size": len(str(n)), "head": str(n)} for n in range(60)]


async def test_the_sandbox_of_this_process_serves_from_threads() -> None:
    found = await asyncio.to_thread(parse, "sandboxed_functions:echo", b"abc", place="a.pdf", page=1)
    assert found == {"size": 3, "head": "abc", "page": 1}


def test_no_process_outlives_its_parent() -> None:
    code = (
        "import os, signal; from ingest.sandbox import parse;"
        "print(parse('sandboxed_functions:process_id', b'', place=''), flush=True); signal.pause()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    worker.wait(20)
    assert not worker.is_running()
