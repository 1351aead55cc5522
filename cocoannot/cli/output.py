"""What the operator's commands say: their answer as text or JSON, and an error in one line."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def progress(label: str, size: int, large: int = LARGE) -> Iterator[Callable[[int], object]]:
    """Shows how much of `size` (bytes, or whatever is counted) is done, on a terminal, and where it is `large`."""
    hidden = size < large or not sys.stderr.isatty()
    with click.progressbar(length=size, label=label, file=sys.stderr, hidden=hidden) as bar:
        yield bar.update
        bar.update(max(size - bar.pos, 0))


@contextmanager
def failing_on_term() -> Iterator[None]:
    """A TERM meanwhile ends the command as Ctrl+C does, with the exit status that the shell has for it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def print_answer(answer: object, text: str, as_json: bool) -> None:
    """Print `answer` as JSON where that was asked for, else `text`."""
    click.echo(json.dumps(answer) if as_json else text)
