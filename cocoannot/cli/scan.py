"""`scan`: a record for each picture that has none, by the running server, or here where none runs; and how pictures
that were found are told of."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from flask.cli import with_appcontext

from cocoannot.changes.operations import Add
from cocoannot.cli.output import errors_in_one_line, print_answer
from cocoannot.cli.server_client import ask_named, ask_status, call, named_server, server_option
from cocoannot.coco.records import Record
from cocoannot.errors import CocoannotError, DatasetError
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.pictures.choose import Pictures
from cocoannot.pictures.scanning import NamesOfImage, NewPictures, Progress
from cocoannot.pictures.walking import Skipped, first_of, natural
from cocoannot.settings import S3Uri, Settings
from cocoannot.store.memory.maintenance import MemoryMaintenance
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import ImageQuery

_MOST_NAMED = 10
_MANY = 2000
"""Pictures from which on their reading takes long enough to show how far it is."""


class _Images(msgspec.Struct):
    images: list[NamesOfImage] = []


@click.command()
@server_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@errors_in_one_line
def scan(as_json: bool) -> None:
    """Add a record for each picture in the image folder, or under the S3 prefix, that has none.

    If a server runs on the dataset, it is asked to do so. What is no picture is left out, and listed.
    """
    if (server := named_server()) is not None:
        ask_named(server)
        name, answer = runtime().uri(), call(server, "POST", "/api/images/scan")
    else:
        name, answer = _scan_file(runtime().file())
    skipped = [Skipped(**each) for each in answer["skipped"]]
    lines = [f"added {answer['added']:,} image(s) to {name}", *_lines(skipped, answer["turned"])]
    print_answer(answer, "\n".join(lines), as_json)


def _scan_file(file: DatasetFile) -> tuple[str, dict[str, Any]]:
    maintenance = MemoryMaintenance(file, runtime().history)
    if (owner := maintenance.owner()) is not None:
        ask_status(owner, file)
        return file.name, call(owner, "POST", "/api/images/scan")
    return file.name, _scan_here(file, maintenance)


def _scan_here(file: DatasetFile, maintenance: MemoryMaintenance) -> dict[str, Any]:
    if isinstance(runtime().settings.dataset, S3Uri):
        raise DatasetError(f"no server runs on {runtime().uri()}; start it, then scan: S3 is compared at its start")
    if not maintenance.exists:
        raise DatasetError(f"{file.name} does not exist; correct COCOANNOT_DATASET")
    with maintenance.owned(), closing(maintenance.load()) as store, progress_bar("Reading pictures") as progress:
        pictures = Pictures(runtime().settings)
        pictures.start(file.path, lambda count: _records(store, count), lambda: None)
        new = pictures.find_new(lambda: _records(store), progress)
        if new.found:
            store.commit([Add("images", _fields(name, *size)) for name, size in new.found])
            store.save()
    skipped = [each._asdict() for each in new.skipped]
    return {"added": len(new.found), "skipped": skipped, "skipped_count": len(skipped), "turned": new.turned}


def telling(new: NewPictures) -> Iterator[str]:
    """Lines for people: what is no picture, and what EXIF turns."""
    yield from _lines(new.skipped, new.turned)


def new_pictures_text(dataset: Path, settings: Settings) -> Iterator[str]:
    """Lines for people that tell which pictures the dataset in a file has no record of; none where there is nothing to
    tell, or where its journal has changes, which are not looked at here."""
    status = MemoryMaintenance(DatasetFile(dataset)).status()
    if (status.journal_revision or 0) > (status.file_revision or 0):
        return
    try:
        images = [
            msgspec.structs.asdict(each) for each in msgspec.json.decode(dataset.read_bytes(), type=_Images).images
        ]
        pictures = Pictures(settings)
        pictures.start(dataset.resolve(), lambda count: images[:count], lambda: None)
        names = pictures.names_without_record(lambda: images)
    except (msgspec.MsgspecError, OSError, CocoannotError):
        # The server says what is wrong.
        return
    if names:
        names.sort(key=natural)
        named = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        adding = f"`cocoannot --dataset {dataset} scan` adds them"
        yield f"{len(names):,} picture(s) there have no record yet: {named}. {adding}"


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """Shows how many pictures are read, on a terminal and where there are many."""
    bars: list[Any] = []

    def show(done: int, total: int) -> None:
        if total < _MANY or not sys.stderr.isatty():
            return
        if not bars:
            bars.append(click.progressbar(length=total, label=label, file=sys.stderr, update_min_steps=100))
            bars[0].__enter__()
        bars[0].update(done - bars[0].pos)

    try:
        yield show
    finally:
        for bar in bars:
            bar.__exit__(None, None, None)


def _lines(skipped: Sequence[Skipped], turned: Sequence[str]) -> Iterator[str]:
    if skipped:
        yield f"{len(skipped):,} file(s) left out:"
        yield from (f"  {line}" for line in first_of(skipped, _MOST_NAMED))
    if turned:
        named = ", ".join(turned[:3]) + (", ..." if len(turned) > 3 else "")
        yield (
            f"{len(turned):,} picture(s) are turned by their EXIF data ({named}). Width and height are those of the "
            "pixels as they are stored, as COCO has them; see docs/pictures.md"
        )


def _fields(name: str, width: int, height: int, _: int) -> Mapping[str, Any]:
    return {"file_name": name, "width": width, "height": height}


def _records(store: MemoryStore, count: int | None = None) -> list[Mapping[str, Any]]:
    return [Record(text) for text in store.find(ImageQuery(), 0, count).texts]
