"""Runs in a process of its own: each local copy is merged with S3's version and uploaded, and killed at a later call
than the one before.

    python s3_merges.py CALL KEY=PATH KEY=PATH ...

Prints for each how it ended: -9 killed, 0 not. What must be there then is not known here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import faulted
from s3_servers import BUCKET

from cocoannot.files.dataset_file import DatasetFile
from cocoannot.replica.replica import Replica
from cocoannot.settings import S3Options, S3Uri
from cocoannot.store.memory.store import MemoryStore

call = sys.argv[1]


def merge_and_upload(s3: Replica, number: int) -> None:
    store = MemoryStore()
    store.load_file(s3.file, loaded=s3.start(lambda: None))
    faulted.lead_up({call: number})
    s3.merge(store)
    s3.upload(store)


def open_copy(key: str, path: str) -> Replica:
    return Replica(S3Uri(BUCKET, key), S3Options(10.0, "auto", "when_supported", True), DatasetFile(Path(path)))


copies = [open_copy(*argument.split("=", 1)) for argument in sys.argv[2:]]
faulted.attach(faulted.KILL, calls=[call])
for number, s3 in enumerate(copies, 1):
    print(faulted.in_a_child(lambda: merge_and_upload(s3, number)))  # noqa: B023
