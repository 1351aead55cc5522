"""`flask export`: the dataset, or a part of it, as COCO, YOLO or VOC. There as a whole in the end, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import click
from flask.cli import with_appcontext

from cocoannot.cli.access import Dataset, Exported, open_dataset
from cocoannot.cli.moments import revision_of
from cocoannot.cli.output import errors_in_one_line, failing_on_term, print_answer, progress
from cocoannot.cli.pictures import Placing
from cocoannot.coco.parser import read_document
from cocoannot.coco.statuses import Status
from cocoannot.errors import DatasetError, UnknownId
from cocoannot.exchange.export import Options
from cocoannot.exchange.objects import Reading
from cocoannot.exchange.placing import check_file, check_folder, new_folder, write_mark, write_new_file
from cocoannot.exchange.selection import Selection
from cocoannot.exchange.voc import PICTURES as VOC_PICTURES
from cocoannot.exchange.voc import write_voc
from cocoannot.exchange.yolo import PICTURES as YOLO_PICTURES
from cocoannot.exchange.yolo import write_yolo
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.packing import has_packed_name, pack

FORMATS = ("coco", "yolo", "yolo-seg", "voc")


class _Wanted(NamedTuple):
    """What the command was asked for."""

    out: Path
    format: str
    options: Options
    at: int | None
    pictures: str
    overwrite: bool


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="coco", show_default=True, help="What to write."
)
@click.option(
    "--category",
    "categories",
    multiple=True,
    metavar="NAME|ID",
    help="Only images with an annotation of this category, and only such annotations. Can be given several times.",
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(get_args(Status)),
    help="Only images with this status, and their annotations. Can be given several times.",
)
@click.option("--file-name", default="", metavar="TEXT", help="Only images with TEXT in their file name.")
@click.option("--annotated/--not-annotated", default=None, help="Only images with annotations, or only those without.")
@click.option("--at", metavar="MOMENT", help="The dataset as it was: a tag, @REVISION or a date.")
@click.option("--contiguous", is_flag=True, help="Number images, annotations and categories from 1 on. COCO only.")
@click.option("--boxes-as-polygons", "polygons", is_flag=True, help="Give boxes a polygon of their corners. COCO only.")
@click.option("--ascii", "ascii_", is_flag=True, help="Escape everything else than ASCII. COCO only.")
@click.option(
    "--pictures",
    type=click.Choice(["none", "link", "copy"]),
    default="none",
    show_default=True,
    help="Put the pictures beside the labels: as links to where they are, or as copies. Not for COCO.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file, or a folder that is an earlier export.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@errors_in_one_line
def export(
    out: Path,
    format_: str,
    categories: Sequence[str],
    statuses: Sequence[Status],
    file_name: str,
    annotated: bool | None,
    at: str | None,
    contiguous: bool,
    polygons: bool,
    ascii_: bool,
    pictures: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write the dataset, or a part of it, to OUT.

    For coco, OUT is a new file; if its name ends in .gz, it is compressed. For yolo (boxes), yolo-seg (outlines) and
    voc, OUT is a new folder. Until it is complete it has another name, so what is at OUT is never half done.

    If a server runs on the dataset, it gives the dataset as it is in memory. Changes go on meanwhile.
    """
    _check(format_, contiguous or polygons or ascii_, pictures)
    if format_ == "coco":
        check_file(out, replace=overwrite)
        _check_other(out)
    else:
        check_folder(out, replace=overwrite)
    with failing_on_term(), open_dataset() as (dataset, file):
        ids = [_category_id(each, dataset) for each in categories]
        selection = Selection(tuple(ids), tuple(statuses), file_name, annotated)
        options = Options(selection, contiguous, polygons, ascii_)
        revision = None if at is None else revision_of(at, dataset, file)
        wanted = _Wanted(out, format_, options, revision, pictures, overwrite)
        try:
            answer = _write_file(dataset, file, wanted) if format_ == "coco" else _write_folder(dataset, file, wanted)
        except OSError as exc:
            # What is written to an open file has no name in errors.
            raise DatasetError(
                f"can't write {exc.filename or out}: {exc.strerror or exc}; nothing is left of it"
            ) from exc
    print_answer(answer, _text(answer), as_json)


