"""A model of the interface of SAM ("Segment Anything", 2023): an encoder that reads a picture once, and a decoder that
gives the object at some points. Both are ONNX files that the operator brings; onnxruntime runs them.

    encoder    1 x 3 x S x S, normalised, longest side S, zeros below and beside --> the embedding
    decoder    image_embeddings, point_coords, point_labels, mask_input, has_mask_input, orig_im_size
               --> masks (logits at orig_im_size), iou_predictions

The decoder's names are those of `export_onnx_model.py` of facebookresearch/segment-anything.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from cocoannot.assist.masks import Mask
from cocoannot.errors import ConfigError

Embedding = npt.NDArray[np.float32]

_MEAN, _DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of red, green and blue, 0 to 255: SAM's normalisation."""

_INPUTS = ("image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input", "orig_im_size")
_OUTPUTS = ("masks", "iou_predictions")
_USUAL_SIDE = 1024
_LONGEST = 2048
"""Masks are asked for at this size at most, in pixels: the model's own are far smaller."""

_MOST_THREADS = 4

_NOTHING, _CORNERS = -1, (2, 3)
"""Labels of points: none, and the corners of a box."""


class Prompt(NamedTuple):
    """What the object is to be found by, in pixels of the picture: points, with the label 1 for those in it and 0 for
    others, and a box `[x, y, width, height]`."""

    points: Sequence[tuple[float, float]]
    labels: Sequence[int]
    box: tuple[float, float, float, float] | None = None


class Model:
    """An encoder and a decoder. Safe from any thread, but slow: one call at a time makes the best use of a machine."""

    def __init__(self, encoder: Path, decoder: Path) -> None:
        """Load both. Raises `ConfigError`, which says what is missing."""
        self._encoder = _session(encoder)
        self._decoder = _session(decoder)
        (picture, *others) = self._encoder.get_inputs()
        if others or len(picture.shape) != 4 or picture.shape[1] != 3:
            raise ConfigError(
                f"COCOANNOT_ASSIST: the encoder {encoder.name} must take one input, 1 x 3 x side x side; it takes "
                + ", ".join(f"{each.name} {each.shape}" for each in self._encoder.get_inputs())
            )
        self._picture = picture.name
        self.side: int = picture.shape[2] if isinstance(picture.shape[2], int) else _USUAL_SIDE
        for has, wanted, what in (
            (self._decoder.get_inputs(), _INPUTS, "take"),
            (self._decoder.get_outputs(), _OUTPUTS, "give"),
        ):
            if missing := [name for name in wanted if name not in {each.name for each in has}]:
                raise ConfigError(f"COCOANNOT_ASSIST: the decoder {decoder.name} must {what} {', '.join(missing)}")
        (mask,) = [each for each in self._decoder.get_inputs() if each.name == "mask_input"]
        self._mask_shape = tuple(side if isinstance(side, int) else 0 for side in mask.shape)

    def encode(self, picture: Image.Image) -> Embedding:
        """The embedding of a picture in RGB."""
        width, height = _fitted(*picture.size, self.side)
        pixels = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float32)
        normal = (pixels - np.array(_MEAN, np.float32)) / np.array(_DEVIATION, np.float32)
        padded = np.zeros((1, 3, self.side, self.side), np.float32)
        padded[0, :, :height, :width] = normal.transpose(2, 0, 1)
        embedding: Embedding = self._encoder.run(None, {self._picture: padded})[0]
        return embedding

    def decode(self, embedding: Embedding, prompt: Prompt, width: int, height: int) -> tuple[Mask, float]:
        """The object in a picture of `width` x `height` pixels, as a mask of that shape or of a smaller one, and how
        sure the model is of it, from 0 to 1."""
        coordinates, labels = _points(prompt)
        wide, high = _fitted(width, height, self.side)
        coordinates = coordinates * np.array([wide / width, high / height], np.float32)
        size = _fitted(width, height, min(_LONGEST, max(width, height)))
        # A decoder that takes masks of any size: SAM's are four times as large as the embedding.
        shape = self._mask_shape if all(self._mask_shape) else (1, 1, *(4 * side for side in embedding.shape[2:]))
        masks, scores = self._decoder.run(
            list(_OUTPUTS),
            {
                "image_embeddings": embedding,
                "point_coords": coordinates[None],
                "point_labels": labels[None],
                "mask_input": np.zeros(shape, np.float32),
                "has_mask_input": np.zeros(1, np.float32),
                "orig_im_size": np.array([size[1], size[0]], np.float32),
            },
        )
        best = int(np.argmax(scores[0]))
        return masks[0, best] > 0, float(np.clip(scores[0, best], 0, 1))


def _points(prompt: Prompt) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    points, labels = [*prompt.points], [*prompt.labels]
    if prompt.box is None:
        points, labels = [*points, (0.0, 0.0)], [*labels, _NOTHING]
    else:
        x, y, width, height = prompt.box
        points, labels = [*points, (x, y), (x + width, y + height)], [*labels, *_CORNERS]
    return np.array(points, np.float32), np.array(labels, np.float32)


def _fitted(width: int, height: int, longest: int) -> tuple[int, int]:
    scale = longest / max(width, height)
    return max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as exc:
        raise ConfigError("COCOANNOT_ASSIST needs onnxruntime: pip install 'cocoannot[assist]'") from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(_MOST_THREADS, os.cpu_count() or 1)
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as exc:
        # onnxruntime has an error class of its own for each reason, and none above them.
        raise ConfigError(f"COCOANNOT_ASSIST: {path} can't be loaded: {str(exc).splitlines()[0]}") from exc
