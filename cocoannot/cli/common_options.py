"""What the operator's commands have in common: errors in one line, answers as text or JSON, owning the dataset."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click

from cocoannot.errors import CocoannotError
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner

# Seconds for the lock: nobody held it a moment ago.
_LOCK_TIMEOUT = 1


def as_one_line(command: Callable[..., None]) -> Callable[..., None]:
    """Let `command` end with one line where something goes wrong that was foreseen."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except CocoannotError as exc:
            raise click.ClickException(str(exc)) from exc
        except OSError as exc:
            raise click.ClickException(f"{exc.filename or 'the server'}: {exc.strerror or exc}") from exc

    return run


@contextmanager
def owned(file: DatasetFile) -> Iterator[None]:
    """Own the dataset meanwhile, so that a server that starts now does not read one half of what is done."""
    file.lock.acquire(Owner(os.getpid(), "", str(file.path)), _LOCK_TIMEOUT, time.sleep)
    try:
        yield
    finally:
        file.lock.release()


def moment() -> str:
    """Now, as a part of file names."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def print_answer(answer: object, text: str, as_json: bool) -> None:
    """Print `answer` as JSON where that was asked for, else `text`."""
    click.echo(json.dumps(answer) if as_json else text)
