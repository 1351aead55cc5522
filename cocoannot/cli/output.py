"""What the operator's commands say: their answer as text or JSON, and an error in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from cocoannot.errors import CocoannotError


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


def print_answer(answer: object, text: str, as_json: bool) -> None:
    """Print `answer` as JSON where that was asked for, else `text`."""
    click.echo(json.dumps(answer) if as_json else text)
