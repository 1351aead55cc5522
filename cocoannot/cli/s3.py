"""`flask save-to-s3` and `flask pull-from-s3`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from typing import Any

import click
from flask.cli import with_appcontext

from cocoannot.cli.output import errors_in_one_line, print_answer
from cocoannot.cli.server_client import ask_status, call
from cocoannot.errors import CocoannotError, DatasetError, NotInS3, OwnedElsewhere
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.kept_copies import timestamp
from cocoannot.files.lock import Owner, describe
from cocoannot.settings import S3Uri
from cocoannot.store.base import Maintenance
from cocoannot.store.memory.maintenance import MemoryMaintenance

_SHOW_EVERY = 2.0
"""Seconds between two lines that show how far an upload is."""


@click.command("save-to-s3")
@click.option(
    "--on-conflict",
    type=click.Choice(["overwrite"]),
    help="If S3 has a version that somebody else has uploaded: copy that one to KEY.conflict-TIME, then replace it "
    "with ours.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@errors_in_one_line
def save_to_s3(on_conflict: str | None, as_json: bool) -> None:
    """Save unsaved changes, then upload the dataset to S3.

    If a server runs on the dataset, it is asked to upload. If none runs, this command uploads the local copy, with the
    changes in its journal.
    """
    file = local_copy()
    owner = MemoryMaintenance(file).owner()
    answer = _upload_here(file, on_conflict) if owner is None else _ask_to_upload(owner, file, on_conflict)
    text = (
        f"Uploaded to {answer['s3_uri']}: revision {answer['revision']}, {answer['size']} bytes, ETag {answer['etag']}"
    )
    text += f"; what was there is now {answer['kept']}" if answer["kept"] else ""
    print_answer(answer, text, as_json)


@click.command("pull-from-s3")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@errors_in_one_line
def pull_from_s3(as_json: bool) -> None:
    """Download S3's version of the dataset.

    Stop the server first. The local version is kept beside the downloaded one.
    """
    file = local_copy()
    maintenance = MemoryMaintenance(file, runtime().history)
    if (owner := maintenance.owner()) is not None:
        raise OwnedElsewhere(f"{runtime().uri()} is served by {describe(owner)}; stop it first")
    file.path.parent.mkdir(parents=True, exist_ok=True)
    with maintenance.owned():
        if maintenance.exists:
            _flush(maintenance)
        kept = [str(path) for path in runtime().open_s3(file).pull(lambda: None, timestamp())]
    text = f"Downloaded {runtime().uri()} to {file.path}" + (f"; kept beside it: {', '.join(kept)}" if kept else "")
    print_answer({"uri": runtime().uri(), "path": str(file.path), "kept": kept}, text, as_json)


def local_copy() -> DatasetFile:
    """The local copy of the dataset's object. Raises `NotInS3`."""
    settings = runtime().settings
    file = DatasetFile(settings.dataset_path(), settings.backups)
    if not isinstance(settings.dataset, S3Uri):
        raise NotInS3(
            f"{runtime().uri()} is a file on this machine, not from S3; set COCOANNOT_DATASET=s3://BUCKET/KEY"
        )
    return file


def _flush(maintenance: Maintenance) -> None:
    """Let one file have all that is ours; where that can't be, its parts are kept one by one."""
    try:
        maintenance.flush()
    except CocoannotError as exc:
        click.echo(f"note: {exc}", err=True)


def _upload_here(file: DatasetFile, on_conflict: str | None) -> dict[str, Any]:
    maintenance = MemoryMaintenance(file, runtime().history)
    if not maintenance.exists:
        raise DatasetError(f"there is no local copy of {runtime().uri()} to upload, {file.path} does not exist")
    with maintenance.owned(), closing(maintenance.load()) as store:
        s3 = runtime().open_s3(file)
        uploaded = _with_progress(
            lambda: s3.upload(store, overwrite=on_conflict == "overwrite"),
            lambda: s3.status(store.revision).uploading,
        )
    fields = uploaded._asdict()
    return {"status": "success", "s3_uri": fields.pop("uri"), **fields}


def _ask_to_upload(owner: Owner, file: DatasetFile, on_conflict: str | None) -> dict[str, Any]:
    ask_status(owner, file)
    body = {"on_conflict": on_conflict} if on_conflict else {}

    def upload() -> dict[str, Any]:
        return call(owner, "POST", "/api/save-to-s3", body)

    def look() -> tuple[int, int] | None:
        s3 = ask_status(owner, file)["s3"]
        return (s3["uploading"]["bytes"], s3["uploading"]["total"]) if s3 and s3["uploading"] else None

    answer: dict[str, Any] = _with_progress(upload, look)
    return answer


def _with_progress(work: Callable[[], Any], look: Callable[[], tuple[int, int] | None]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        # With the context of this thread, which has the application.
        future = pool.submit(copy_context().run, work)
        while True:
            try:
                return future.result(_SHOW_EVERY)
            except TimeoutError:
                if future.done():
                    raise
                if progress := look():
                    click.echo(f"{progress[0]} of {progress[1]} bytes", err=True)
