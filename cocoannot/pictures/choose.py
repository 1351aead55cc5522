"""Where a dataset's pictures are: told by the settings, or by where its first images have theirs."""

from __future__ import annotations

import logging
import posixpath
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from cocoannot.errors import ConfigError, NotLoaded, S3Error
from cocoannot.pictures.arrivals import Arrivals
from cocoannot.pictures.folder import PictureFolder
from cocoannot.pictures.measuring import Size
from cocoannot.pictures.receiving import Received, clear_left_behind
from cocoannot.pictures.safe_names import is_called_like_a_picture
from cocoannot.pictures.scanning import NewPictures, Progress, find_new, no_progress, unrecorded
from cocoannot.pictures.source import Image, Picture, PictureSource, Reading, Result
from cocoannot.pictures.thumbnails import Thumbnail, Thumbnails
from cocoannot.settings import S3Uri, Settings

log = logging.getLogger(__name__)

FOLDERS = (
    *("images", "train2017", "val2017", "test2017", "train2014", "val2014", "JPEGImages", "data", "imgs"),
    *("Images", "img", "train", "val", "valid", "test"),
    # CVAT and Datumaro have a folder for each part, and `default` where there are no parts.
    *("images/default", "images/train", "images/val", "images/valid", "images/test"),
    *("images/train2017", "images/val2017", "images/test2017"),
)
"""Folders that datasets keep their pictures in."""

_WORD = re.compile(r"[^_.\s-]+")

Source = TypeVar("Source", bound=PictureSource)


class Pictures:
    """The pictures of one dataset, and their thumbnails, once it is `start`ed. Safe from any thread.

    While there are few images, and none of their pictures is found, the place is chosen again when more images come.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thumbnails = Thumbnails(settings.cache_folder() / "thumbnails", settings.cache_bytes)
        # Guards choosing.
        self._choosing = threading.Lock()
        self.arrivals = Arrivals()
        """The names of pictures whose records are not there yet."""
        self.scanning = threading.Lock()
        """Held by who looks for new pictures and adds their records: two at once would do the same work twice."""
        self._dataset: Path | None = None
        self._is_cleared = False
        self._places: Sequence[PictureSource] = ()
        self._first_images: Callable[[int], Sequence[Image]] = lambda count: ()
        self._source: PictureSource | None = None
        # By how many images it was chosen, and whether that was for good.
        self._chosen_by: int | None = None
        self._is_certain = False

    def start(self, dataset: Path, first_images: Callable[[int], Sequence[Image]], beat: Callable[[], object]) -> None:
        """Choose where the pictures of the dataset in the file at `dataset` are, and log how many are found there.

        `first_images` returns as many of its images' records; `beat` is called often. Where S3 fails, the choice is
        left to when a picture is asked for. Raises `ConfigError`.
        """
        with self._choosing:
            self._first_images = first_images
            self._dataset = dataset
            self._places = places(self._settings, dataset)
            if len(self._places) == 1:
                self._source, self._is_certain = self._places[0], True
            try:
                self._choose(beat)
            except S3Error as exc:
                log.warning("%s; pictures are looked for when they are asked for", exc)

    def use(self, image: Image, act: Callable[[Picture], Result]) -> Result:
        """As `PictureSource.use`; raises `NotLoaded` before the start, too."""
        return self._chosen().use(image, act)

    def thumbnail(self, image: Image, size: int | None) -> Thumbnail:
        """A JPEG of an image's picture, at most `size` pixels long, `None` for as long as the picture.

        Raises as `use` does, and what decoding raises.
        """
        return self.use(image, lambda picture: self._thumbnails.get(picture, size))

    def size(self, image: Image) -> Size:
        """How large an image's picture is. Raises as `use` does, and `BadPicture`."""
        return self.use(image, lambda picture: picture.head()).size

    def has(self, image: Image) -> bool:
        """Whether there is a file by any reading of the image's `file_name`. Raises `NotLoaded`, `S3Error`."""
        return self._chosen().count([image]) == 1

    def receive(self, announced: int | None) -> Received:
        """A place for a picture of `announced` bytes that is to be `put` among the others. Raises `NotLoaded`."""
        received = self._chosen().receive(self._settings.max_picture_bytes, announced)
        if not self._is_cleared:
            self._is_cleared = True
            clear_left_behind(received.path.parent)
        return received

    def put(self, name: str, received: Received) -> None:
        """Give what was received a name, a relative path. Raises `NameTaken`, `SaveError`, `S3Error`."""
        self._chosen().put(name, received)

    def is_same(self, image: Image, received: Received) -> bool:
        """Whether an image's picture has the bytes that were received. Raises as `use` does."""
        return self.use(image, received.is_same_as)

    def remove(self, name: str) -> None:
        """Take back what was `put` a moment ago."""
        self._chosen().remove(name)

    def find_new(self, images: Callable[[], Sequence[Image]], progress: Progress = no_progress) -> NewPictures:
        """The pictures that none of the `images` has, which are asked for after the pictures were listed.

        Raises `NotLoaded`, `UnknownId` where the place can't be read, `S3Error`.
        """
        source = self._chosen()
        assert self._dataset is not None
        return find_new(source, lambda: self._with_arrivals(images), [self._dataset], progress)

    def names_without_record(self, images: Callable[[], Sequence[Image]]) -> list[str]:
        """The names of files called like pictures that none of the `images` means. Raises as `find_new`."""
        source = self._chosen()
        names = [name for name in source.walk([], lambda: None).names if is_called_like_a_picture(name)]
        return unrecorded(names, images(), source.paths)

    def _with_arrivals(self, images: Callable[[], Sequence[Image]]) -> Sequence[Image]:
        # Before the records: what arrives now has one by then.
        arriving = [{"file_name": name} for name in self.arrivals.names()]
        return [*arriving, *images()]

    def _chosen(self) -> PictureSource:
        with self._choosing:
            if not self._places:
                raise NotLoaded("the dataset is not loaded yet; try again in a moment")
            if not self._is_certain:
                self._choose(lambda: None)
            return self._source or self._places[0]

    def _choose(self, beat: Callable[[], object]) -> None:
        images = self._first_images(self._places[0].sample)
        if len(images) == self._chosen_by:
            return
        found = self._source or choose(self._places, images, beat)
        source = found or self._places[0]
        log.info("%d of %d pictures found under %s", source.count(images), len(images), source.place)
        self._source, self._chosen_by = found, len(images)
        self._is_certain = found is not None or len(images) == source.sample


