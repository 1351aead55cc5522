"""For scripts that meet a fault at one system call: strace is attached to them, and a child is led up to the call.

strace counts the calls of each process for itself, and injects the fault at one number of them, the same in all. So a
child that is to meet it at its n-th call makes harmless ones before. Nothing is imported while strace is attached.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import subprocess
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

AT = {
    "mkdir": 20,
    "openat": 70,
    "write": 40,
    "sendfile": 20,
    "fsync": 40,
    "ftruncate": 20,
    "link": 20,
    "rename": 20,
    "unlink": 20,
}
"""The number of the call at which a process meets the fault: more than what is tried makes, but not many more, for each
takes time."""

KILL = "KILL"

# They fail by themselves, with another error than the one that is injected.
_HARMLESS: dict[str, Callable[[], object]] = {
    "mkdir": lambda: os.mkdir("/nowhere/folder"),
    "openat": lambda: os.open("/nowhere/file", os.O_RDONLY),
    "write": lambda: os.write(999, b""),
    "sendfile": lambda: os.sendfile(999, 998, 0, 1),
    "fsync": lambda: os.fsync(999),
    "ftruncate": lambda: os.ftruncate(999, 0),
    "link": lambda: os.link("/nowhere/file", "/nowhere/other"),
    "rename": lambda: os.rename("/nowhere/file", "/nowhere/other"),
    "unlink": lambda: os.unlink("/nowhere/file"),
}
CALLS = tuple(_HARMLESS)

_PR_SET_PTRACER = 0x59616D61
_LIMIT = 20.0


def attach(fault: str, times: int = 1, calls: Sequence[str] = CALLS) -> None:
    """From now on each child meets `fault` (`KILL`, or an error's name) at `times` calls of each kind, from `AT` on."""
    gc.freeze()
    # Where only parents may trace, this process allows it to its child.
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
    kind = "signal=SIGKILL" if fault == KILL else f"error={fault}"
    options = [f"--inject={call}:{kind}:when={AT[call]}..{AT[call] + times - 1}" for call in calls]
    command = ["strace", "-f", "-qq", "-o", os.devnull, f"--trace={','.join(calls)}", *options, "-p", str(os.getpid())]
    strace = subprocess.Popen(command)
    deadline = time.monotonic() + _LIMIT
    # Not by looking every now and then: what is counted from here on is few.
    while "\nTracerPid:\t0\n" in Path("/proc/self/status").read_text():
        if strace.poll() is not None or time.monotonic() > deadline:
            raise OSError("strace can't be attached")


def in_a_child(work: Callable[[], int | None]) -> int:
    """Do `work` in a child; returns what it does, 1 where it raised (and printed that), -9 where it was killed."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        code = work() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def lead_up(numbers: Mapping[str, int]) -> None:
    """Let this process, a new one, meet the fault at its `numbers[call]`-th call from now on."""
    for call, number in numbers.items():
        for _ in range(AT[call] - number):
            _fails_with(call)


def end(call: str, fault: str, times: int = 1) -> bool:
    """Let the fault be over for this process; returns whether it was met at `call`."""
    left = 0
    for _ in range(AT[call] + times):
        left += _fails_with(call) == getattr(errno, fault)
        if left == times:
            break
    return left < times


def _fails_with(call: str) -> int | None:
    try:
        _HARMLESS[call]()
    except OSError as exc:
        return exc.errno
    return None
