"""A disk that fails at any system call of a save, or a process that dies there: nothing is lost, and it recovers.

The faults are real: small and read-only file systems, and errors and signals that strace injects.
"""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
from tracing import needs_strace, run_traced

from cocoannot.dataset.manager import DatasetManager
from cocoannot.errors import DatasetError, SaveError

_ATTEMPTS = r"""
import errno, json, logging, os, sys
from pathlib import Path
from cocoannot.dataset.manager import DatasetManager
from cocoannot.errors import FileChanged, SaveError

operation, fault, fault_at, folder, dataset, theirs = sys.argv[1:]
logging.getLogger("cocoannot").addHandler(logging.NullHandler())
# Harmless calls: they fail by themselves, with another error than the one that is injected.
CALLS = {
    "mkdir": lambda: os.mkdir("/nowhere/folder"),
    "openat": lambda: os.open("/nowhere/file", os.O_RDONLY),
    "write": lambda: os.write(999, b""),
    "fsync": lambda: os.fsync(999),
    "rename": lambda: os.rename("/nowhere/file", "/nowhere/other"),
    "unlink": lambda: os.unlink("/nowhere/file"),
}

def make_harmless_call(call):
    try:
        CALLS[call]()
    except OSError as exc:
        return exc.errno

def in_a_child(work):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        code = work() or 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(code)

def memory(manager):
    return b"".join(manager.snapshot().blocks).decode()

def facts(manager, path, after=""):
    status, names = manager.status(), [path.name + ".cocoannot/state.json", path.name + ".cocoannot"]
    found = {
        "memory": memory(manager), "file": path.read_text(), "summary": manager.changes.summary(),
        "since": manager.unsaved_since(), "revision": status.revision, "last_error": status.last_error,
        "left": sorted(str(each.relative_to(path.parent)) for each in path.parent.rglob("*")),
    }
    return {key + after: value for key, value in found.items()}

def prepare(path):
    path.parent.mkdir()
    path.write_text(dataset)
    manager = DatasetManager()
    manager.load(path)
    if operation != "replace":
        manager.add_category({"name": "ours"})
    if operation in ("conflict", "overwrite"):
        path.write_text(theirs)
    if operation == "overwrite":
        try:
            manager.save()
        except FileChanged:
            pass
    return manager

def operate(manager):
    if operation.startswith("replace"):
        manager.set_annotations([])
    elif operation == "overwrite":
        manager.save_now(overwrite=True)
    else:
        manager.save()

def attempt(call, number):
    path = Path(folder, f"{call}-{number}", "dataset.json")
    manager = prepare(path)
    before = facts(manager, path, "_before")
    return in_a_child(lambda: with_fault(manager, path, call, number, before))

def with_fault(manager, path, call, number, before):
    report = {"call": call, "number": number, "error": None, "disk_full": None, **before}
    for _ in range(int(fault_at) - number):
        make_harmless_call(call)
    try:
        operate(manager)
    except SaveError as exc:
        report |= {"error": str(exc), "kind": type(exc).__name__, "disk_full": exc.disk_full}
    # A fault that was not met is still there, or did not kill: there are fewer calls than that.
    if fault == "KILL" or make_harmless_call(call) == getattr(errno, fault):
        return 3
    report |= facts(manager, path)
    try:
        manager.save_now(overwrite=operation == "overwrite")
        report["error_at_last"] = None
    except SaveError as exc:
        report["error_at_last"] = str(exc)
    report |= facts(manager, path, "_at_last")
    os.write(1, json.dumps(report).encode() + b"\n")

for call in CALLS:
    for number in range(1, 50):
        code = in_a_child(lambda: attempt(call, number) % 256)
        if code == 1:
            sys.exit(1)
        if code == 3:
            break
"""

_CALLS = ["mkdir", "openat", "write", "fsync", "rename", "unlink"]
# Each process has its own count for each call: more than are made of one kind while Python starts.
_FAULT_AT = 1500
_THEIRS = '{"categories": [{"id": 1, "name": "theirs"}]}'
_STATE = ["dataset.json", "dataset.json.cocoannot", "dataset.json.cocoannot/state.json"]


@pytest.fixture(scope="module")
def attempts(tmp_path_factory):
    """Makes an operation meet a fault at its 1st, 2nd, ... call of each kind, each time on a dataset of its own.

    Answers with the folder of the datasets, and a report on each attempt where its process lived.
    """
    made = {}

    def attempts(operation, fault):
        if (operation, fault) not in made:
            folder = tmp_path_factory.mktemp(f"{operation}-{fault}")
            inject = "signal=SIGKILL" if fault == "KILL" else f"error={fault}"
            options = [] if fault == "KILL" else ["--seccomp-bpf"]
            options += ["-e", f"trace={','.join(_CALLS)}", "-e", f"inject={','.join(_CALLS)}:{inject}:when={_FAULT_AT}"]
            arguments = [operation, fault, _FAULT_AT, folder, json.dumps(SMALL), _THEIRS]
            done = run_traced(_ATTEMPTS, *arguments, options=options)
            assert (done.returncode, done.stderr) == (0, "")
            made[operation, fault] = folder, [json.loads(line) for line in done.stdout.splitlines()]
        return made[operation, fault]

    return attempts
