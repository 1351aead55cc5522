"""Lineages: within one, a revision stands for one change and for no other. Where it is kept is not known here.

proven      the start before ended in an orderly way, or its process alone died: what was told is here
not proven  the machine went down before all was durable, or somebody else wrote the file: a new lineage begins,
            since revisions that were told of may be given again; also where the history has other changes for them
"""

from __future__ import annotations

import secrets
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UNKNOWN = "?"


def new_lineage() -> str:
    """A name that no lineage had before: 8 hexadecimal digits."""
    return secrets.token_hex(4)


def boot_id() -> str:
    """The name of this run of the machine; `?`, which proves nothing, where the system gives none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return _UNKNOWN


def survived(boot: str) -> bool:
    """Whether what was written to disk in the run `boot` of the machine is all there, fsynced or not.

    "" stands for an end after which nothing was left to fsync.
    """
    return boot == "" or boot == boot_id() != _UNKNOWN
