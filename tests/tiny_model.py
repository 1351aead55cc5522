"""A network of SAM's interface that is small enough to be made in a test, and does what is easy to foretell: it finds
what has the colour of the points inside, and not that of the points outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 256
"""What the encoder takes; SAM's take 1,024."""

CELL = 2
"""The embedding has a cell for so many pixels in each direction."""

NEAR = 1.2
"""Colours that are nearer to each other, in the encoder's normalised values squared, are the same."""

_FAR = 1e6
_CELLS = SIDE // CELL


def write_encoder(path: Path) -> None:
    """Each cell of the embedding is the mean colour of its pixels."""
    pool = helper.make_node("AveragePool", ["x"], ["embedding"], kernel_shape=[CELL, CELL], strides=[CELL, CELL])
    _save(
        path,
        [pool],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 3, _CELLS, _CELLS])],
        {},
    )


def write_decoder(path: Path, *, without: str = "") -> None:
    """Two masks, of which the second one, with the higher score, is what is meant. `without` leaves an input out."""
    numbers: dict[str, Any] = {
        "cell": np.array(CELL, np.float32),
        "last": np.array(_CELLS - 1, np.int64),
        "zero": np.array(0, np.int64),
        "swap": np.array([1, 0], np.int64),
        "first": np.array([0], np.int64),
        "one": np.array(1, np.float32),
        "none": np.array(0, np.float32),
        "far": np.array(_FAR, np.float32),
        "near": np.array(NEAR, np.float32),
        "margin": np.array(NEAR / 4, np.float32),
        "half": np.array(0.5, np.float32),
        "side": np.array(SIDE, np.float32),
        "axes": np.array([2, 3], np.int64),
        "starts": np.array([0, 0], np.int64),
        "head": np.array([1, 1], np.int64),
        "whole": np.array([1, 1, SIDE, SIDE], np.int64),
        "line": np.array([-1, 1, 1], np.int64),
        "colours": np.array([-1, 1, 1, 3], np.int64),
        "scores": np.array([[0.1, 0.9]], np.float32),
        "last_axis": np.array([-1], np.int64),
    }
    node = helper.make_node
    nodes = [
        # The colour of the cell at each point.
        node("Squeeze", ["point_coords", "first"], ["points"]),
        node("Div", ["points", "cell"], ["in_cells"]),
        node("Cast", ["in_cells"], ["whole_cells"], to=TensorProto.INT64),
        node("Max", ["whole_cells", "zero"], ["above"]),
        node("Min", ["above", "last"], ["within"]),
        node("Gather", ["within", "swap"], ["places"], axis=1),
        node("Squeeze", ["image_embeddings", "first"], ["embedding"]),
        node("Transpose", ["embedding"], ["cells"], perm=[1, 2, 0]),
        node("GatherND", ["cells", "places"], ["found"]),
        node("Reshape", ["found", "colours"], ["of_points"]),
        # How far each cell is from it; points of another label are far from all.
        node("Sub", ["cells", "of_points"], ["differences"]),
        node("Mul", ["differences", "differences"], ["squares"]),
        node("ReduceSum", ["squares", "last_axis"], ["distances"], keepdims=0),
        *_nearest("one", "in"),
        *_nearest("none", "out"),
        # What is like points of both kinds is outside.
        node("Sub", ["out_distance", "margin"], ["out_limit"]),
        node("Min", ["out_limit", "near"], ["limit"]),
        node("Sub", ["limit", "in_distance"], ["logits"]),
        # To the encoder's size, without what was filled up with zeros, to the picture's.
        node("Unsqueeze", ["logits", "starts_four"], ["four"]),
        node("Resize", ["four", "", "", "whole"], ["large"], mode="linear"),
        node("ReduceMax", ["orig_im_size"], ["longest"], keepdims=0),
        node("Div", ["side", "longest"], ["scale"]),
        node("Mul", ["orig_im_size", "scale"], ["scaled"]),
        node("Add", ["scaled", "half"], ["rounded"]),
        node("Cast", ["rounded"], ["ends"], to=TensorProto.INT64),
        node("Slice", ["large", "starts", "ends", "axes"], ["part"]),
        node("Cast", ["orig_im_size"], ["size"], to=TensorProto.INT64),
        node("Concat", ["head", "size"], ["sizes"], axis=0),
        node("Resize", ["part", "", "", "sizes"], ["meant"], mode="linear"),
        node("Neg", ["meant"], ["other"]),
        node("Concat", ["other", "meant"], ["masks"], axis=1),
        node("Identity", ["scores"], ["iou_predictions"]),
    ]
    numbers["starts_four"] = np.array([0, 1], np.int64)
    value = helper.make_tensor_value_info
    inputs = [
        value("image_embeddings", TensorProto.FLOAT, [1, 3, _CELLS, _CELLS]),
        value("point_coords", TensorProto.FLOAT, [1, "points", 2]),
        value("point_labels", TensorProto.FLOAT, [1, "points"]),
        value("mask_input", TensorProto.FLOAT, [1, 1, 4, 4]),
        value("has_mask_input", TensorProto.FLOAT, [1]),
        value("orig_im_size", TensorProto.FLOAT, [2]),
    ]
    outputs = [
        value("masks", TensorProto.FLOAT, [1, 2, "height", "width"]),
        value("iou_predictions", TensorProto.FLOAT, [1, 2]),
    ]
    _save(path, nodes, [each for each in inputs if each.name != without], outputs, numbers)


def _nearest(label: str, name: str) -> list[onnx.NodeProto]:
    """The distance of each cell to the nearest point that has this label."""
    node = helper.make_node
    return [
        node("Equal", ["point_labels", label], [f"{name}_is"]),
        node("Where", [f"{name}_is", "none", "far"], [f"{name}_away"]),
        node("Reshape", [f"{name}_away", "line"], [f"{name}_line"]),
        node("Add", ["distances", f"{name}_line"], [f"{name}_all"]),
        node("ReduceMin", [f"{name}_all"], [f"{name}_distance"], axes=[0], keepdims=0),
    ]


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    numbers: dict[str, Any],
) -> None:
    initializers = [numpy_helper.from_array(number, name) for name, number in numbers.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
