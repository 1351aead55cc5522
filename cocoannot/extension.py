"""Tying the parts together for one Flask application: settings, lock, manager, saver, syncer, pictures.

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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app

from cocoannot import logs
from cocoannot.background.journal_sync import Syncer
from cocoannot.background.saver import Saver
from cocoannot.errors import CocoannotError, ConfigError, DatasetError, NotInS3, NotLoaded, UnknownId
from cocoannot.files.conflicts import LoadedFile
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner
from cocoannot.manager import DatasetManager
from cocoannot.pictures.folder import FOLDERS, Pictures, choose_folder
from cocoannot.pictures.formats import media_type
from cocoannot.pictures.rendering import render_file
from cocoannot.pictures.thumbnails import Thumbnail, Thumbnails
from cocoannot.settings import S3Uri, Settings

if TYPE_CHECKING:
    from cocoannot.pictures.s3 import S3Pictures
    from cocoannot.replica.replica import Replica

_NAME = "cocoannot"

log = logging.getLogger(__name__)


class Runtime:
    """What one application has: `settings`, `manager`, `saver`, `syncer`, and once it serves, `pictures`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        at_once = settings.journal_fsync == "always"
        self.manager = DatasetManager(lambda: self.saver.notify(), None if at_once else lambda: self.syncer.notify())
        self.syncer = Syncer(self.manager.sync_journal)
        self.saver = Saver(
            settings.auto_save_interval,
            self.manager.unsaved_since,
            self.manager.save,
            self._save_last,
            urgent=self.manager.save_is_urgent,
        )
        self.pictures: Pictures | S3Pictures | None = None
        self.s3: Replica | None = None
        self._thumbnails = Thumbnails(settings.cache_folder() / "thumbnails", settings.cache_bytes)
        # Guards starting and stopping.
        self._lock = threading.Lock()
        self._file: DatasetFile | None = None
        self._stopped = False

    @property
    def is_started(self) -> bool:
        """Whether this process owns the dataset and serves it."""
        return self._file is not None

    def start(self, url: str, wait: Callable[[float], object] = time.sleep, patience: float | None = None) -> None:
        """Own the dataset and load it, if that was not done yet; `url` is where this server answers.

        Waits, in steps by `wait(seconds)`, for another process to let go of the dataset, for `patience` seconds at
        most (default: the setting `lock_timeout`). Raises `ConfigError`, `OwnedElsewhere`, `DatasetError`, `S3Error`,
        and the dataset is then nobody's; `NotLoaded` where this was stopped.
        """
        patience = self.settings.lock_timeout if patience is None else patience
        with self._lock:
            if self._stopped:
                raise NotLoaded("the server is ending; try again in a moment")
            if self._file is not None:
                return
            file = DatasetFile(self.settings.dataset_path(), self.settings.backups)
            self._check_place(file)
            try:
                file.lock.acquire(Owner(os.getpid(), url, str(file.path)), patience, wait)
            except OSError as exc:
                copied = f", the copy of {self.uri()}" if isinstance(self.settings.dataset, S3Uri) else ""
                raise DatasetError(
                    f"can't write beside {file.name}{copied}, so it can't be saved: {exc.strerror}"
                ) from exc
            try:
                self.manager.load(file, create=self.settings.create, loaded=self._start_s3(file, wait))
                self.pictures = self._find_pictures(file, wait)
            except BaseException:
                file.lock.release()
                raise
            self._file = file
            atexit.register(self.end)

    def start_once(self, host: str, port: int) -> None:
        """Like `start`, for a request that finds nothing loaded, at the address where the server listens.

        Raises `NotLoaded`, which says why.
        """
        if self.is_started:
            return
        try:
            self.settings.check_address(host)
            if warning := self.settings.warning(host):
                log.warning("%s", warning)
            self.start(server_url(host, port))
        except CocoannotError as exc:
            log.error("%s", exc)
            raise NotLoaded(str(exc)) from exc

    def thumbnail(self, image: Mapping[str, Any], size: int) -> Thumbnail:
        """A JPEG of an image's picture, at most `size` pixels long.

        Raises as `find_picture` does, and what finding and decoding the picture raises.
        """
        pictures, name = self.find_picture(image)
        if isinstance(pictures, Pictures):
            return self._thumbnails.get(pictures.find(name).path, size)
        return pictures.use_thumbnail(name, size, self._thumbnails.keep)

    def find_picture(self, image: Mapping[str, Any]) -> tuple[Pictures | S3Pictures, str]:
        """Where the picture of an image's record is, and its name there. Raises `UnknownId`, `NotLoaded`."""
        if self.pictures is None:
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        name = image.get("file_name")
        if not isinstance(name, str):
            raise UnknownId("the image's record has no file_name, so there is no picture")
        return self.pictures, name

    def pictures_uri(self) -> S3Uri | None:
        """Where in S3 the pictures are, `None` where they are on disk."""
        images, dataset = self.settings.images, self.settings.dataset
        if isinstance(images, S3Uri):
            return images
        if images is None and isinstance(dataset, S3Uri):
            folder, slash, _ = dataset.key.rpartition("/")
            return S3Uri(dataset.bucket, folder + slash)
        return None

    def uri(self) -> str:
        """The dataset as the operator calls it: its path, or `s3://BUCKET/KEY`."""
        return str(self.settings.dataset)

    def s3_dataset(self) -> Replica:
        """The dataset's object in S3. Raises `NotInS3` where it has none, `NotLoaded` before the start."""
        if self.s3 is not None:
            return self.s3
        if isinstance(self.settings.dataset, S3Uri):
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        raise NotInS3(f"{self.uri()} is a file on the server's disk, not from S3; POST /api/flush saves it")

    def open_s3(self, file: DatasetFile) -> Replica:
        """The object that `file` is the local copy of. Raises `NotInS3`, `S3Error`."""
        if not isinstance(self.settings.dataset, S3Uri):
            raise NotInS3(f"{self.uri()} is a file on this machine, not from S3")
        # Not before it is needed: boto3 takes a third of a second to be imported.
        from cocoannot.replica.replica import Replica

        return Replica(self.settings.dataset, self.settings.s3_options(), file)

    def stop(self) -> None:
        """Save what is pending and let go of the dataset; nothing happens where it was not started."""
        with self._lock:
            if self._file is None:
                return
            # First of all: a request that comes now would change what nobody saves any more.
            file, self._file, self._stopped = self._file, None, True
            self.manager.shutdown()
            self.saver.end()
            self.syncer.end()
            # A request that came before may still be at it.
            self.manager.close()
            file.lock.release()
            atexit.unregister(self.end)

    def end(self) -> None:
        """`stop`, in the main thread of a process that ends; signals don't break off its last save."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGABRT, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        self.stop()

    def _save_last(self) -> None:
        # Under the lock: the process must not end before the saver's log lines are out.
        with self._lock:
            self.manager.shutdown()

    def _start_s3(self, file: DatasetFile, wait: Callable[[float], object]) -> LoadedFile | None:
        if not isinstance(self.settings.dataset, S3Uri):
            return None
        s3 = self.open_s3(file)
        loaded = s3.start(lambda: wait(0), create=self.settings.create)
        self.s3 = s3
        return loaded

    def _check_place(self, file: DatasetFile) -> None:
        if file.path.is_file():
            return
        if isinstance(self.settings.dataset, S3Uri):
            try:
                file.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                raise DatasetError(
                    f"can't make {file.path.parent} for the copy of {self.uri()}: {exc.strerror}"
                ) from exc
            return
        if file.path.exists():
            raise DatasetError(f"{file.name} is not a file; COCOANNOT_DATASET must name a COCO JSON file")
        if not self.settings.create:
            raise DatasetError(
                f"{file.name} does not exist; correct COCOANNOT_DATASET, or set COCOANNOT_CREATE=1 to make an "
                "empty dataset there"
            )
        if not file.path.parent.is_dir():
            raise DatasetError(f"can't create {file.name}: there is no folder {file.path.parent}")

    def _find_pictures(self, file: DatasetFile, wait: Callable[[float], object]) -> Pictures | S3Pictures:
        follow = self.settings.images_follow_links
        names = self.manager.file_names()
        if (uri := self.pictures_uri()) is not None:
            return self._find_in_s3(uri, names, wait)
        if self.settings.images is None:
            return choose_folder(file.path, names, follow_links=follow)
        assert isinstance(self.settings.images, Path)
        if not self.settings.images.is_dir():
            raise ConfigError(f"COCOANNOT_IMAGES={str(self.settings.images)!r} is not a folder")
        pictures = Pictures(self.settings.images, follow_links=follow)
        pictures.report(names)
        return pictures

    def _find_in_s3(self, uri: S3Uri, names: Sequence[str], wait: Callable[[float], object]) -> S3Pictures:
        from cocoannot.pictures.s3 import S3Pictures

        # Where the operator says where they are, they are looked for nowhere else.
        folders = () if self.settings.images else FOLDERS
        pictures = S3Pictures(uri, self.settings.s3_options(), media_type, render_file, folders)
        pictures.start(names, lambda: wait(0))
        return pictures


class Cocoannot:
    """The Flask extension; it keeps nothing itself, the application has all state."""

    def init_app(self, app: Flask) -> None:
        """Give `app` a `Runtime`, in `app.extensions["cocoannot"]`, without loading anything.

        Reads, from `app.config` and then the environment: COCOANNOT_DATASET, COCOANNOT_CREATE, COCOANNOT_IMAGES,
        COCOANNOT_IMAGES_FOLLOW_LINKS, DATASET_AUTO_SAVE_INTERVAL, COCOANNOT_JOURNAL_FSYNC,
        COCOANNOT_BACKUPS, COCOANNOT_THREADS, COCOANNOT_LOCK_TIMEOUT,
        COCOANNOT_CLIENT_TIMEOUT, COCOANNOT_MAX_BODY_BYTES, COCOANNOT_MAX_DATASET_BYTES, COCOANNOT_TOKEN,
        COCOANNOT_INSECURE, COCOANNOT_HOSTS, COCOANNOT_CORS_ORIGINS, COCOANNOT_PROXIES, COCOANNOT_CACHE,
        COCOANNOT_CACHE_BYTES, COCOANNOT_S3_TIMEOUT, COCOANNOT_S3_ADDRESSING, COCOANNOT_S3_CHECKSUMS,
        COCOANNOT_S3_CONDITIONAL, COCOANNOT_LOG_LEVEL, COCOANNOT_LOG. Raises `ConfigError`.
        """
        settings = Settings.read(app.config)
        logs.set_up(settings.log_level, settings.log_format)
        app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
        app.extensions[_NAME] = Runtime(settings)


def runtime(app: Flask | None = None) -> Runtime:
    """The `Runtime` of `app`, of the current application if that is not given."""
    return cast(Runtime, (app or current_app).extensions[_NAME])


def server_url(host: str, port: int) -> str:
    """The address at which this machine reaches a server that listens at `host`, all of its addresses included."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
