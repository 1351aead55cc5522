"""That thumbnails are made once and kept, for one picture as it is now, and how many at a time."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest
from servers import until

from cocoannot.errors import BadPicture, UnknownId
from cocoannot.pictures.folder import PictureFolder
from cocoannot.pictures.thumbnails import AT_ONCE, Thumbnail, Thumbnails

LIMIT = 20.0


class Renderer:
    """Renders what says which render it was, and tells how often and of what it was asked; waits where it is held."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int | None]] = []
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()
        self.free = threading.Event()
        self.free.set()

    def __call__(self, file: BinaryIO, name: str, size: int | None) -> bytes:
        with self._lock:
            self.asked.append((name, size))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.free.wait(LIMIT)
        with self._lock:
            self.at_once -= 1
        content = file.read()
        if b"bad" in content:
            raise BadPicture("bad")
        return content + f" at {size}".encode()


class Shelf:
    """Thumbnails of files, whatever is in them."""

    def __init__(self, cache: Path, renderer: Renderer) -> None:
        self._thumbnails = Thumbnails(cache, 1_000_000, renderer)

    def get(self, path: Path, size: int) -> Thumbnail:
        folder = PictureFolder(path.parent, identify=lambda file, name: "any")
        return folder.use({"file_name": path.name}, lambda picture: self._thumbnails.get(picture, size))


@pytest.fixture
def renderer() -> Renderer:
    return Renderer()


@pytest.fixture
def make(tmp_path: Path, renderer: Renderer) -> Callable[[], Shelf]:
    """A new object, as a new process would have, on the same folder."""
    return lambda: Shelf(tmp_path / "cache", renderer)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture"
    path.write_bytes(b"one")
    return path


def test_thumbnail_is_made_once_and_kept(make: Callable[[], Shelf], renderer: Renderer, picture: Path) -> None:
    first = make().get(picture, 100)
    assert first.data == b"one at 100"
    assert make().get(picture, 100) == first
    assert renderer.asked == [("picture", 100)]


def test_each_size_and_each_picture_has_its_own(make: Callable[[], Shelf], renderer: Renderer, picture: Path) -> None:
    other = picture.with_name("other")
    other.write_bytes(b"two")
    thumbnails = make()
    found = [thumbnails.get(path, size) for path in (picture, other) for size in (100, 200) for _ in range(2)]
    assert len({thumbnail.key for thumbnail in found}) == 4
    assert [thumbnail.data for thumbnail in found[::2]] == [b"one at 100", b"one at 200", b"two at 100", b"two at 200"]
    assert len(renderer.asked) == 4


def test_picture_that_changes_gets_another_thumbnail(make: Callable[[], Shelf], picture: Path) -> None:
    thumbnails = make()
    before = thumbnails.get(picture, 100)
    picture.write_bytes(b"another")
    after = thumbnails.get(picture, 100)
    assert (after.data, after.key == before.key) == (b"another at 100", False)


@pytest.mark.parametrize("how", ["in place", "by rename"])
def test_picture_that_changes_but_for_its_size_and_time_gets_another_thumbnail(
    make: Callable[[], Shelf], picture: Path, how: str
) -> None:
    thumbnails = make()
    before = thumbnails.get(picture, 100)
    status = picture.stat()

    def replaced() -> bool:
        new = picture if how == "in place" else picture.with_name("new")
        new.write_bytes(b"two")
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
        new.replace(picture)
        # The clock of a file system may stand still for some milliseconds.
        return picture.stat().st_ctime_ns != status.st_ctime_ns

    until(replaced, "the change time is another one")
    assert (picture.stat().st_size, picture.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert thumbnails.get(picture, 100).data == b"two at 100"
    assert thumbnails.get(picture, 100).key != before.key


def test_no_more_than_so_many_are_decoded_at_a_time(
    make: Callable[[], Shelf], renderer: Renderer, picture: Path
) -> None:
    thumbnails = make()
    renderer.free.clear()
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(thumbnails.get, picture, size) for size in range(1, 13)]
        until(lambda: renderer.at_once == AT_ONCE, "as many are decoded as may be")
        renderer.free.set()
        assert [future.result(LIMIT).data for future in asked] == [b"one at %d" % size for size in range(1, 13)]
    assert (len(renderer.asked), renderer.most_at_once) == (12, AT_ONCE)


@pytest.mark.parametrize("content", [b"one", b"bad"])
def test_thumbnail_that_many_want_at_once_is_made_once(
    make: Callable[[], Shelf], renderer: Renderer, picture: Path, content: bytes
) -> None:
    picture.write_bytes(content)
    thumbnails = make()
    renderer.free.clear()
    started = threading.Barrier(8)

    def get() -> object:
        started.wait(LIMIT)
        try:
            return thumbnails.get(picture, 100).data
        except BadPicture:
            return b"refused"

    with ThreadPoolExecutor(9) as pool:
        asked: list[Future[object]] = [pool.submit(get) for _ in range(8)]
        until(lambda: renderer.asked, "one of them decodes")
        # Another thumbnail takes the other place, so that whoever would decode the same again came before it.
        other = pool.submit(thumbnails.get, picture, 200)
        until(lambda: len(renderer.asked) > 1, "another one decodes")
        renderer.free.set()
        expected = b"refused" if content == b"bad" else b"one at 100"
        if content == b"one":
            assert other.result(LIMIT).data == b"one at 200"
        assert {future.result(LIMIT) for future in asked} == {expected}
    if content == b"one":
        assert sorted(renderer.asked) == [("picture", 100), ("picture", 200)]


def test_bad_picture_frees_its_place_and_is_looked_at_again(
    make: Callable[[], Shelf], renderer: Renderer, picture: Path
) -> None:
    picture.write_bytes(b"bad")
    thumbnails = make()
    for _ in range(AT_ONCE + 2):
        with pytest.raises(BadPicture):
            thumbnails.get(picture, 100)
    assert len(renderer.asked) == AT_ONCE + 2
    picture.write_bytes(b"good")
    assert thumbnails.get(picture, 100).data == b"good at 100"


def test_picture_that_is_gone_is_unknown(make: Callable[[], Shelf], picture: Path) -> None:
    thumbnails = make()
    thumbnails.get(picture, 100)
    picture.unlink()
    with pytest.raises(UnknownId, match="no picture"):
        thumbnails.get(picture, 100)


def test_cache_that_can_t_be_written_only_costs_time_and_is_told_once(
    tmp_path: Path, renderer: Renderer, picture: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    thumbnails = Shelf(tmp_path / "file" / "cache", renderer)
    for _ in range(3):
        assert thumbnails.get(picture, 100).data == b"one at 100"
    assert len(renderer.asked) == 3
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "Not a directory" in caplog.text


def test_cache_that_can_only_be_read_is_used(make: Callable[[], Shelf], renderer: Renderer, picture: Path) -> None:
    make().get(picture, 100)
    (picture.parent / "cache" / "total").unlink()
    (picture.parent / "cache" / "total").mkdir()
    assert make().get(picture, 100).data == b"one at 100"
    assert len(renderer.asked) == 1
