"""What misbehaving parsers do, for tests of the sandbox to run inside it."""

import ctypes
import os
import socket
import subprocess
import sys
from typing import Any

from shirabe.errors import InvalidInput


def echo(content: bytes, **options: Any) -> dict[str, Any]:
    return {"size": len(content), "head": content[:20].decode("latin-1"), **options}


def process_id(content: bytes) -> int:
    return os.getpid()


def environment(content: bytes) -> dict[str, str]:
    return dict(os.environ)


def refuse(content: bytes) -> None:
    raise InvalidInput("nothing on this page", "#page=3")


def fail(content: bytes) -> None:
    raise KeyError("/Root")


def loop(content: bytes) -> None:
    while True:
        pass


def sleep(content: bytes) -> None:
    sys.stdin.buffer.read(1)


def allocate(content: bytes) -> int:
    return len(bytearray(1 << 32))


def crash(content: bytes) -> None:
    print("printed by a library", flush=True)
    ctypes.string_at(8)


def give_up(content: bytes) -> None:
    os.abort()


def complain(content: bytes) -> None:
    sys.stderr.write("of an earlier document\n")


def leave(content: bytes) -> None:
    sys.stderr.write("nothing to be done\n")
    sys.stderr.flush()
    os._exit(3)


def talk(content: bytes) -> str:
    for _ in range(20_000):
        print("a line of warnings from a library that likes to talk")
    return "done"


def write_much(content: bytes) -> str:
    return "x" * 2_000_000


def babble(content: bytes) -> None:
    os.write(3, b"\xff" * 100)
    loop(content)


def connect(content: bytes) -> None:
    socket.create_connection(("127.0.0.1", int(content)))


def start_program(content: bytes) -> None:
    subprocess.run(["/bin/true"], check=True)


def write_file(content: bytes) -> None:
    with open(content.decode(), "wb") as file:
        file.write(b"x" * 100)


def unplain(content: bytes) -> object:
    return {b"bytes"}
