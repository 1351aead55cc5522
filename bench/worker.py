"""One contender in a process of its own: loads a dataset, then does what it is told to, timed.

    python -m bench.worker CONTENDER SCALE PATH

Prints a line of JSON about the load, then one for each line `[OPERATION, CALLS]` that it reads: seconds of one call,
and memory in bytes, `peak` being that since the line before.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.contenders import CONTENDERS
from bench.memory import forget_peak, memory_of

_LONG_ENOUGH = 0.2
"""Seconds of a measurement where the number of calls is not given."""


def main() -> None:
    """Load, then listen."""
    contender, scale, path = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
    load = CONTENDERS[contender](scale)
    started = time.perf_counter()
    operations = load(path)
    _answer(time.perf_counter() - started)
    for line in sys.stdin:
        name, calls = json.loads(line)
        call = operations[name]
        forget_peak()
        _answer(_repeated(call, calls or _calls(call)))


def _answer(seconds: float) -> None:
    print(json.dumps({"seconds": seconds, **memory_of(os.getpid())}), flush=True)


def _calls(call: Callable[[], object]) -> int:
    """How many calls are long enough; the first one only warms up."""
    call()
    return min(10_000, max(1, round(_LONG_ENOUGH / _repeated(call, 1))))


def _repeated(call: Callable[[], object], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls


if __name__ == "__main__":
    main()
