"""Fixtures that more than one module needs: a small dataset, a manager on a real file, a clock that stands still."""

from __future__ import annotations

import copy
import json
import logging
import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import postgres_servers
import pytest
from api_client import api as api
from api_client import serve as serve
from browser import chromium as chromium
from browser import visit as visit
from browser import windows as windows
from flask import Flask
from postgres_servers import Postgres
from postgres_servers import postgres as postgres
from postgres_servers import uri as uri
from postgres_stores import FilePostgresStore, forget
from s3_servers import moto as moto
from s3_servers import s3 as s3
from s3_servers import seaweedfs as seaweedfs
from s3_servers import seaweedfs_tls as seaweedfs_tls
from shared_rules import RuleOfMany

from cocoannot.manager import DatasetManager
from cocoannot.store.memory.store import MemoryStore

# For the programs that tests start: numpy's library for matrices, which is not used, has threads that are busy for a
# while when they have nothing to do, in each process that imports it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_SMALL: dict[str, Any] = {
    "info": {"description": "a small dataset", "year": 2024},
    "licenses": [{"id": 1, "name": "CC BY 4.0"}],
    "images": [
        {"id": 1, "file_name": "one.jpg", "width": 640, "height": 480},
        {"id": 2, "file_name": "two.jpg", "width": 320, "height": 240},
        {"id": 4, "file_name": "empty.jpg", "width": 100, "height": 50},
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "segmentation": [[10, 10, 20, 10, 20, 20, 10, 20]],
            "area": 100.0,
            "bbox": [10, 10, 10, 10],
            "iscrowd": 0,
        },
        {
            "id": 2,
            "image_id": 1,
            "category_id": 2,
            "segmentation": [],
            "area": 12,
            "bbox": [1, 2, 3, 4],
            "iscrowd": 0,
        },
        {
            "id": 7,
            "image_id": 2,
            "category_id": 1,
            "segmentation": [[0, 0, 4, 0, 0, 4]],
            "area": 8.0,
            "bbox": [0, 0, 4, 4],
            "iscrowd": 0,
        },
    ],
    "categories": [
        {"id": 1, "name": "cat", "supercategory": "animal"},
        {"id": 2, "name": "dog", "supercategory": "animal"},
        {"id": 5, "name": "person", "supercategory": "none", "keypoints": ["head", "hand"], "skeleton": [[1, 2]]},
    ],
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a test that skips fails, saying why it would have")
    parser.addoption("--torture", action="store_true", help="the long versions of the tests that break things")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where processes share the tests, file by file, those that take long come first, so that no process is left with
    one of them at the end."""
    if hasattr(config, "workerinput"):
        long = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("torture")}
        items.sort(key=lambda item: item.path not in long)


_left_out = pytest.StashKey[int]()


def pytest_deselected(items: list[pytest.Item]) -> None:
    if items:
        config = items[0].config
        config.stash[_left_out] = config.stash.get(_left_out, 0) + len(items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    postgres_servers.clean_up()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(_left_out, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process that shared the tests has ended. Each of them left out the same ones; one that crashed says nothing."""
    if hasattr(node, "workeroutput"):
        node.config.stash[_left_out] = node.workeroutput["left_out"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what pytest itself says only where one process runs all tests."""
    if config.getoption("numprocesses", None) and (count := config.stash.get(_left_out, 0)):
        terminalreporter.write_line(f"{count} tests were left out: {config.option.markexpr or config.option.keyword}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, where no test may be: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _children_take_signals() -> Iterator[None]:
    """Let the programs that tests start take signals, though this process ignores them (`make test &` in a script).

    A new program ignores what its parent ignores, but has the default for what its parent handles: so this process
    handles them from now on, by doing nothing.
    """
    asked = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
    ignored = [number for number in asked if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda number, frame: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session", autouse=True)
def _addresses_are_compiled_once() -> Iterator[None]:
    """Thousands of tests make an application, and to compile its routes takes five times as long as all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "url_rule_class", RuleOfMany)
        yield


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """An application sets up the package's logger for its process; the next test has none yet."""
    logger = logging.getLogger("cocoannot")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


@pytest.fixture
def torture(request: pytest.FixtureRequest) -> bool:
    """Whether the long version of a test is asked for (`make torture`)."""
    return bool(request.config.getoption("--torture"))


