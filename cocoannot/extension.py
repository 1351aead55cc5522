"""The Flask extension: it makes the parts of one application. When they start and stop is the lifecycle's business."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app

from cocoannot import logs
from cocoannot.background.journal_sync import JournalSync
from cocoannot.background.saver import Saver
from cocoannot.errors import ConfigError, NotInS3, NotLoaded, UnknownId
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.lifecycle import Lifecycle, Wait
from cocoannot.manager import DatasetManager
from cocoannot.pictures.folder import FOLDERS, Pictures, choose_folder
from cocoannot.pictures.formats import media_type
from cocoannot.pictures.rendering import render_file
from cocoannot.pictures.thumbnails import Thumbnail, Thumbnails
from cocoannot.settings import S3Uri, Settings, unknown_settings
from cocoannot.store.memory.store import MemoryStore

if TYPE_CHECKING:
    from cocoannot.pictures.s3 import S3Pictures
    from cocoannot.replica.replica import S3Dataset

_NAME = "cocoannot"

log = logging.getLogger(__name__)


class Runtime:
    """The parts of one application; `pictures`, and `s3` where the dataset is there, are found when it starts."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lifecycle = Lifecycle(settings, self._load, self._close)
        at_once = settings.journal_fsync == "always"
        self.store = MemoryStore(lambda: self.saver.notify(), None if at_once else lambda: self.journal_sync.notify())
        self.manager = DatasetManager(self.store)
        self.journal_sync = JournalSync(self.store.sync)
        self.saver = Saver(
            settings.auto_save_interval,
            self.store.unsaved_since,
            self.manager.save,
            self._save_last,
            urgent=self.store.save_is_urgent,
        )
        self.pictures: Pictures | S3Pictures | None = None
        self.s3: S3Dataset | None = None
        self._thumbnails = Thumbnails(settings.cache_folder() / "thumbnails", settings.cache_bytes)

    def uri(self) -> str:
        """The dataset as the operator calls it: its path, or `s3://BUCKET/KEY`."""
        return str(self.settings.dataset)

    def s3_dataset(self) -> S3Dataset:
        """The dataset's object in S3. Raises `NotInS3` where it has none, `NotLoaded` before the start."""
        if self.s3 is not None:
            return self.s3
        if isinstance(self.settings.dataset, S3Uri):
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        raise NotInS3(f"{self.uri()} is a file on the server's disk, not from S3; POST /api/flush saves it")

    def open_s3(self, file: DatasetFile) -> S3Dataset:
        """The object that `file` is the local copy of. Raises `NotInS3`, `S3Error`."""
        if not isinstance(self.settings.dataset, S3Uri):
            raise NotInS3(f"{self.uri()} is a file on this machine, not from S3")
        # Not before it is needed: boto3 takes a third of a second to be imported.
        from cocoannot.replica.replica import S3Dataset

        return S3Dataset(self.settings.dataset, self.settings.s3_options(), file)

    def _load(self, file: DatasetFile, wait: Wait) -> None:
        if isinstance(self.settings.dataset, S3Uri):
            s3 = self.open_s3(file)
            s3.start(lambda: wait(0), create=self.settings.create)
            self.s3 = s3
        self.store.load_file(file, create=self.settings.create)
        self.pictures = self._find_pictures(file, wait)

    def _close(self) -> None:
        self.manager.shutdown()
        self.saver.end()
        self.journal_sync.end()
        # A request that came before may still be at it.
        self.manager.close()

    def _save_last(self) -> None:
        # Under the lock: the process must not end before the saver's log lines are out.
        with self.lifecycle.lock:
            self.manager.shutdown()

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

    def _find_pictures(self, file: DatasetFile, wait: Callable[[float], object]) -> Pictures | S3Pictures:
        follow = self.settings.images_follow_links
        names = self.store.file_names()
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

        Reads the fields of `cocoannot.settings.Settings`, each by its name in `app.config` and then in the environment.
        Raises `ConfigError`.
        """
        settings = Settings.read(app.config)
        logs.set_up(settings.log_level, settings.log_format)
        app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
        app.extensions[_NAME] = Runtime(settings)
        # Those of the environment are the operator's: the server says them when it starts.
        for warning in unknown_settings(app.config.keys() - os.environ.keys()):
            log.warning("%s", warning)


def runtime(app: Flask | None = None) -> Runtime:
    """The `Runtime` of `app`, of the current application if that is not given."""
    return cast(Runtime, (app or current_app).extensions[_NAME])