def choose(places: Sequence[Source], images: Sequence[Image], beat: Callable[[], object]) -> Source | None:
    """The first of `places` that holds any of the first pictures: by their exact names, else by others."""
    for number, reading in enumerate((Reading.EXACT, Reading.OTHER)):
        for source in places:
            beat()
            if source.count(images[: source.choose_by[number]], reading):
                return source
    return None


def places(settings: Settings, dataset: Path) -> Sequence[PictureSource]:
    """Where the pictures of the dataset in the file at `dataset` may be, the likeliest first. Raises `ConfigError`."""
    uri = s3_prefix(settings)
    if uri is None:
        if isinstance(settings.images, Path) and not settings.images.is_dir():
            raise ConfigError(f"COCOANNOT_IMAGES={str(settings.images)!r} is not a folder")
        return folders(settings, dataset)
    # Not before it is needed: boto3 takes a third of a second to be imported.
    from cocoannot.pictures.s3 import S3Pictures
    from cocoannot.s3.bucket import Bucket

    bucket = Bucket(uri.bucket, settings.s3_options())
    # Where the operator says where they are, they are looked for nowhere else.
    below = [] if settings.images else _likeliest_first(dataset)
    unfinished = settings.cache_folder() / "unfinished"
    return [S3Pictures(bucket, uri.key, folder, unfinished=unfinished) for folder in ["", *below]]


def folders(settings: Settings, dataset: Path) -> list[PictureFolder]:
    """The folders on disk where the pictures of the dataset in the file at `dataset` may be, the likeliest first.

    That is COCOANNOT_IMAGES alone where it is a path; else the dataset's own folder, its parent, and the usual folders
    (`FOLDERS`) below both.
    """
    near = [dataset.parent, dataset.parent.parent]
    paths = near + [place / name for place in near for name in _likeliest_first(dataset)]
    if isinstance(settings.images, Path):
        paths = [settings.images]
    return [PictureFolder(path, follow_links=settings.images_follow_links) for path in paths]


def s3_prefix(settings: Settings) -> S3Uri | None:
    """Where in S3 the pictures are, `None` where they are on disk."""
    if isinstance(settings.images, S3Uri):
        return settings.images
    if settings.images is None and isinstance(settings.dataset, S3Uri):
        folder, slash, _ = settings.dataset.key.rpartition("/")
        return S3Uri(settings.dataset.bucket, folder + slash)
    return None


def _likeliest_first(dataset: Path) -> list[str]:
    """`FOLDERS`, those first that the dataset is named after: `val` and the like for `instances_val.json`.

    Its parts may have pictures of the same names.
    """
    words = _WORD.findall(dataset.stem)
    return sorted(FOLDERS, key=lambda folder: posixpath.basename(folder) not in words)