class FakeClock:
    """A clock that moves only when told to. `on_next_time` makes a race certain: its action runs in the next look
    at the time, which a save takes after its snapshot and before it writes."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._action: Callable[[], object] | None = None

    def time(self) -> float:
        action, self._action = self._action, None
        if action:
            action()
        return 1_700_000_000.0 + self._seconds

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        self._seconds += seconds

    def on_next_time(self, action: Callable[[], object]) -> None:
        self._action = action


EVERY_STORE = ("memory", "postgres")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module that says `EVERY_STORE = True` on every store, but for tests with the mark `memory_store`; one that
    says `EVERY_STORE = "torture"` only where that is asked for: a test takes a database a tenth of a second."""
    wanted = getattr(metafunc.module, "EVERY_STORE", False)
    if wanted == "torture":
        wanted = metafunc.config.getoption("--torture")
    if not wanted or "store_kind" not in metafunc.fixturenames:
        return
    alone = metafunc.definition.get_closest_marker("memory_store")
    metafunc.parametrize("store_kind", EVERY_STORE[:1] if alone else EVERY_STORE, indirect=True)


@pytest.fixture
def store_kind(request: pytest.FixtureRequest) -> str:
    """The store that the test is run on: `memory` where it does not ask for others."""
    return str(getattr(request, "param", EVERY_STORE[0]))


@pytest.fixture
def database(request: pytest.FixtureRequest, store_kind: str) -> Postgres | None:
    """The server of the store, `None` for one that needs none."""
    return request.getfixturevalue("postgres") if store_kind == "postgres" else None


class OpenDataset(Protocol):
    """Loads the test's file into a new manager; with `content` (a dataset or a text) writes it there before."""

    def __call__(
        self, content: dict[str, Any] | str | bytes | None = None, *, on_dirty: Callable[[], object] = ...
    ) -> DatasetManager: ...


@pytest.fixture
def small() -> dict[str, Any]:
    """Three images (1, 2, 4), annotations 1 and 2 on image 1 and 7 on image 2, categories 1, 2 and 5."""
    return copy.deepcopy(_SMALL)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """An empty folder on another file system than the test's."""
    own = tmp_path.stat().st_dev
    for place in ("/dev/shm", "/tmp", "/var/tmp", Path(__file__).parent):
        if os.path.isdir(place) and os.access(place, os.W_OK) and os.stat(place).st_dev != own:
            with TemporaryDirectory(dir=place) as folder:
                yield Path(folder)
            return
    pytest.skip("there is no second file system to write to")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def dataset_path(tmp_path: Path) -> Path:
    return tmp_path / "dataset.json"


@pytest.fixture
def open_dataset(dataset_path: Path, clock: FakeClock, database: Postgres | None) -> Iterator[OpenDataset]:
    opened: list[DatasetManager] = []

    def open_dataset(
        content: dict[str, Any] | str | bytes | None = None, *, on_dirty: Callable[[], object] = lambda: None
    ) -> DatasetManager:
        if isinstance(content, dict):
            content = json.dumps(content)
        if content is not None:
            dataset_path.write_bytes(content.encode() if isinstance(content, str) else content)
            if database is not None:
                forget(database, dataset_path)
        if database is None:
            manager = DatasetManager(MemoryStore(on_dirty, lambda: None, clock))
        else:
            manager = DatasetManager(FilePostgresStore(database, on_dirty, clock))
        opened.append(manager)
        manager.load(dataset_path)
        return manager

    yield open_dataset
    for manager in opened:
        manager.close()


@pytest.fixture
def manager(open_dataset: OpenDataset, small: dict[str, Any]) -> DatasetManager:
    """A manager of the small dataset, with nothing pending."""
    return open_dataset(small)


def open_here(prefix: str) -> dict[int, str]:
    """What this process has open, by descriptor: the paths, or `socket:[NUMBER]`, that begin with `prefix`."""
    found: dict[int, str] = {}
    for fd in os.listdir("/proc/self/fd"):
        # Other threads may close theirs meanwhile.
        with suppress(FileNotFoundError):
            name = os.readlink(f"/proc/self/fd/{fd}")
            if name.startswith(prefix):
                found[int(fd)] = name
    return found
