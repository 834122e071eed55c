"""What a process that reads files from strangers may still do: compute, within limits.

Memory, open files and written files are bounded by resource limits. On Linux a seccomp filter also refuses system calls
that no parser needs: sockets, starting programs, signals to others. Where the kernel takes no filter the limits
stand alone.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import struct
from typing import Final

_OPEN_FILES: Final = 64

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF_0000
_REFUSE: Final = 0x0005_0001  # SECCOMP_RET_ERRNO with EPERM
_CALL_NUMBER: Final = 0  # struct seccomp_data
_ARCHITECTURE: Final = 4

# The architecture's AUDIT_ARCH, then: socket, socketpair, connect, bind, execve, execveat, ptrace, kill,
# process_vm_readv, process_vm_writev, io_uring_setup, bpf, userfaultfd, mount, unshare, setns.
_REFUSED: Final = {
    "x86_64": (0xC000_003E, (41, 53, 42, 49, 59, 322, 101, 62, 310, 311, 425, 321, 323, 165, 272, 308)),
    "aarch64": (0xC000_00B7, (198, 199, 203, 200, 221, 281, 117, 129, 270, 271, 425, 280, 282, 40, 97, 268)),
}


def confine(memory_bytes: int) -> None:
    """Bound this process for the rest of its life: its address space, its files, and what it asks of the kernel."""
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        hard = resource.getrlimit(limit)[1]
        bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bounded, bounded))
    _refuse_calls()


def _refuse_calls() -> None:
    known = _REFUSED.get(platform.machine())
    if platform.system() != "Linux" or known is None:
        return
    architecture, calls = known
    refuse = len(calls) + 1
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        # Calls of another architecture have other numbers.
        (_JUMP_EQUAL, 0, refuse + 1, architecture),
        (_LOAD, 0, 0, _CALL_NUMBER),
        *((_JUMP_EQUAL, refuse - index - 1, 0, call) for index, call in enumerate(calls)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a 16-bit length, padding up to the pointer, the pointer.
    filter_program = struct.pack("HP", len(program), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(filter_program), 0, 0)
