"""The layers of one dataset in their folder: which there are, and how one comes and goes. A layer's own files are in
`cocoannot.predictions.layer`; what predictions mean is not known here.

Other processes change the folder too. So each method looks at it, and reads a layer again whose file is another one.
An upload is written beside the layers, read, and then takes the place of the one that has its name, at once. Of two at
once, the one that ends last stays. Who has a layer in hand keeps it, whatever becomes of the folder.
"""

from __future__ import annotations

import os
import re
import threading
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from cocoannot.coco.parser import Ints
from cocoannot.errors import CocoannotError, Conflict, DatasetError, InvalidRecord, NotLoaded, SaveError, UnknownId
from cocoannot.files.atomic import NewFile, clear_all_unfinished
from cocoannot.files.disk_errors import save_error
from cocoannot.predictions.layer import Layer, Paths, Read, Stamp, columns_file, read_layer, read_new, remove, take
from cocoannot.predictions.processes import Turn
from cocoannot.predictions.reading import Look

MOST_LAYERS = 100

_WAIT = 10.0
"""Seconds to wait for somebody else who changes files, which takes moments."""

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""A regular expression for the names of layers, which are those of files."""

Check = Callable[[Read], object]
"""Raises what is wrong with predictions that were read, as a whole."""


class Layers:
    """The layers in `folder`, once it is known. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        # For who changes a file of a layer.
        self._turn = Turn(_WAIT)
        # One thread reads a layer, and the others wait for it.
        self._reading = threading.Lock()
        self._layers: dict[str, Layer] = {}

    def start(self, folder: Path) -> None:
        """Find the layers in `folder`, which need not be there. Raises `DatasetError`."""
        try:
            if folder.is_dir():
                clear_all_unfinished(folder)
            _names_in(folder)
        except OSError as exc:
            raise DatasetError(f"can't read {folder}: {exc.strerror}") from exc
        self._turn.start(folder.with_name(f"{folder.name}.lock"))
        self._folder = folder

    def names(self) -> list[str]:
        """The names of all layers, in order. Raises `SaveError` where the folder can't be read."""
        if self._folder is None:
            return []
        try:
            names = _names_in(self._folder)
        except OSError as exc:
            raise save_error(str(self._folder), exc, "nothing was changed") from exc
        for gone in set(self._layers).difference(names):
            self._layers.pop(gone, None)
        return names

    def stamp(self, name: str) -> Stamp:
        """What tells the file of the layer `name` from others. Raises `UnknownId`, `SaveError`."""
        paths = self._paths(name)
        try:
            # Only what can be a name is looked for.
            if is_name(name):
                return Stamp.of(paths.predictions.stat())
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as exc:
            raise save_error(str(paths.predictions), exc, "nothing was changed") from exc
        raise _unknown(name)

    def get(self, name: str) -> Layer:
        """The layer `name`, as any process left it. Raises `UnknownId`, `Unavailable`, `SaveError`."""
        stamp, paths = self.stamp(name), self._paths(name)
        layer = self._layers.get(name)
        try:
            if layer is None or layer.stamp != stamp:
                with self._reading:
                    layer = self._layers.get(name)
                    if layer is None or layer.stamp != self.stamp(name):
                        layer = self._read(name, paths)
            layer.look()
            return layer
        except FileNotFoundError as exc:
            raise _unknown(name) from exc
        except DatasetError as exc:
            raise SaveError(f"{paths.predictions} is damaged: {exc}; upload the layer again") from exc
        except OSError as exc:
            raise save_error(str(paths.predictions), exc, "upload the layer again") from exc

    def put(self, name: str, blocks: Iterable[bytes], look: Look, check: Check) -> tuple[Layer, bool]:
        """Make what `blocks` bring the layer `name`; returns also whether there was none before.

        Raises `InvalidRecord` for a bad name, `Conflict` where there are too many layers, what `read_new` and `check`
        raise, `SaveError`, `Unavailable`: then all is as before. What reading the blocks raises is raised.
        """
        if not is_name(name):
            raise InvalidRecord(
                {
                    "name": [
                        "must have 1 to 100 characters of a-z, A-Z, 0-9, dot, hyphen and underscore, and begin with a "
                        "letter or a digit"
                    ]
                }
            )
        self._check_room(name)
        paths = self._paths(name)
        try:
            paths.predictions.parent.mkdir(parents=True, exist_ok=True)
            with NewFile(paths.predictions.with_name(f"{uuid.uuid4().hex}.upload")) as new:
                content = new.write(blocks)
                read = read_new(new.path, content.sha256, look)
                check(read)
                with columns_file(new.path, read) as columns, self._turn.taken():
                    is_new = self._check_room(name)
                    take(paths, new.path, columns)
                    layer = self._layers[name] = Layer(name, paths, read)
                    return layer, is_new
        except OSError as exc:
            raise save_error(f"layer {name}", exc, "nothing was imported") from exc

    def reject(self, layer: Layer, rows: Ints, *, rejected: bool = True) -> None:
        """Remember that predictions of `layer` were rejected, or are no more, beside what others do.

        Raises `Conflict` where it is not the layer of its name any more, `SaveError`, `Unavailable`.
        """
        if not len(rows):
            return
        with self._turn.taken():
            try:
                if self.stamp(layer.name) != layer.stamp:
                    raise Conflict(f"the layer {layer.name} was replaced meanwhile; look again, then decide")
                layer.reject(rows, rejected=rejected)
            except OSError as exc:
                raise save_error(f"what was rejected of {layer.name}", exc, "nothing was rejected; try again") from exc

    def delete(self, name: str) -> None:
        """Take the layer `name` away. Raises `UnknownId`, `SaveError`, `Unavailable`."""
        self.stamp(name)
        with self._turn.taken():
            self.stamp(name)
            paths = self._paths(name)
            try:
                remove(paths)
            except OSError as exc:
                raise save_error(f"{paths.predictions.parent}", exc, "the layer is still there") from exc
        self._layers.pop(name, None)

    def _read(self, name: str, paths: Paths) -> Layer:
        """Read a layer, and keep what that may save next time."""
        # Those that are gone meanwhile go too.
        self.names()
        layer, is_kept = read_layer(name, paths)
        self._layers[name] = layer
        if not is_kept:
            # It takes longer to read it again, and that is all.
            with suppress(OSError, CocoannotError):
                self._keep_columns(layer, paths)
        return layer

    def _keep_columns(self, layer: Layer, paths: Paths) -> None:
        read = Read(layer.version, layer.columns)
        with columns_file(paths.predictions, read) as columns, self._turn.taken():
            if self.stamp(layer.name) == layer.stamp:
                os.rename(columns, paths.columns)

    def _check_room(self, name: str) -> bool:
        """Whether there is no such layer yet. Raises `Conflict` where there are too many others."""
        names = self.names()
        if name not in names and len(names) >= MOST_LAYERS:
            raise Conflict(f"there are {MOST_LAYERS} layers already; delete one first")
        return name not in names

    def _paths(self, name: str) -> Paths:
        if self._folder is None:
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        return Paths.of(self._folder, name)


def _names_in(folder: Path) -> list[str]:
    """The names of the layers in `folder`, in order. Raises `OSError`."""
    try:
        stems = [file.removesuffix(".json") for file in os.listdir(folder) if file.endswith(".json")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(filter(is_name, stems))


def is_name(name: str) -> bool:
    """Whether a layer may have this name."""
    return re.fullmatch(NAME, name) is not None


def _unknown(name: str) -> UnknownId:
    return UnknownId(f"there is no layer of predictions named {name!r:.120}; GET /api/predictions lists them")
