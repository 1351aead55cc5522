"""Reading the dataset from any thread. Everything returned is a copy."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec

from cocoannot.coco.records import Record
from cocoannot.errors import NotLoaded
from cocoannot.store.memory import queries
from cocoannot.store.memory.queries import AnnotationQuery, Derived, ImageQuery, Page
from cocoannot.store.memory.statistics import Statistics, statistics
from cocoannot.store.memory.tables import Store


class Head(NamedTuple):
    """The JSON texts of `info`, `licenses` and `categories`, `null` for what the file has not; how much there is."""

    texts: dict[str, bytes]
    counts: dict[str, int]
    revision: int


class DatasetReads:
    """The reading half of the manager. Every method raises `NotLoaded` before the dataset is loaded."""

    def __init__(self) -> None:
        # Guards the store, the revision and what is pending. Held for memory's work only, never for the disk's.
        self._lock = threading.RLock()
        self._loaded: Store | None = None
        self._revision = 0

    @property
    def is_loaded(self) -> bool:
        return self._loaded is not None

    @property
    def revision(self) -> int:
        """How many changes were accepted so far, over restarts."""
        return self._revision

    @property
    def _store(self) -> Store:
        if self._loaded is None:
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        return self._loaded

    def counts(self) -> dict[str, int]:
        """How many `images`, `annotations` and `categories` there are."""
        with self._lock:
            return self._store.counts()

    def get_images(self) -> list[Record]:
        """All images, in file order."""
        return [Record(text) for text in self.find_images(ImageQuery()).texts]

    def get_images_range(self, start: int, count: int) -> list[Record]:
        """At most `count` images from position `start` (from 0) on, in file order."""
        return [Record(text) for text in self.find_images(ImageQuery(), start, count).texts]

    def get_annotations(self) -> list[Record]:
        """All annotations, in file order."""
        return [Record(text) for text in self.find_annotations(AnnotationQuery()).texts]

    def get_annotations_by_image(self, image_id: int) -> list[Record]:
        """The annotations of one image, in file order; none where there is no such image."""
        return [Record(text) for text in self.find_annotations(AnnotationQuery(image_id=image_id)).texts]

    def get_categories(self) -> list[Record]:
        """All categories, in file order."""
        return [Record(text) for text in self.find_categories().texts]

    def get_image(self, image_id: int) -> Record | None:
        """One image, `None` where there is none with this id. Raises `AmbiguousId`."""
        with self._lock:
            return self._store.image(image_id)

    def get_annotation(self, annotation_id: int) -> Record | None:
        """One annotation, `None` where there is none with this id. Raises `AmbiguousId`."""
        with self._lock:
            return self._store.annotation(annotation_id)

    def get_category(self, category_id: int) -> Record | None:
        """One category, `None` where there is none with this id. Raises `AmbiguousId`."""
        with self._lock:
            return self._store.category(category_id)

    def get_info(self) -> Any:
        """The file's `info`, decoded; `None` where it has none."""
        return self._top_level("info")

    def get_licenses(self) -> Any:
        """The file's `licenses`, decoded; `None` where it has none."""
        return self._top_level("licenses")

    def get_next_annotation_id(self) -> int:
        """The id that the next new annotation gets, unless somebody else's is added first."""
        return self._next_id("annotations")

    def get_next_category_id(self) -> int:
        """The id that the next new category gets, unless somebody else's is added first."""
        return self._next_id("categories")

    def get_next_image_id(self) -> int:
        """The id that the next new image gets, unless somebody else's is added first."""
        return self._next_id("images")

    def find_images(
        self, query: ImageQuery, offset: int = 0, limit: int | None = None, derived: Collection[Derived] = ()
    ) -> Page:
        """The images that `query` selects, as texts; `derived` names fields to put into each."""
        with self._lock:
            store = self._store
            return queries.find_images(store, query, offset, store.images.live if limit is None else limit, derived)

    def find_annotations(
        self, query: AnnotationQuery, offset: int = 0, limit: int | None = None, derived: Collection[Derived] = ()
    ) -> Page:
        """The annotations that `query` selects, as texts; `derived` names fields to put into each."""
        with self._lock:
            return queries.find_annotations(self._store, query, offset, limit, derived)

    def find_categories(self, derived: Collection[Derived] = ()) -> Page:
        """All categories, as texts; `derived` names fields to put into each."""
        with self._lock:
            return queries.find_categories(self._store, derived)

    def head(self) -> Head:
        """What the dataset is, without its images and annotations, at one moment."""
        with self._lock:
            store = self._store
            texts = {key: store.top_level(key) or b"null" for key in ("info", "licenses")}
            texts["categories"] = b"[%b]" % b",".join(queries.find_categories(store).texts)
            return Head(texts, store.counts(), self._revision)

    def statistics(self) -> Statistics:
        """What the dataset is made of."""
        with self._lock:
            return statistics(self._store)

    def file_names(self) -> list[str]:
        """The file names of all images that have one, in file order."""
        with self._lock:
            images = self._store.images
            return [images.names[slot] for slot in images.slots().tolist() if images.names[slot]]

    def _top_level(self, key: str) -> Any:
        with self._lock:
            text = self._store.top_level(key)
        return None if text is None else msgspec.json.decode(text)

    def _next_id(self, section: str) -> int:
        with self._lock:
            return self._store.new_id(section)
