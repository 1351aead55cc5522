"""The page in the browser, as soon as the server answers. The server is found by the lock of its dataset.

Run as a program of its own, `python -m cocoannot.cli.browser LOCK`: who starts it becomes the server.
"""

from __future__ import annotations

import os
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import suppress
from pathlib import Path

from cocoannot.files.lock import find_owner

_TIMEOUT = 600
_STEP = 0.2

# The server is on this machine, whatever proxy the environment names.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def open_when_ready(lock: Path) -> None:
    """Start the program that opens the page when the owner of `lock` answers. It is nobody's child: who calls this
    becomes gunicorn, which takes all its children for workers."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                os.execv(sys.executable, [sys.executable, "-m", __name__, str(lock), str(os.getppid())])
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def main(lock: Path) -> int:
    """Wait for the server, then open its page; returns the exit status."""
    url = _url_when_ready(lock, time.monotonic() + _TIMEOUT)
    if url is None or not webbrowser.open(url):
        where = f"open {url} yourself" if url else "the server did not come up"
        print(f"cocoannot: no browser was opened; {where}", file=sys.stderr)
        return 1
    return 0


def _url_when_ready(lock: Path, deadline: float) -> str | None:
    while time.monotonic() < deadline:
        with suppress(OSError):
            owner = find_owner(lock)
            if owner is not None and owner.url and _is_ready(owner.url):
                return owner.url
        time.sleep(_STEP)
    return None


def _is_ready(url: str) -> bool:
    request = urllib.request.Request(f"{url}/readyz", headers={"Host": "localhost"})
    try:
        with _open(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
