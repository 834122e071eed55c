"""The process behind `ingest.sandbox`: reads requests from its standard input until that ends.

A request is two lengths (64 bits each, network order), a JSON object with `function`, `options` and the limits of this
request, and the content. An answer is one length and a JSON object: `value`, or `error` with `place`, or `memory`.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO, Final

from ingest.confinement import confine
from shirabe.errors import InvalidInput

REQUEST: Final = struct.Struct(">QQ")
ANSWER: Final = struct.Struct(">Q")
_ORPHANED_S: Final = 5.0


def main() -> None:
    """Serve until the standard input ends; the one argument is how many bytes of memory there are."""
    # Answers have a descriptor of their own: what a library prints goes to the standard error.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    confine(int(sys.argv[1]))
    while header := sys.stdin.buffer.read(REQUEST.size):
        described, size = REQUEST.unpack(header)
        request = json.loads(sys.stdin.buffer.read(described))
        _bound_time(request["cpu_s"], request["wall_s"])
        _send(answers, _answer(request, size))
        signal.setitimer(signal.ITIMER_REAL, 0)


def _bound_time(cpu_s: int, wall_s: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (spent + cpu_s, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    # Who asks ends this process in time; should it be gone, this does.
    signal.setitimer(signal.ITIMER_REAL, wall_s + _ORPHANED_S)


def _answer(request: dict[str, Any], size: int) -> bytes:
    try:
        content = sys.stdin.buffer.read(size)
        module, _, name = request["function"].partition(":")
        value = getattr(importlib.import_module(module), name)(content, **request["options"])
        answer = json.dumps({"value": value}, separators=(",", ":")).encode("ascii")
    except MemoryError:
        return b'{"memory":true}'
    except InvalidInput as error:
        return json.dumps({"error": error.message, "place": error.place}).encode("ascii")
    except Exception as error:  # parsers answer damaged files with whatever broke first; it becomes the reason
        reason = " ".join(str(error).split())[:200]
        return json.dumps({"error": f"it cannot be read ({type(error).__name__}: {reason})", "place": ""}).encode(
            "ascii"
        )
    if len(answer) > request["answer_bytes"]:
        return json.dumps({"error": f"holds more than {request['answer_bytes']} bytes of text", "place": ""}).encode()
    return answer


def _send(answers: BinaryIO, answer: bytes) -> None:
    answers.write(ANSWER.pack(len(answer)) + answer)
    answers.flush()


if __name__ == "__main__":
    main()