def _check(format_: str, is_coco: bool, pictures: str) -> None:
    if is_coco and format_ != "coco":
        raise click.UsageError("--contiguous, --boxes-as-polygons and --ascii are for --format coco alone")
    if pictures != "none" and format_ == "coco":
        raise click.UsageError("--pictures is for yolo, yolo-seg and voc; a COCO file has no place for them")


def _check_other(out: Path) -> None:
    if os.path.realpath(out) == os.path.realpath(runtime().settings.dataset_path()):
        raise DatasetError(f"{out} is the dataset itself, which the server writes; give another name")


def _category_id(text: str, dataset: Dataset) -> int:
    """The id of a category by its name; a number is an id where there is no such name."""
    named = [each["id"] for each in dataset.categories if each.get("name") == text]
    if len(named) > 1:
        raise DatasetError(f"{len(named)} categories are called {text!r}; give the id of one")
    if named:
        return int(named[0])
    if text.isascii() and text.isdecimal() and len(text) < 17:
        return int(text)
    known = [str(each.get("name")) for each in dataset.categories]
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    raise UnknownId(f"there is no category called {text!r}; there are: {shown or 'none'}")


def _write_file(dataset: Dataset, file: DatasetFile, wanted: _Wanted) -> dict[str, Any]:
    out = wanted.out
    with dataset.export(wanted.options, wanted.at) as exported:
        shown = _shown(exported, file)
        size = write_new_file(out, pack(shown) if has_packed_name(out) else shown, replace=wanted.overwrite)
    return {"format": "coco", "out": str(out), "revision": exported.revision, "bytes": size}


def _write_folder(dataset: Dataset, file: DatasetFile, wanted: _Wanted) -> dict[str, Any]:
    with new_folder(wanted.out, replace=wanted.overwrite) as folder:
        with dataset.export(wanted.options, wanted.at) as exported:
            text = b"".join(_shown(exported, file))
        reading = Reading(read_document(text, file.name))
        placing = _placing(wanted, folder, file)
        with progress("Writing", len(reading), large=1_000) as shown:

            def on_image(image: Any) -> None:
                placing.put(image)
                shown(1)

            if wanted.format == "voc":
                counts = write_voc(reading, folder, on_image)
            else:
                counts = write_yolo(reading, folder, on_image, segments=wanted.format == "yolo-seg")
        placing.finish()
        answer = {
            "format": wanted.format,
            "out": str(wanted.out),
            "revision": exported.revision,
            **counts,
            "classes": len(reading.categories),
            "skipped": dict(reading.skipped),
            "renamed": placing.renamed_count,
            "pictures": placing.counts,
        }
        write_mark(folder, {**answer, "renamed": placing.renamed})
    return answer


def _placing(wanted: _Wanted, folder: Path, file: DatasetFile) -> Placing:
    name = VOC_PICTURES if wanted.format == "voc" else YOLO_PICTURES
    return Placing(folder / name, wanted.pictures, runtime().settings, file.path)


def _shown(exported: Exported, file: DatasetFile) -> Iterator[bytes]:
    """The blocks of an export, while its progress is shown; of a part it is not known how much there is to come."""
    # A dataset in a database may have no file.
    largest = file.path.stat().st_size if file.path.exists() else 0
    with progress("Reading", exported.size or largest) as shown:
        for block in exported.blocks:
            shown(len(block))
            yield bytes(block)


def _text(answer: Mapping[str, Any]) -> str:
    head = f"Exported revision {answer['revision']} to {answer['out']}"
    if answer["format"] == "coco":
        return f"{head} ({answer['bytes']} bytes)"
    lines = [f"{head}: {answer['images']} images, {answer['objects']} objects, {answer['classes']} classes"]
    lines += [f"left out: {count} annotation(s): {reason}" for reason, count in answer["skipped"].items()]
    if answer["renamed"]:
        lines.append(f"{answer['renamed']} image(s) have another name here; cocoannot-export.json lists them")
    lines += [f"pictures: {count} {what}" for what, count in answer["pictures"].items() if count]
    return "\n".join(lines)
