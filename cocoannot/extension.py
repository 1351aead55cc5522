"""The Flask extension: it makes the parts of one application. When they start and stop is the lifecycle's business."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app

from cocoannot import logs
from cocoannot.assist.assistant import Assistant
from cocoannot.background.history_writer import HistoryWriter
from cocoannot.background.journal_sync import JournalSync
from cocoannot.background.saver import Saver
from cocoannot.coco.records import Record
from cocoannot.errors import NotInS3, NotLoaded
from cocoannot.events.feed import Feed
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.history.kept import KeptHistory
from cocoannot.lifecycle import Lifecycle, Wait
from cocoannot.manager import DatasetManager
from cocoannot.people.people import People
from cocoannot.people.roles import Role
from cocoannot.pictures.choose import Pictures
from cocoannot.predictions.predictions import Predictions
from cocoannot.settings import S3Uri, Settings, unknown_settings
from cocoannot.store.base import Followers
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import ImageQuery
from cocoannot.teamwork.team import Team

if TYPE_CHECKING:
    from cocoannot.replica.replica import Replica

_NAME = "cocoannot"

log = logging.getLogger(__name__)


class Runtime:
    """The parts of one application; `pictures`, and `s3` where the dataset is there, are found when it starts."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.people = People(
            DatasetFile(settings.dataset_path()).users if settings.dataset else None,
            settings.session_days,
            cast(Role, settings.user_role),
        )
        self.lifecycle = Lifecycle(settings, self._load, self._close, lambda: self.people.is_on)
        at_once = settings.journal_fsync == "always"
        self.events = Feed(
            lambda: self.store,
            settings.event_streams,
            settings.threads // 4,
            settings.client_timeout,
            lambda images: self.team.presence.present(images),
            lambda: self.team.presence.sweep(),
        )
        self.team = Team(lambda: self.store, time, self.events.tell_presence)
        self.predictions = Predictions(lambda: self.store)
        self.history = self._kept_history()
        self.store = MemoryStore(
            lambda: self.saver.notify(),
            None if at_once else lambda: self.journal_sync.notify(),
            # Who works on what first: an event may bring somebody to ask for it.
            follower=Followers(self.predictions, self.team, self.events),
            history=self.history,
        )
        self.manager = DatasetManager(self.store)
        self.journal_sync = JournalSync(self.store.sync)
        self.history_writer = HistoryWriter(lambda: self.history.step() if self.history else None)
        self.saver = Saver(
            settings.auto_save_interval,
            self.store.unsaved_since,
            self.manager.save,
            self._save_last,
            urgent=self.store.save_is_urgent,
        )
        self.pictures = Pictures(settings)
        self.assistant = Assistant(settings.assist, max(2, settings.threads // 4))
        self.s3: Replica | None = None

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

    def _kept_history(self) -> KeptHistory | None:
        days = self.settings.history_days
        return None if days == 0 else KeptHistory(days, on_note=lambda: self.history_writer.notify())

    def _load(self, file: DatasetFile, wait: Wait) -> None:
        self.people.check()
        self.assistant.start()
        loaded = None
        if isinstance(self.settings.dataset, S3Uri):
            s3 = self.open_s3(file)
            loaded = s3.start(lambda: wait(0), create=self.settings.create)
            self.s3 = s3
        self.store.load_file(file, create=self.settings.create, loaded=loaded)
        # What is too old may have to be forgotten.
        self.history_writer.notify()
        self.events.start(self.store.status().file_revision, None if self.s3 is None else self.s3.status(0).revision)
        self.team.start(file.claims)
        self.predictions.start(file.predictions)
        self.predictions.prepare()
        self.pictures.start(file.path, self._first_images, lambda: wait(0))

    def _close(self) -> None:
        self.events.end()
        self.manager.shutdown()
        self.saver.end()
        self.journal_sync.end()
        self.history_writer.end()
        # A request that came before may still be at it.
        self.manager.close()
        self.events.join()
        self.team.claims.end()
        self.predictions.end()

    def _save_last(self) -> None:
        # Under the lock: the process must not end before the saver's log lines are out.
        with self.lifecycle.lock:
            self.manager.shutdown()

    def _first_images(self, count: int) -> list[Mapping[str, Any]]:
        """The records of the first `count` images, as the dataset has them now."""
        return [Record(text) for text in self.store.find(ImageQuery(), 0, count).texts]


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
