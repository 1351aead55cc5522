"""Pictures put beside exported labels, by links or copies. They are found as the server finds them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from cocoannot.errors import BadPicture, UnknownId
from cocoannot.exchange.objects import ImageObjects
from cocoannot.pictures.choose import choose, places
from cocoannot.pictures.folder import PictureFolder
from cocoannot.pictures.source import Picture, PictureSource
from cocoannot.settings import Settings

_SAMPLE = 100
_MOST_LISTED = 10_000


class Placing:
    """Puts the pictures of images into `folder`; `how` is `none`, `link` or `copy`. Counts what it did.

    `renamed` lists the images that have another name than their record says, as many as are useful.
    """

    def __init__(self, folder: Path, how: str, settings: Settings, dataset: Path) -> None:
        self._folder = folder
        self._how = how
        self._places = places(settings, dataset) if how != "none" else []
        self._waiting: list[ImageObjects] = []
        self._source: PictureSource | None = None
        self.counts = {"linked": 0, "copied": 0, "not found": 0}
        self.renamed_count = 0
        self.renamed: list[dict[str, Any]] = []

    def put(self, image: ImageObjects) -> None:
        """Put the picture of an image. Raises `OSError`."""
        file_name = image.record.get("file_name")
        if image.name != file_name:
            self.renamed_count += 1
            if len(self.renamed) < _MOST_LISTED:
                self.renamed.append({"id": image.record.get("id"), "file_name": _text(file_name), "name": image.name})
        if self._how == "none":
            return
        if self._source is None:
            # Where they are is told by the first ones.
            self._waiting.append(image)
            if len(self._waiting) >= _SAMPLE:
                self.finish()
        else:
            self._put(self._source, image)

    def finish(self) -> None:
        """Put what waits for more images."""
        if self._how == "none":
            return
        records: list[Any] = [image.record for image in self._waiting]
        self._source = self._source or choose(self._places, records, lambda: None) or self._places[0]
        waiting, self._waiting = self._waiting, []
        for image in waiting:
            self._put(self._source, image)

    def _put(self, source: PictureSource, image: ImageObjects) -> None:
        target = self._folder / image.name
        target.parent.mkdir(parents=True, exist_ok=True)
        link = self._how == "link" and isinstance(source, PictureFolder)

        def act(picture: Picture) -> None:
            picture.media_type()
            if link:
                target.unlink(missing_ok=True)
                target.symlink_to(os.path.realpath(Path(source.place) / picture.name))
            else:
                with picture.opened() as read, target.open("wb") as write:
                    shutil.copyfileobj(read, write, 1 << 20)

        try:
            source.use(image.record, act)
        except (UnknownId, BadPicture):
            self.counts["not found"] += 1
        else:
            self.counts["linked" if link else "copied"] += 1


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
