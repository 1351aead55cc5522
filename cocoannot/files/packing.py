"""Files that are gzip, by name and content: the text that they hold, and a text as they hold it. No disk.

A file whose name ends in `.gz` and that is plain text all the same is left so.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

from cocoannot.errors import DatasetError
from cocoannot.files.hashing import Block

_MAGIC = b"\x1f\x8b"
_LEVEL = 6
_GZIP = 31
"""zlib's number for gzip with the largest window. Its header has no time and no name: the same text, the same bytes."""

_BLOCK = 1 << 20
_PLAUSIBLE = 256 << 20
_MOST_TIMES = 300
"""JSON becomes 5 to 30 times smaller. What is much more than that, and large, was made to fill the memory."""


def has_packed_name(path: Path) -> bool:
    """Whether what is written to `path` for the first time is to be gzip."""
    return path.suffix.lower() == ".gz"


def is_packed(path: Path, data: bytes) -> bool:
    """Whether the file at `path`, which holds `data`, is to be unpacked."""
    return has_packed_name(path) and data.startswith(_MAGIC)


def unpack(data: bytes, name: str) -> bytes:
    """The text that a gzip file holds; `name` is that of the file in errors. Raises `DatasetError`."""
    try:
        return b"".join(_unpacked(data, name))
    except EOFError as exc:
        raise DatasetError(f"{name}: the gzip file was cut off; copy or download it again") from exc
    except (OSError, zlib.error) as exc:
        raise DatasetError(f"{name}: the gzip file is damaged ({exc}); copy or download it again") from exc


def _unpacked(data: bytes, name: str) -> Iterator[bytes]:
    size, most = 0, max(_PLAUSIBLE, _MOST_TIMES * len(data))
    with gzip.GzipFile(fileobj=BytesIO(data)) as file:
        while block := file.read(_BLOCK):
            if (size := size + len(block)) > most:
                raise DatasetError(
                    f"{name}: the gzip file holds more than {most >> 20} MiB in {len(data)} bytes, which no dataset "
                    "does; unpack it (gunzip) and see what is in it"
                )
            yield block


def pack(blocks: Iterable[Block]) -> Iterator[bytes]:
    """`blocks` as one gzip file, a block at a time."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for block in blocks:
        if packed := packer.compress(block):
            yield packed
    yield packer.flush()
