"""What the measurements share: datasets, contenders that stay loaded, servers that stay up, and what was seen."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench.servers import Server
from bench.synthetic import write_dataset

_ROOT = Path(__file__).parent.parent
_ADDITIONS = 200_000


class Row(NamedTuple):
    """One figure that has a target: what was measured, beside what, and whether that is good enough."""

    figure: str
    measured: str
    beside: str
    ratio: str
    target: str
    reached: bool


class Detail(NamedTuple):
    """One figure of one contender."""

    what: str
    contender: str
    size: float
    median: str
    spread: str
    repeats: int


class Worker:
    """A contender in a process of its own (see `bench.worker`)."""

    def __init__(self, contender: str, scale: float, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", contender, str(scale), str(path)],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.loaded = self._read()
        """Seconds of the load, and memory after it."""

    def call(self, operation: str, calls: int | None = None) -> dict[str, float]:
        """Do something, as often as makes a measurement, or `calls` times; seconds of one call, and memory after it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([operation, calls]) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(map(str, self._process.args))} failed")  # type: ignore[arg-type]
        answer: dict[str, float] = json.loads(line)
        return answer


class Suite:
    """One run: `scale` is the size that counts, `sizes` those of the plots, `seconds` the length of a round of load."""

    def __init__(self, folder: Path, scale: float, repeats: int, seconds: float) -> None:
        self.scale = scale
        self.sizes = (scale / 100, scale / 10, scale)
        self.repeats = repeats
        self.seconds = seconds
        self.rows: list[Row] = []
        self.details: list[Detail] = []
        self.growth: dict[str, dict[str, dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
        """Seconds, by what is done, by contender, by scale."""
        self.pace: list[float] = []
        """Seconds of a loop that is always the same, at moments of the run."""
        self._folder = folder
        self._datasets: dict[float, Path] = {}
        self._workers: dict[tuple[str, float], Worker] = {}
        self._servers: dict[str, Server] = {}
        self._started = time.monotonic()

    def dataset(self, scale: float) -> Path:
        """The dataset of that size, not to be changed."""
        if scale not in self._datasets:
            self.tell(f"generating a dataset of {scale:g} times train2017's size")
            self._datasets[scale] = self._folder / f"{len(self._datasets)}.json"
            write_dataset(self._datasets[scale], scale)
        return self._datasets[scale]

    def copy(self, scale: float) -> Path:
        """A dataset of that size in a folder of its own, to be changed."""
        folder = self._folder / f"{time.monotonic_ns()}"
        folder.mkdir()
        return Path(shutil.copy(self.dataset(scale), folder / "dataset.json"))

    def folder(self, name: str) -> Path:
        """A new folder of that name."""
        folder = self._folder / name
        folder.mkdir()
        return folder

    def repeats_of(self, contender: str, scale: float) -> int:
        """How often a contender is loaded; seldom at full size where that takes half a minute for no target."""
        return min(self.repeats, 3) if contender == "dicts" and scale > 0.3 else self.repeats

    def worker(self, contender: str, scale: float) -> Worker:
        """A contender that has a dataset of that size loaded; always the same one."""
        key = contender, scale
        if key not in self._workers:
            self._workers[key] = Worker(contender, scale, self.copy(scale))
        return self._workers[key]

    def server(self, kind: str, env: Mapping[str, str] | None = None) -> Server:
        """A server of that kind, on a dataset of the size that counts; always the same one."""
        if kind not in self._servers:
            self._servers[kind] = Server(kind, self.copy(self.scale), env or {})
        return self._servers[kind]

    def note(
        self, what: str, contender: str, samples: list[float], unit: str = "s", size: float | None = None
    ) -> float:
        """Write the samples of a figure down; returns their median."""
        middle = statistics.median(samples)
        spread = f"{amount(min(samples), unit)} to {amount(max(samples), unit)}"
        scale = self.scale if size is None else size
        self.details.append(Detail(what, contender, scale, amount(middle, unit), spread, len(samples)))
        if unit == "s":
            self.growth[what][contender][scale] = middle
        return middle

    @staticmethod
    def ratio(samples: list[float], others: list[float]) -> float:
        """The median of the ratios of samples that were taken in turn: a machine that slows down slows both.

        Where one of the two has more of them, only as many as the other has.
        """
        return statistics.median(a / b for a, b in zip(samples, others, strict=False))

    def take_pace(self) -> None:
        """See how fast the machine is at this moment, since others may share it."""
        started = time.perf_counter()
        total = 0
        for number in range(_ADDITIONS):
            total += number
        self.pace.append(time.perf_counter() - started)

    def judge(self, figure: str, measured: str, beside: str, ratio: float, target: str, reached: bool) -> None:
        """Add a row to the table of targets."""
        text = f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"
        self.rows.append(Row(figure, measured, beside, text, target, reached))

    def tell(self, text: str) -> None:
        """Say how far the run is."""
        print(f"{time.monotonic() - self._started:5.0f} s  {text}", file=sys.stderr, flush=True)

    def let_go(self) -> None:
        """End all workers and servers that stayed."""
        for worker in self._workers.values():
            worker.close()
        for server in self._servers.values():
            server.close()
        self._workers.clear()
        self._servers.clear()


def amount(value: float, unit: str) -> str:
    """`value`, with three digits that count, in a unit that suits it; seconds, bytes and requests a second."""
    if unit == "s":
        factor, unit = next(
            (pair for pair in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if value * pair[0] >= 1), (1e6, "µs")
        )
    elif unit == "B":
        factor, unit = 1e-6, "MB"
    else:
        factor = 1
    scaled: Any = value * factor
    return f"{scaled:,.0f} {unit}" if scaled >= 100 else f"{scaled:.3g} {unit}"
