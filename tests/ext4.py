"""A real ext4 whose power can be cut at any moment, on a loop device. What a disk has in its own cache is not lost."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from servers import until

_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2
"""`EXT4_IOC_SHUTDOWN`, and the way of it in which ext4's own journal is not written out first."""

_missing = [tool for tool in ("mkfs.ext4", "losetup", "mount", "umount", "sync") if shutil.which(tool) is None]
_reason = "only root may mount file systems" if os.geteuid() else f"not installed: {', '.join(_missing)}"
needs_ext4 = pytest.mark.skipif(bool(os.geteuid() or _missing), reason=_reason)


class Disk:
    """A file system of 64 MiB, mounted at `folder`. Skips the test where there can be none."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.folder = folder
        self._loop = ""
        with image.open("wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        folder.mkdir()
        try:
            self._loop = _run_or_skip("losetup", "--find", "--show", image)
            self._mount()
        except BaseException:
            self.remove()
            raise

    def cut(self) -> None:
        """Cut the power: whatever is not on the disk by now is lost, and every later write fails."""
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def boot(self) -> None:
        """Unmount it, once nobody has a file open there, and mount it again: ext4 replays its own journal."""
        until(self._unmounted, f"{self.folder} can be unmounted")
        self._mount()

    def commit(self) -> None:
        """Make names and sizes durable, though not what is in the files: ext4 does so when anybody fsyncs anything."""
        with (self.folder / "unrelated").open("ab", buffering=0) as file:
            file.write(b".")
            os.fsync(file.fileno())

    def write_out(self) -> subprocess.Popen[bytes]:
        """Begin to write everything out, in whatever order the kernel chooses."""
        return subprocess.Popen(["sync", "--file-system", self.folder], stderr=subprocess.DEVNULL)

    def sync(self) -> None:
        """Make everything durable."""
        assert self.write_out().wait() == 0

    def remove(self) -> None:
        """Leave neither a mount nor a loop device behind, whatever happened before."""
        try:
            until(self._unmounted, f"{self.folder} can be unmounted")
        except AssertionError:
            subprocess.run(["umount", "--lazy", self.folder], check=True)
            raise
        finally:
            if self._loop:
                subprocess.run(["losetup", "--detach", self._loop], check=True)

    def _mount(self) -> None:
        # Without the option the kernel makes up for an fsync that was forgotten before a rename.
        _run_or_skip("mount", "-o", "noauto_da_alloc", self._loop, str(self.folder))

    def _unmounted(self) -> bool:
        return not self.folder.is_mount() or not subprocess.run(["umount", self.folder], capture_output=True).returncode


def _run_or_skip(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{command[0]} does not work here: {done.stderr.strip()}")
    return done.stdout.strip()
