"""A program that stands for `flask` or `python` in an environment, so that what a shell starts is warm too.

It asks the warm process (warm_starts.py) at `WARM_STARTS` to be the program, passes signals on, and ends as that does.
Whatever else `python` is to run is run by the real one. It imports little, for its own start is to take no time.
"""

import json
import os
import signal
import socket
import sys

MODULES = ("flask", "cocoannot")
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main() -> None:
    """Be the program of this file's name."""
    name, *args = sys.argv
    if os.path.basename(name) == "python" and (args[:1] != ["-m"] or args[1] not in MODULES):
        os.execv(sys.executable, [sys.executable, *args])
    command = [sys.executable if os.path.basename(name) == "python" else name, *args]
    request = {"command": command, "cwd": os.getcwd(), "env": dict(os.environ)}
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel.connect("\0" + os.environ["WARM_STARTS"])
    socket.send_fds(channel, [json.dumps(request).encode()], [0, 1, 2])
    pid = int(channel.recv(64))
    for number in PASSED_ON:
        signal.signal(number, lambda number, frame: os.killpg(pid, number))
    status = os.waitstatus_to_exitcode(int(channel.recv(64)))
    # As a shell tells of a signal.
    sys.exit(status if status >= 0 else 128 - status)


main()
