"""The commands `serve` and `demo`: they find or make the dataset, and then become gunicorn with our configuration."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

import click

from cocoannot.cli.browser import open_when_ready
from cocoannot.cli.folder_dataset import category_names, dataset_in, make_dataset
from cocoannot.cli.output import errors_in_one_line
from cocoannot.cli.scan import new_pictures_text, progress_bar, telling
from cocoannot.demo import make_demo
from cocoannot.errors import ConfigError, DatasetError
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import describe, find_owner
from cocoannot.lifecycle import find_dataset
from cocoannot.settings import Settings

DATASET = "COCOANNOT_DATASET"
IMAGES = "COCOANNOT_IMAGES"
DEMO = Path("demo")

_HOST, _PORT = "127.0.0.1", 8000
_GUNICORN = ["-m", "gunicorn", "-c", "python:cocoannot.gunicorn_conf"]
_APPLICATION = "cocoannot:create_app()"

_host = click.option("--host", help=f"Address to listen at.  [default: {_HOST}]")
_port = click.option("--port", type=click.IntRange(1, 65535), help=f"Port to listen at.  [default: {_PORT}]")
_open = click.option("--open", "opens", is_flag=True, help="Open the page in the browser as soon as it is there.")


@click.command()
@click.argument("path", required=False)
@click.option("--images", metavar="DIR", help="Folder of the pictures, or s3://BUCKET/PREFIX.")
@click.option("--categories", metavar="A,B", default="", help="Categories of a dataset that is made.")
@_host
@_port
@_open
@errors_in_one_line
def serve(
    path: str | None, images: str | None, categories: str, host: str | None, port: int | None, opens: bool
) -> None:
    """Serve the dataset at PATH, so that people can annotate it in their browsers.

    PATH is a COCO file, an s3:// address, or a folder of pictures, by default COCOANNOT_DATASET. In a folder of
    pictures, the dataset is annotations.json: if there is none, it is made, with the size of each picture. A file that
    is there is never written over. An option goes before its setting. Ctrl+C saves and stops.
    """
    if images is not None:
        os.environ[IMAGES] = images
    names = category_names(categories)
    path = path or os.environ.get(DATASET)
    if path is not None and "://" not in path and Path(path).is_dir():
        _open_folder(Path(path), names)
    else:
        if names:
            raise ConfigError(
                "--categories is for a dataset that is made of a folder of pictures; PATH is not a folder"
            )
        if path is not None:
            os.environ[DATASET] = path
    _serve(host, port, opens)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=DEMO)
@_host
@_port
@_open
@errors_in_one_line
def demo(folder: Path, host: str | None, port: int | None, opens: bool) -> None:
    """Serve a small demo dataset of drawn shapes, in FOLDER (by default ./demo).

    It is made if there is none yet.
    """
    target = folder / "annotations.json"
    if not target.exists():
        click.echo(make_demo(folder), err=True)
    os.environ[DATASET] = str(target)
    # Those of another dataset have nothing to do with it.
    os.environ.pop(IMAGES, None)
    _serve(host, port, opens)


def use_dataset(path: str | None, images: str | None) -> None:
    """Let the commands of this process work on the dataset at `path`, which may be in a folder of pictures."""
    if path is not None:
        is_folder = "://" not in path and Path(path).is_dir()
        found = dataset_in(Path(path)) if is_folder else Path(path)
        if found is None:
            raise DatasetError(f"there is no COCO dataset in {path}; `cocoannot serve {path}` makes one")
        os.environ[DATASET] = path if "://" in path else str(found)
    if images is not None:
        os.environ[IMAGES] = images


def _open_folder(folder: Path, categories: list[str]) -> None:
    """Let the dataset in a folder of pictures be served, made where there is none; say which pictures are new."""
    settings = Settings.read()
    found = dataset_in(folder)
    if found is not None:
        click.echo(f"{found} is there already, and is served", err=True)
        if categories:
            click.echo("Warning: --categories is for a new dataset; this one keeps its own", err=True)
        os.environ[DATASET] = str(found)
        for line in new_pictures_text(found, settings):
            click.echo(line, err=True)
        return
    with progress_bar("Reading pictures") as progress:
        new = make_dataset(folder, categories, progress, follow_links=settings.images_follow_links)
    target = folder / "annotations.json"
    click.echo(f"made {target}: {len(new.found):,} images, {len(categories)} categories", err=True)
    for line in telling(new):
        click.echo(line, err=True)
    os.environ[DATASET] = str(target)


def _serve(host: str | None, port: int | None, opens: bool) -> None:
    """Become gunicorn. Raises `CocoannotError` where it is known before that it can't work."""
    settings = Settings.read()
    file = find_dataset(settings)
    if (owner := find_owner(file.lock.path)) is not None:
        click.echo(
            f"{file.name} is in use by {describe(owner)}; waiting at most {settings.lock_timeout:g} s for it to end",
            err=True,
        )
    bind = _address(host, port)
    if opens:
        open_when_ready(DatasetFile(settings.dataset_path()).lock.path)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *_GUNICORN, *bind, _APPLICATION])


def _address(host: str | None, port: int | None) -> list[str]:
    """gunicorn's arguments for where to listen, if that is free. Raises `ConfigError`."""
    if host is None and port is None and "bind" in os.environ.get("GUNICORN_CMD_ARGS", ""):
        return []
    host, port = host or _HOST, port or _PORT
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        with socket.create_server((host, port), family=found[0][0]):
            pass
    except OSError as exc:
        reason = "is in use" if exc.errno == errno.EADDRINUSE else f"can't be listened at: {exc.strerror or exc}"
        advice = f"; choose another one, such as --port {port % 65535 + 1}" if exc.errno == errno.EADDRINUSE else ""
        raise ConfigError(f"{host} port {port} {reason}{advice}") from exc
    return ["--bind", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
