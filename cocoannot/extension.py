"""The Flask extension: it makes the parts of one application. When they start and stop is the lifecycle's business."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app

from cocoannot import logs
from cocoannot.assist.assistant import Assistant
from cocoannot.background.history_writer import HistoryWriter
from cocoannot.background.journal_sync import JournalSync
from cocoannot.background.looker import Looker
from cocoannot.background.saver import Saver
from cocoannot.coco.records import Record
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import ConfigError, NotInS3, NotLoaded
from cocoannot.events.feed import Feed
from cocoannot.files.conflicts import LoadedFile
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.history.kept import KeptHistory
from cocoannot.lifecycle import Lifecycle, Wait
from cocoannot.manager import DatasetManager
from cocoannot.people.people import People
from cocoannot.people.roles import Role
from cocoannot.pictures.choose import Pictures
from cocoannot.predictions.predictions import Predictions
from cocoannot.predictions.processes import alone
from cocoannot.settings import S3Uri, Settings, unknown_settings
from cocoannot.store.base import Followers, RememberingStore
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import ImageQuery
from cocoannot.teamwork.claims import SHARED
from cocoannot.teamwork.team import Team

if TYPE_CHECKING:
    from cocoannot.replica.replica import Replica
    from cocoannot.store.postgres.store import PostgresStore

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
        database_store = None
        if isinstance(settings.dataset, DatabaseUri):
            database_store = make_database_store(settings, lambda: self.saver.notify())
        shared = None if database_store is None else database_store.team
        self.team = Team(lambda: self.store, time, self.events.tell_presence, shared)
        catch_up = alone if database_store is None else database_store.catch_up
        self.predictions = Predictions(lambda: self.store, catch_up)
        self.history = self._kept_history()
        # Who works on what first: an event may bring somebody to ask for it.
        followers = Followers(self.predictions, self.team, self.events)
        self.lookers: list[Looker] = []
        self.store: RememberingStore
        if database_store is not None:
            database_store.follower = followers
            self.store = database_store
            self.lookers = [
                Looker(database_store.look),
                Looker(self.team.presence.look, 1),
                Looker(self.team.claims.share, SHARED / 4),
                Looker(database_store.team.forget, SHARED),
            ]
        else:
            self.store = MemoryStore(
                lambda: self.saver.notify(),
                None if at_once else lambda: self.journal_sync.notify(),
                follower=followers,
                history=self.history,
            )
        self.manager = DatasetManager(self.store)
        self.journal_sync = JournalSync(self.store.sync)
        self.history_writer = HistoryWriter(
            database_store.forget if database_store else lambda: self.history.step() if self.history else None
        )
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
        where = "in a database" if isinstance(self.settings.dataset, DatabaseUri) else "a file on the server's disk"
        raise NotInS3(f"{self.uri()} is {where}, not from S3; POST /api/flush saves it")

    def open_s3(self, file: DatasetFile) -> Replica:
        """The object that `file` is the local copy of. Raises `NotInS3`, `S3Error`."""
        if not isinstance(self.settings.dataset, S3Uri):
            raise NotInS3(f"{self.uri()} is a file on this machine, not from S3")
        # Not before it is needed: boto3 takes a third of a second to be imported.
        from cocoannot.replica.replica import Replica

        return Replica(self.settings.dataset, self.settings.s3_options(), file)

    def file(self) -> DatasetFile:
        """The dataset's file, for commands that work on it. Raises `ConfigError` where it is in a database."""
        if isinstance(self.settings.dataset, DatabaseUri):
            raise ConfigError(
                f"{self.uri()} is in a database, and this command works on files; ask the server, or "
                "export it first: `cocoannot db export FILE`"
            )
        return self.own_folder()

    def own_folder(self) -> DatasetFile:
        """The file that has beside it what is no part of the dataset: users, tags, predictions."""
        return DatasetFile(self.settings.dataset_path(), self.settings.backups)

    def memory_store(self) -> MemoryStore:
        """The store, where the dataset is a file here or a copy from S3. Raises `NotInS3` for a database."""
        if not isinstance(self.store, MemoryStore):
            raise NotInS3(f"{self.uri()} is in a database, not from S3; `cocoannot db export` writes a file")
        return self.store

    def _kept_history(self) -> KeptHistory | None:
        days = self.settings.history_days
        # A database keeps its own.
        if days == 0 or isinstance(self.settings.dataset, DatabaseUri):
            return None
        return KeptHistory(days, on_note=lambda: self.history_writer.notify())

    def _load(self, file: DatasetFile, wait: Wait) -> None:
        self.people.check()
        self.assistant.start()
        loaded = None
        if isinstance(self.settings.dataset, S3Uri):
            s3 = self.open_s3(file)
            loaded = s3.start(lambda: wait(0), create=self.settings.create)
            self.s3 = s3
        self._load_store(file, loaded)
        self.events.start(self.store.status().file_revision, None if self.s3 is None else self.s3.status(0).revision)
        if not isinstance(self.settings.dataset, DatabaseUri):
            # A database has a table of claims, of all processes.
            self.team.start(file.claims)
        self.predictions.start(file.predictions)
        self.predictions.prepare()
        self.pictures.start(file.path, self._first_images, lambda: wait(0))

    def _load_store(self, file: DatasetFile, loaded: LoadedFile | None) -> None:
        if isinstance(self.settings.dataset, DatabaseUri):
            # As it was given: with the password.
            uri = self.settings.dataset
            self.store.load(uri.text, create=self.settings.create)
            for looker in self.lookers:
                looker.start()
        else:
            assert isinstance(self.store, MemoryStore)
            self.store.load_file(file, create=self.settings.create, loaded=loaded)
        # What is too old may have to be forgotten.
        self.history_writer.notify()

    def _close(self) -> None:
        for looker in self.lookers:
            looker.end()
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


def make_database_store(settings: Settings, on_dirty: Callable[[], object] = lambda: None) -> PostgresStore:
    """A store for a dataset in a database, which it has to load yet. Raises `ConfigError` without what that needs."""
    try:
        from cocoannot.store.postgres.store import PostgresStore
    except ImportError as exc:
        raise ConfigError(
            f"a dataset in PostgreSQL needs more packages ({exc.name} is missing): pip install 'cocoannot[postgres]'"
        ) from exc
    days = settings.history_days
    if not isinstance(settings.export, S3Uri):
        return PostgresStore(on_dirty, export=settings.export, history_days=days)
    from cocoannot.replica.exported import ObjectPlace

    return PostgresStore(on_dirty, export=ObjectPlace(settings.export, settings.s3_options()), history_days=days)


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
