"""What the disk says, as an error for the operator. Nothing else."""

from __future__ import annotations

import errno

from cocoannot.errors import SaveError


def save_error(name: str, error: OSError, then: str = "nothing is lost, what is pending is tried again") -> SaveError:
    """That `name` could not be written, and what is to be done."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return SaveError(f"can't save {name}: {error.strerror or error}; {then}", disk_full=full)
