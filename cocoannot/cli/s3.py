"""`flask save-to-s3` and `flask pull-from-s3`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from cocoannot.cli.common_options import as_one_line, moment, owned, print_answer
from cocoannot.cli.server_client import ask_status, call
from cocoannot.errors import CocoannotError, DatasetError, NotInS3, OwnedElsewhere
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner, describe, find_owner
from cocoannot.manager import DatasetManager
from cocoannot.settings import S3Uri

_TELL_EVERY = 2.0
"""Seconds between two lines that say how far an upload is."""


@click.command("save-to-s3")
@click.option(
    "--on-conflict",
    type=click.Choice(["overwrite"]),
    help="If S3 has a version that somebody else has uploaded: copy that one to KEY.conflict-TIME, then replace it "
    "with ours.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@as_one_line
def save_to_s3(on_conflict: str | None, as_json: bool) -> None:
    """Save unsaved changes, then upload the dataset to S3.

    If a server runs on the dataset, it is asked to upload. If none runs, this command uploads the local copy, with the
    changes in its journal.
    """
    file = _local_copy()
    owner = find_owner(file.lock.path)
    answer = _upload_here(file, on_conflict) if owner is None else _ask_to_upload(owner, file, on_conflict)
    text = (
        f"Uploaded to {answer['s3_uri']}: revision {answer['revision']}, {answer['size']} bytes, ETag {answer['etag']}"
    )
    text += f"; what was there is now {answer['kept']}" if answer["kept"] else ""
    print_answer(answer, text, as_json)


@click.command("pull-from-s3")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@as_one_line
def pull_from_s3(as_json: bool) -> None:
    """Download S3's version of the dataset.

    Stop the server first. The local version is kept beside the downloaded one.
    """
    file = _local_copy()
    owner = find_owner(file.lock.path)
    if owner is not None:
        raise OwnedElsewhere(f"{runtime().uri()} is served by {describe(owner)}; stop it first")
    file.path.parent.mkdir(parents=True, exist_ok=True)
    with owned(file):
        _bring_in_journal(file)
        s3 = runtime().open_s3(file)
        kept = [str(path) for path in s3.pull(lambda: None, moment())]
    text = f"Downloaded {runtime().uri()} to {file.path}" + (f"; kept beside it: {', '.join(kept)}" if kept else "")
    print_answer({"uri": runtime().uri(), "path": str(file.path), "kept": kept}, text, as_json)


def _local_copy() -> DatasetFile:
    settings = runtime().settings
    file = DatasetFile(settings.dataset_path(), settings.backups)
    if not isinstance(settings.dataset, S3Uri):
        raise NotInS3(
            f"{runtime().uri()} is a file on this machine, not from S3; set COCOANNOT_DATASET=s3://BUCKET/KEY"
        )
    return file


def _bring_in_journal(file: DatasetFile) -> None:
    """So that one file has all that is ours; where that can't be, its parts are kept one by one."""
    if file.path.exists():
        manager = DatasetManager()
        try:
            manager.load(file)
            manager.save()
        except CocoannotError as exc:
            click.echo(f"note: {exc}", err=True)


def _upload_here(file: DatasetFile, on_conflict: str | None) -> dict[str, Any]:
    if not file.path.exists():
        raise DatasetError(f"there is no local copy of {runtime().uri()} to upload, {file.path} does not exist")
    with owned(file):
        s3, manager = runtime().open_s3(file), DatasetManager()
        manager.load(file)
        uploaded = _with_progress(
            lambda: s3.upload(manager, overwrite=on_conflict == "overwrite"),
            lambda: s3.status(manager.revision).uploading,
        )
    fields = uploaded._asdict()
    return {"status": "success", "s3_uri": fields.pop("uri"), **fields}


def _ask_to_upload(owner: Owner, file: DatasetFile, on_conflict: str | None) -> dict[str, Any]:
    ask_status(owner, file)
    body = {"on_conflict": on_conflict} if on_conflict else {}
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def upload() -> dict[str, Any]:
        with app.app_context():
            return call(owner, "POST", "/api/save-to-s3", body)

    def look() -> tuple[int, int] | None:
        s3 = ask_status(owner, file)["s3"]
        return (s3["uploading"]["bytes"], s3["uploading"]["total"]) if s3 and s3["uploading"] else None

    answer: dict[str, Any] = _with_progress(upload, look)
    return answer


def _with_progress(work: Callable[[], Any], look: Callable[[], tuple[int, int] | None]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        while True:
            try:
                return future.result(_TELL_EVERY)
            except TimeoutError:
                if future.done():
                    raise
                if progress := look():
                    click.echo(f"{progress[0]} of {progress[1]} bytes", err=True)
