"""The command `check`: what is wrong with a dataset's file, and a repaired copy. It owns nothing, and loads nothing."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from flask.cli import with_appcontext
from PIL import Image

from cocoannot.check.checked import Checked
from cocoannot.check.dataset_check import check_dataset
from cocoannot.check.findings import KINDS, Findings
from cocoannot.check.repair import check_place, removed_path, write_repaired
from cocoannot.errors import CocoannotError, UnknownId
from cocoannot.extension import runtime
from cocoannot.pictures.folder import Pictures, choose_folder
from cocoannot.settings import S3Uri

# Bytes: below it there is nothing to wait for.
_LARGE = 20_000_000


class _Unreadable(click.ClickException):
    """The file is not there, or may not be read."""

    exit_code = 2


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--fix", "out", type=click.Path(path_type=Path), metavar="OUT", help="Write a repaired copy to OUT, a new file."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
def check(file: Path | None, out: Path | None, as_json: bool) -> None:
    """Say what is wrong with FILE, by default the dataset of the settings.

    Reads any file, also one that the server refuses, and also while a server runs; the file itself is never changed.
    Exits with 0 where nothing is wrong, with 1 where anything is, with 2 where FILE can't be read. With --fix it exits
    with 0 where everything was repaired: what a copy can't keep is in OUT.removed.json then.
    """
    try:
        path = file or runtime().settings.dataset_path()
        if out is not None:
            check_place(out)
        answer, text, fine = _run(path, out)
    except CocoannotError as exc:
        raise click.ClickException(str(exc)) from exc
    except OSError as exc:
        raise _Unreadable(f"can't read {exc.filename or file}: {exc.strerror or exc}") from exc
    click.echo(json.dumps(answer) if as_json else text)
    sys.exit(0 if fine else 1)


def _run(path: Path, out: Path | None) -> tuple[dict[str, object], str, bool]:
    """What to print, as JSON and as text, and whether all is well."""
    findings = Findings()
    data = path.read_bytes()
    remote = _pictures_in_s3(path)
    if remote is not None:
        findings.notes.append(f"pictures were not looked for: they are in S3, under {remote}")
    with _progress("Checking", len(data)) as progress:
        checked = check_dataset(
            data,
            str(path),
            findings,
            find_pictures=None if remote else lambda names: _Gallery(path, names),
            measure_pictures=out is not None,
            progress=progress,
        )
    counts = {name: len(section) for name, section in checked.sections.items()} if checked else {}
    fixed = checked is not None and out is not None
    answer: dict[str, object] = {
        "file": str(path),
        "counts": counts,
        "problems": [problem.as_json(fixed=fixed) for problem in findings.problems],
        "notes": findings.notes,
    }
    lines = _lines(path, findings, counts, fixed=fixed)
    if checked and out:
        removed = _write(checked, path, out, len(data))
        answer |= {"repaired_copy": str(out), "removed": str(removed) if removed else None}
        lines.append(f"repaired copy: {out}" + (f"; what it does not have any more: {removed}" if removed else ""))
    fine = findings.repairable if fixed else not findings.problems
    return answer, "\n".join(lines), fine


def _write(checked: Checked, path: Path, out: Path, size: int) -> Path | None:
    with _progress("Writing", size) as progress:
        lost = write_repaired(checked, path, out, progress)
    return removed_path(out) if lost else None


def _lines(path: Path, findings: Findings, counts: dict[str, int], *, fixed: bool) -> list[str]:
    problems = findings.problems
    verdict = f"{len(problems)} kind{'s' * (len(problems) != 1)} of problems" if problems else "nothing is wrong"
    total = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    lines = [f"{path}: {total + '; ' if total else ''}{verdict}"]
    for problem in problems:
        few = ", ".join(map(str, problem.examples)) + (", ..." if problem.count > len(problem.examples) else "")
        lines.append(f"  {problem.kind}: {problem.message}" + (f": {few}" if problem.examples else ""))
        if fixed:
            done = (
                f"{problem.repaired:,} repaired: {KINDS[problem.kind].repair}" if problem.repaired else "not repaired"
            )
            left = problem.count - problem.repaired
            lines.append(f"    {done}" + (f"; {left:,} left as they are" if problem.repaired and left else ""))
    return lines + [f"  note: {note}" for note in findings.notes]


def _pictures_in_s3(path: Path) -> S3Uri | None:
    """Where in S3 the pictures of the dataset in the file at `path` are, `None` where they are on disk."""
    state = runtime()
    # The setting is for any file; a dataset that is in S3 itself has them near it, and no other file has.
    own = isinstance(state.settings.dataset, S3Uri) and path == state.settings.dataset_path()
    return state.pictures_uri() if state.settings.images or own else None


class _Gallery:
    """The pictures of a dataset, on disk: in COCOANNOT_IMAGES where that is set, else near the file, as served."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        settings = runtime().settings
        follow = settings.images_follow_links
        self.certain = settings.images is not None
        if isinstance(settings.images, Path):
            self._pictures = Pictures(settings.images, follow_links=follow)
        else:
            with _quiet(logging.getLogger("cocoannot.pictures")):
                self._pictures = choose_folder(Path(os.path.realpath(path)), names, follow_links=follow)
        self.place = str(self._pictures.folder)

    def has(self, file_name: str) -> bool:
        return self._pictures.count([file_name]) == 1

    def size(self, file_name: str) -> tuple[int, int] | None:
        try:
            with Image.open(self._pictures.find(file_name).path) as picture:
                return picture.height, picture.width
        except (UnknownId, OSError, ValueError, SyntaxError):
            return None


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """What it tells the operator of a server is said here in another way."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _progress(label: str, size: int) -> Iterator[Callable[[int], object]]:
    """Shows how many of `size` bytes are done, on a terminal and where it takes some time."""
    with click.progressbar(
        length=size, label=label, file=sys.stderr, hidden=size < _LARGE or not sys.stderr.isatty()
    ) as bar:
        yield bar.update
        bar.update(size - bar.pos)
