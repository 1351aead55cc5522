"""Datasets as files of a command: read by the rules of a file, and written as new files, all of them or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from cocoannot.coco.parser import Document, read_document
from cocoannot.coco.serializer import Piece, split
from cocoannot.errors import Conflict, DatasetError, OwnedElsewhere, SaveError
from cocoannot.files.atomic import NewFile, sync_folder
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import describe, find_owner
from cocoannot.files.packing import has_packed_name, is_packed, pack, unpack


def read_text(path: Path) -> bytes:
    """The JSON text in a file, which may be gzip. Raises `DatasetError`."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise DatasetError(f"can't read {path}: {exc.strerror or exc}") from exc
    return unpack(data, str(path)) if is_packed(path, data) else data


def read_file(path: Path) -> Document:
    """The dataset in a file. Raises `DatasetError`."""
    return read_document(read_text(path), str(path))


def check_outputs(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Raise `Conflict` or `OwnedElsewhere` where these files are not to be written; nothing was written then."""
    seen = set()
    for path in paths:
        if path in seen:
            raise Conflict(f"{path} is named twice; give each output a name of its own")
        seen.add(path)
        if path.is_dir():
            raise Conflict(f"{path} is a folder; give the name of a file")
        if not path.parent.is_dir():
            raise Conflict(f"there is no folder {path.parent} to write {path.name} to; make it first")
        if path.exists() or path.is_symlink():
            if not overwrite:
                raise Conflict(f"{path} is there already; give another name, or --overwrite")
            file = DatasetFile(path.absolute())
            if (owner := find_owner(file.lock.path)) is not None:
                raise OwnedElsewhere(f"{path} is served by {describe(owner)}; stop it first, or give another name")


def write_files(texts: Mapping[Path, Iterable[Piece]], *, overwrite: bool) -> None:
    """Write all of `texts`, durably, or none of them.

    Raises as `check_outputs`, and `SaveError`.
    """
    check_outputs(texts, overwrite=overwrite)
    done: list[Path] = []
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(NewFile(path)) for path in texts]
            for file, pieces in zip(files, texts.values(), strict=True):
                blocks = split(pieces)
                file.write(pack(blocks) if has_packed_name(file.target) else blocks)
            check_outputs(texts, overwrite=overwrite)
            for file in files:
                file.replace()
                done.append(file.target)
        for folder in {path.parent for path in texts}:
            sync_folder(folder)
    except OSError as exc:
        if not overwrite:
            for path in done:
                path.unlink(missing_ok=True)
        names = ", ".join(map(str, texts))
        raise SaveError(f"can't write {names}: {exc.strerror or exc}") from exc
