"""The command `check`: what is wrong with a dataset's file, and a repaired copy. It owns nothing, and loads nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from flask.cli import with_appcontext

from cocoannot.check.dataset_check import check_dataset
from cocoannot.check.findings import Findings
from cocoannot.check.kinds import KINDS, LEVELS, TOOLS
from cocoannot.check.pictures import Measured
from cocoannot.check.repair import check_place, write_repaired
from cocoannot.check.report import Report, Wanted
from cocoannot.cli.output import progress
from cocoannot.errors import BadPicture, CocoannotError, DatasetError, UnknownId
from cocoannot.extension import runtime
from cocoannot.files.packing import is_packed, unpack
from cocoannot.pictures.choose import choose, folders, s3_prefix
from cocoannot.pictures.folder import PictureFolder
from cocoannot.pictures.measuring import SIDEWAYS
from cocoannot.pictures.source import Picture, Reading
from cocoannot.settings import S3Uri


class _Unreadable(click.ClickException):
    """The file, or the folder of pictures that the settings name, is not there, or may not be read."""

    exit_code = 2


_KINDS = "\n".join(f"  {kind.level:9}{name:20}{kind.wrong}" for name, kind in KINDS.items())


@click.command(epilog=f"\b\nEach KIND and its level:\n{_KINDS}")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--fix", "out", type=click.Path(path_type=Path), metavar="OUT", help="Write a repaired copy to OUT, a new file."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--for",
    "tools",
    type=click.Choice(TOOLS),
    multiple=True,
    help="Make notes of what this tool does not mind. Can be given several times.",
)
@click.option(
    "--ignore",
    "ignored",
    type=click.Choice(list(KINDS)),
    multiple=True,
    metavar="KIND",
    help="Leave this kind of problem out. Can be given several times.",
)
@click.option(
    "--fail-on",
    type=click.Choice([*reversed(LEVELS), "never"]),
    default="warning",
    show_default=True,
    help="The lowest level that makes the exit status 1.",
)
@with_appcontext
def check(
    file: Path | None, out: Path | None, as_json: bool, tools: Sequence[str], ignored: Sequence[str], fail_on: str
) -> None:
    """Say what is wrong with FILE, by default the dataset of the settings.

    Reads any file, even one that the server refuses, also while a server runs. It never changes the file. Each KIND of
    problem has a level. An `error` makes programs that train stop, or read something else than what is meant. A
    `warning` is hardly meant so. A `note` is a matter of convention.

    The exit status is 0 if nothing is wrong but notes, 1 if anything is, and 2 if FILE is not there or may not be read,
    or COCOANNOT_IMAGES is no folder. With --fix it is 0 if everything was repaired. OUT.removed.json has what the copy
    does not have as it was, OUT.ids.json has old ids beside new ones. What could mean two things stays as it is, and is
    listed.
    """
    try:
        path = file or runtime().settings.dataset_path()
        if out is not None:
            check_place(out)
        report = _run(path, out, Wanted(tools, ignored, fail_on))
    except CocoannotError as exc:
        raise click.ClickException(str(exc)) from exc
    except OSError as exc:
        raise click.ClickException(f"can't read {exc.filename or file}: {exc.strerror or exc}") from exc
    click.echo(json.dumps(report.as_json()) if as_json else "\n".join(report.lines()))
    sys.exit(0 if report.fine else 1)


def _run(path: Path, out: Path | None, wanted: Wanted) -> Report:
    findings = Findings()
    try:
        data = _read(path)
    except OSError as exc:
        raise _Unreadable(f"can't read {path}: {exc.strerror or exc}") from exc
    remote = _pictures_in_s3(path)
    if remote is not None:
        findings.notes.append(f"pictures were not looked for: they are in S3, under {remote}")
    elif (images := runtime().settings.images) and not Path(str(images)).is_dir():
        raise _Unreadable(f"COCOANNOT_IMAGES={str(images)!r} is not a folder")
    with progress("Checking", len(data)) as shown:
        checked = check_dataset(
            data,
            findings,
            find_pictures=None if remote else lambda names: _Gallery(path, names),
            measure_pictures=out is not None,
            progress=shown,
        )
    counts: dict[str, int] = {name: len(section) for name, section in checked.sections.items()} if checked else {}
    if out is None:
        return Report(str(path), findings, counts, wanted)
    if checked is None or findings.no_copy:
        findings.notes.append(f"no copy was written: {findings.no_copy or 'this is nothing that can be repaired'}")
        return Report(str(path), findings, counts, wanted, no_copy=True)
    with progress("Writing", len(data)) as shown:
        repaired = write_repaired(checked, path, out, shown)
    findings.count_removed({(kind, each.section, each.position) for each in repaired.removed for kind in each.reasons})
    return Report(str(path), findings, counts, wanted, repaired)


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    try:
        return unpack(data, str(path)) if is_packed(path, data) else data
    except DatasetError as exc:
        raise _Unreadable(f"can't read {exc}") from exc


def _pictures_in_s3(path: Path) -> S3Uri | None:
    """Where in S3 the pictures of the dataset in the file at `path` are, `None` where they are on disk."""
    settings = runtime().settings
    # The setting is for any file; a dataset that is in S3 itself has them near it, and no other file has.
    own = isinstance(settings.dataset, S3Uri) and path == settings.dataset_path()
    return s3_prefix(settings) if settings.images or own else None


class _Gallery:
    """The pictures of a dataset, on disk: in COCOANNOT_IMAGES where that is set, else near the file, as served."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        settings = runtime().settings
        places = folders(settings, Path(os.path.realpath(path)))
        images = [{"file_name": name} for name in names[: PictureFolder.sample]]
        found = choose(places, images, lambda: None)
        self._pictures = found or places[0]
        # Where the server finds pictures only by another reading of their names, they are there too.
        self.certain = settings.images is not None or found is not None
        self.place = self._pictures.place

    def has(self, file_name: str) -> bool:
        """By its exact name below the folder: programs that train know no other reading of it, which the server has."""
        return not os.path.isabs(file_name) and self._pictures.count([{"file_name": file_name}], Reading.EXACT) == 1

    def measure(self, file_name: str) -> Measured | None:
        try:
            return self._pictures.use({"file_name": file_name}, _measured)
        except (UnknownId, BadPicture, OSError, ValueError, SyntaxError):
            return None


def _measured(found: Picture) -> Measured:
    size = found.head().size
    return Measured(size.height, size.width, size.orientation >= SIDEWAYS)
