"""The operator's commands, for `flask`."""

from __future__ import annotations

import os
import signal
import sys
import threading

from flask import Flask

from cocoannot.cli.check import check
from cocoannot.cli.compare import diff
from cocoannot.cli.db import db
from cocoannot.cli.export import export
from cocoannot.cli.flush import flush
from cocoannot.cli.import_file import import_file
from cocoannot.cli.merge import merge_from_s3
from cocoannot.cli.merge_files import merge
from cocoannot.cli.predictions import predictions
from cocoannot.cli.restore import restore
from cocoannot.cli.s3 import pull_from_s3, save_to_s3
from cocoannot.cli.scan import scan
from cocoannot.cli.split import split
from cocoannot.cli.status import status
from cocoannot.cli.tag import tag
from cocoannot.cli.user import user


def register(app: Flask) -> None:
    """Put the commands onto `app`."""
    server = (flush, status, save_to_s3, pull_from_s3, merge_from_s3, scan, predictions, tag, restore, user)
    for command in (*server, check, import_file, export, diff, merge, split, db):
        app.cli.add_command(command)
    _end_on_term()


def _end_on_term() -> None:
    """Let `flask run` end by its exit handlers on TERM, which save; by default it dies without a word."""
    in_flask_command = os.environ.get("FLASK_RUN_FROM_CLI") == "true"
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_flask_command and in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
