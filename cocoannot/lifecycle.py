"""Starting and stopping to serve a dataset: who owns it, and in which order. What is loaded is not known here.

created --start()--> serving --stop()--> stopped        start() in the process that serves, before its first
                                                        answer; stop() at its exit, and for good
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import CocoannotError, DatasetError, NotLoaded, Unavailable
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner
from cocoannot.settings import S3Uri, Settings, unknown_settings

log = logging.getLogger(__name__)

Wait = Callable[[float], object]
"""Pauses for so many seconds, or ends the process where it is to end."""


class Lifecycle:
    """Starts and stops one application, once each.

    `load(file, wait)` is called when the dataset is ours, and may raise what `start` does; `close()` saves what is
    pending and ends what runs, before the dataset is let go of. `has_users()` tells whether everybody has to log in.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[DatasetFile, Wait], object],
        close: Callable[[], object],
        has_users: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._load = load
        self._close = close
        self._has_users = has_users
        self._file: DatasetFile | None = None
        self._stopped = False
        # Guards starting and stopping: the process does not end while somebody holds it.
        self.lock = threading.Lock()

    @property
    def is_started(self) -> bool:
        """Whether this process owns the dataset and serves it."""
        return self._file is not None

    def start(self, url: str, wait: Wait = time.sleep, lock_timeout: float | None = None) -> None:
        """Own the dataset and load it, if that was not done yet; `url` is where this server answers.

        Waits, in steps by `wait(seconds)`, for another process to let go of the dataset, for `lock_timeout` seconds at
        most (default: the setting). Raises `ConfigError`, `OwnedElsewhere`, `DatasetError`, `S3Error`, and the dataset
        is then nobody's; `NotLoaded` where this was stopped.
        """
        with self.lock:
            if self._stopped:
                raise NotLoaded("the server is ending; try again in a moment")
            if self._file is not None:
                return
            file = find_dataset(self._settings)
            # A database has many owners.
            if not isinstance(self._settings.dataset, DatabaseUri):
                self._own(file, url, wait, self._settings.lock_timeout if lock_timeout is None else lock_timeout)
            try:
                self._load(file, wait)
            except BaseException:
                file.lock.release()
                raise
            self._file = file
            atexit.register(self.end)

    def start_once(self, host: str, port: int) -> None:
        """Like `start`, for a request that finds nothing loaded, at the address where the server listens.

        Raises `NotLoaded`, which says why, and `Unavailable` where it is a database that does not answer.
        """
        if self.is_started:
            return
        try:
            users = self._has_users()
            self._settings.check_address(host, users=users)
            for warning in filter(None, [self._settings.warning(host, users=users), *unknown_settings(os.environ)]):
                log.warning("%s", warning)
            self.start(server_url(host, port))
        except Unavailable as exc:
            log.error("%s", exc)
            raise
        except CocoannotError as exc:
            log.error("%s", exc)
            raise NotLoaded(str(exc)) from exc

    def stop(self) -> None:
        """Save what is pending and let go of the dataset; nothing happens where it was not started."""
        with self.lock:
            if self._file is None:
                return
            # First of all: a request that comes now would change what nobody saves any more.
            file, self._file, self._stopped = self._file, None, True
            self._close()
            file.lock.release()
            atexit.unregister(self.end)

    def end(self) -> None:
        """`stop`, in the main thread of a process that ends; signals don't break off its last save."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGABRT, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        self.stop()

    def _own(self, file: DatasetFile, url: str, wait: Wait, lock_timeout: float) -> None:
        try:
            file.lock.acquire(Owner(os.getpid(), url, str(file.path)), lock_timeout, wait)
        except OSError as exc:
            dataset = self._settings.dataset
            copied = f", the copy of {dataset}" if isinstance(dataset, S3Uri) else ""
            raise DatasetError(f"can't write beside {file.name}{copied}, so it can't be saved: {exc.strerror}") from exc


def find_dataset(settings: Settings) -> DatasetFile:
    """The dataset's file, in a place where it is or can be made. Raises `ConfigError`, `DatasetError`."""
    file = DatasetFile(settings.dataset_path(), settings.backups)
    folder = file.path.parent
    if isinstance(settings.dataset, DatabaseUri) and isinstance(settings.export, Path) and not folder.is_dir():
        raise DatasetError(f"can't export to {file.name}: there is no folder {folder}; correct COCOANNOT_EXPORT")
    if isinstance(settings.dataset, DatabaseUri) or file.path.is_file():
        return file
    if isinstance(settings.dataset, S3Uri):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise DatasetError(f"can't make {folder} for the copy of {settings.dataset}: {exc.strerror}") from exc
        return file
    if file.path.exists():
        raise DatasetError(f"{file.name} is not a file; COCOANNOT_DATASET must name a COCO JSON file")
    if not settings.create:
        raise DatasetError(
            f"{file.name} does not exist; correct COCOANNOT_DATASET, or set COCOANNOT_CREATE=1 to make an "
            "empty dataset there"
        )
    if not folder.is_dir():
        raise DatasetError(f"can't create {file.name}: there is no folder {folder}")
    return file


def server_url(host: str, port: int) -> str:
    """The address at which this machine reaches a server that listens at `host`, all of its addresses included."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
