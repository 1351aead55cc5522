"""The layers of one dataset in their folder: which there are, and how one comes and goes. A layer's own files are in
`cocoannot.predictions.layer`; what predictions mean is not known here.

An upload is written beside the layers, read, and then takes the place of the one that has its name, at once. Of two at
once, the one that ends last stays. Who has a layer in hand keeps it, whatever becomes of the folder.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from cocoannot.errors import Conflict, DatasetError, InvalidRecord, NotLoaded, SaveError, UnknownId
from cocoannot.files.atomic import NewFile, clear_all_unfinished
from cocoannot.files.disk_errors import save_error
from cocoannot.predictions.layer import Layer, Paths, Read, keep_columns, read_layer, read_new, remove, take
from cocoannot.predictions.reading import Look

MOST_LAYERS = 100

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""A regular expression for the names of layers, which are those of files."""

Check = Callable[[Read], object]
"""Raises what is wrong with predictions that were read, as a whole."""


class Layers:
    """The layers in `folder`, once it is known. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        # Guards the names and the folder's files; held for moments, and while a layer is read for the first time.
        self._lock = threading.RLock()
        self._layers: dict[str, Layer | None] = {}

    def start(self, folder: Path) -> None:
        """Find the layers in `folder`, which need not be there. Raises `DatasetError`."""
        try:
            if folder.is_dir():
                clear_all_unfinished(folder)
            paths = sorted(folder.glob("*.json"))
        except OSError as exc:
            raise DatasetError(f"can't read {folder}: {exc.strerror}") from exc
        with self._lock:
            self._folder = folder
            self._layers = {path.stem: None for path in paths if is_name(path.stem)}

    def names(self) -> list[str]:
        """The names of all layers, in order."""
        with self._lock:
            return sorted(self._layers)

    def get(self, name: str) -> Layer:
        """The layer `name`. Raises `UnknownId`; `SaveError` where its files can't be read."""
        with self._lock:
            if name not in self._layers:
                raise UnknownId(
                    f"there is no layer of predictions named {name!r:.120}; GET /api/predictions lists them"
                )
            layer = self._layers[name]
            if layer is None:
                paths = self._paths(name)
                try:
                    layer = self._layers[name] = read_layer(name, paths)
                except DatasetError as exc:
                    raise SaveError(f"{paths.predictions} is damaged: {exc}; upload the layer again") from exc
                except OSError as exc:
                    raise save_error(str(paths.predictions), exc, "upload the layer again") from exc
            return layer

    def put(self, name: str, blocks: Iterable[bytes], look: Look, check: Check) -> tuple[Layer, bool]:
        """Make what `blocks` bring the layer `name`; returns also whether there was none before.

        Raises `InvalidRecord` for a bad name, `Conflict` where there are too many layers, what `read_new` and `check`
        raise, `SaveError`: then all is as before. What reading the blocks raises is raised.
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
                with self._lock:
                    self._check_room(name)
                    keep_columns(paths, new.path, read)
                    take(paths, new.path)
                    is_new = name not in self._layers
                    self._layers[name] = None
                    layer = self._layers[name] = Layer(name, paths, read)
                    return layer, is_new
        except OSError as exc:
            raise save_error(f"layer {name}", exc, "nothing was imported") from exc

    def delete(self, name: str) -> None:
        """Take the layer `name` away. Raises `UnknownId`, `SaveError`."""
        with self._lock:
            if name not in self._layers:
                self.get(name)
            paths = self._paths(name)
            try:
                remove(paths)
            except OSError as exc:
                raise save_error(f"{paths.predictions.parent}", exc, "the layer is still there") from exc
            finally:
                if not paths.predictions.exists():
                    self._layers.pop(name, None)

    def is_there(self, layer: Layer) -> bool:
        """Whether `layer` is still the one of its name."""
        with self._lock:
            return self._layers.get(layer.name) is layer

    def _check_room(self, name: str) -> None:
        with self._lock:
            if name not in self._layers and len(self._layers) >= MOST_LAYERS:
                raise Conflict(f"there are {MOST_LAYERS} layers already; delete one first")

    def _paths(self, name: str) -> Paths:
        if self._folder is None:
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        return Paths.of(self._folder, name)


def is_name(name: str) -> bool:
    """Whether a layer may have this name."""
    return re.fullmatch(NAME, name) is not None
