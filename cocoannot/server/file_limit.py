"""How many files and connections the process may have open."""

from __future__ import annotations

import resource

_OTHERS = 2048
"""What a server has open beside event streams: connections that are kept, files, pipes."""


def allow_open_files(streams: int) -> int:
    """Raise the limit so far that so many streams fit, where the system lets us; returns how many files are allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = streams + _OTHERS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if most > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(soft, most)
