"""What the operator's commands say: their answer as text or JSON, and an error in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from cocoannot.errors import CocoannotError

LARGE = 20_000_000
"""Bytes: below it there is nothing to wait for."""


def errors_in_one_line(command: Callable[..., None]) -> Callable[..., None]:
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


def tell_of_work(what: str, size: int) -> None:
    """Say what is being done with `size` bytes, on a terminal and where it takes some time."""
    if size >= LARGE and sys.stderr.isatty():
        click.echo(f"{what} ({size / 1e6:.0f} MB) ...", err=True)


def print_answer(answer: object, text: str, as_json: bool) -> None:
    """Print `answer` as JSON where that was asked for, else `text`."""
    click.echo(json.dumps(answer) if as_json else text)
