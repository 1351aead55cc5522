"""Who finds outlines: GrabCut for a box, a model for clicks. Bounded in memory, and in what runs at once.

Where pictures come from is the caller's business.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from cocoannot.assist.grabcut import object_in_box
from cocoannot.assist.masks import Found, found, resized, tidied
from cocoannot.assist.model import Embedding, Model, Prompt
from cocoannot.errors import Conflict, TooMany

MOST_BYTES = 256 << 20
"""How much memory the embeddings of pictures may take; one of SAM's takes 4 MiB."""

_COME_AGAIN = 1.0

Jpeg = Callable[[int | None], tuple[bytes, str]]
"""A JPEG of the picture, at most so many pixels long (`None`: as it is), and a key that changes with the picture."""


class Assistant:
    """One application's. `at_once` requests may be here, of which one is worked on."""

    def __init__(self, files: tuple[Path, Path] | None, at_once: int, most_bytes: int = MOST_BYTES) -> None:
        self._files = files
        self._most_bytes = most_bytes
        self._model: Model | None = None
        self._places = threading.BoundedSemaphore(at_once)
        # One at a time; guards the embeddings too.
        self._working = threading.Lock()
        self._embeddings: OrderedDict[str, Embedding] = OrderedDict()

    def start(self) -> None:
        """Load the model, where one is named. Raises `ConfigError`."""
        if self._files is not None:
            self._model = Model(*self._files)

    @property
    def finds_by_box(self) -> bool:
        """Whether OpenCV is installed."""
        return find_spec("cv2") is not None

    @property
    def finds_by_points(self) -> bool:
        """Whether there is a model."""
        return self._model is not None and self.finds_by_box

    @property
    def kept_bytes(self) -> int:
        """How much memory the embeddings take that are kept."""
        return sum(embedding.nbytes for embedding in self._embeddings.values())

    def in_box(self, jpeg: Jpeg, size: tuple[int, int], box: tuple[float, float, float, float]) -> Found | None:
        """The object in a box of a picture of `size` (width, height); `None` where nothing stands out.

        Raises `Conflict` where that can't be done, `TooMany`, and what `jpeg` raises.
        """
        if not self.finds_by_box:
            raise Conflict("the server can't find objects in boxes: it needs `pip install 'cocoannot[assist]'`")
        with self._place():
            picture = _opened(jpeg(None)[0], size)
            mask = object_in_box(picture, box)
        return None if mask is None else found(mask, None)

    def by_points(self, jpeg: Jpeg, size: tuple[int, int], prompt: Prompt) -> Found | None:
        """The object that a model sees at some points; raises as `in_box` does."""
        if self._model is None or not self.finds_by_box:
            raise Conflict("the server has no model that finds objects by clicks: COCOANNOT_ASSIST names one")
        with self._place():
            embedding = self._embedding(self._model, jpeg, size)
            mask, score = self._model.decode(embedding, prompt, *size)
            return found(resized(tidied(mask), *size), round(score, 4))

    def _embedding(self, model: Model, jpeg: Jpeg, size: tuple[int, int]) -> Embedding:
        data, key = jpeg(model.side)
        embedding = self._embeddings.get(key)
        if embedding is None:
            embedding = self._embeddings[key] = model.encode(_opened(data, size, model.side))
            while len(self._embeddings) > 1 and self.kept_bytes > self._most_bytes:
                self._embeddings.popitem(last=False)
        self._embeddings.move_to_end(key)
        return embedding

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise TooMany("many ask for outlines at the moment; try again", _COME_AGAIN)
        try:
            with self._working:
                yield
        finally:
            self._places.release()


def _opened(data: bytes, size: tuple[int, int], longest: int | None = None) -> Image.Image:
    """The picture, which must have the shape of its record: else what is found is not where it seems to be."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    scale = 1.0 if longest is None else min(1.0, longest / max(size))
    if any(abs(side - scale * expected) > 1 for side, expected in zip(picture.size, size, strict=True)):
        raise Conflict(
            f"the picture is not {size[0]} x {size[1]} pixels, as its record says, or it is turned: "
            "outlines can't be found"
        )
    return picture
