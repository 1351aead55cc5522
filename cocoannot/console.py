"""The `cocoannot` command: `serve`, `demo`, and each command that `flask` has for us."""

from __future__ import annotations

import os
import sys

import click
from flask import Flask
from flask.cli import ScriptInfo

from cocoannot.app import create_app
from cocoannot.cli import register
from cocoannot.cli.output import errors_in_one_line
from cocoannot.cli.serve import demo, serve, use_dataset
from cocoannot.errors import ConfigError
from cocoannot.settings import unknown_settings
from cocoannot.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cocoannot")
@click.option("--dataset", metavar="PATH", help="Dataset, or folder of pictures; goes before COCOANNOT_DATASET.")
@click.option("--images", metavar="DIR", help="Folder of the pictures; goes before COCOANNOT_IMAGES.")
@click.pass_context
@errors_in_one_line
def cocoannot(context: click.Context, dataset: str | None, images: str | None) -> None:
    """Annotate the pictures of one COCO dataset, and look after it.

    `cocoannot serve photos/` makes a dataset of a folder of pictures and serves it; `cocoannot COMMAND --help` explains
    each command. Settings are read from the environment (docs/settings.md).
    """
    use_dataset(dataset, images)
    # The server says it itself.
    if context.invoked_subcommand not in (serve.name, demo.name):
        for warning in unknown_settings(os.environ):
            click.echo(f"Warning: {warning}", err=True)


def _add_commands() -> None:
    # Whatever is registered for `flask` is there too. What the commands work on is made when one of them runs.
    app = Flask(__name__, static_folder=None)
    register(app)
    for command in (serve, demo, *app.cli.commands.values()):
        cocoannot.add_command(command)


def _application() -> Flask:
    try:
        return create_app()
    except ConfigError as exc:
        raise click.ClickException(str(exc)) from exc


_add_commands()


def main() -> None:
    """Run the command that the arguments name, then exit."""
    sys.exit(cocoannot.main(prog_name="cocoannot", obj=ScriptInfo(create_app=_application, set_debug_flag=False)))


if __name__ == "__main__":
    main()
