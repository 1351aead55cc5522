"""`flask predictions`: the running server is asked; where none runs, it is done here."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import quote

import click
from flask.cli import AppGroup

from cocoannot.cli.output import errors_in_one_line, print_answer
from cocoannot.cli.server_client import ask, ask_named, ask_status, call, downloading, named_server, send, server_option
from cocoannot.errors import DatasetError
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner
from cocoannot.predictions.columns import KINDS
from cocoannot.predictions.deciding import Chosen
from cocoannot.predictions.evaluation import evaluate as run_evaluation
from cocoannot.predictions.layers import Layers
from cocoannot.predictions.matching import COVERS
from cocoannot.predictions.predictions import Predictions
from cocoannot.store.memory.maintenance import MemoryMaintenance
from cocoannot.store.memory.store import MemoryStore

_BLOCK = 1 << 20

Command = TypeVar("Command", bound=Callable[..., Any])

predictions = AppGroup(
    "predictions",
    help="""Bring in what a model says, accept and evaluate it.

    Predictions are kept in layers beside the dataset, never in its file. If a server runs on the dataset, it is asked.
    """,
)


def _as_json(command: Command) -> Command:
    return server_option(click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command))


@predictions.command("add")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_as_json
@errors_in_one_line
def add(name: str, file: Path, as_json: bool) -> None:
    """Add the predictions in FILE as the layer NAME.

    FILE is a list of results as COCO has it, or a dataset whose annotations have a score. A layer of this name is
    replaced. If anything is wrong with FILE, nothing is imported.
    """
    size = file.stat().st_size
    with file.open("rb") as opened, _progress(f"Reading {file.name}", size) as step:
        owner = _owner()
        if owner is not None:
            told = send(owner, "PUT", _path(name), _Watched(opened, step), size)
        else:
            with _here() as (_, here):
                told = here.put(name, _blocks(_Watched(opened, step))).told
    print_answer(_plain(told), f"Added {_line(_plain(told))}", as_json)


@predictions.command("list")
@_as_json
@errors_in_one_line
def list_layers(as_json: bool) -> None:
    """List the layers, and what became of their predictions."""
    owner = _owner()
    if owner is not None:
        layers = ask(owner, "GET", "/api/predictions")
    else:
        with _here() as (_, here):
            layers = [_plain(told) for told in here.all_told()]
    print_answer(layers, "\n".join(map(_line, layers)) or "There are no predictions", as_json)


@predictions.command("remove")
@click.argument("name")
@_as_json
@errors_in_one_line
def remove(name: str, as_json: bool) -> None:
    """Remove the layer NAME; annotations that came of it stay."""
    owner = _owner()
    if owner is not None:
        ask(owner, "DELETE", _path(name))
    else:
        file = _file()
        with MemoryMaintenance(file).owned():
            layers = Layers()
            layers.start(file.predictions)
            layers.delete(name)
    print_answer({"removed": name}, f"Removed {name}", as_json)


@predictions.command("accept")
@click.argument("name")
@click.option("--min-score", type=float, required=True, help="Accept those with at least this score.")
@click.option("--image", "image_id", type=int, help="Only those on the image with this id.")
@click.option(
    "--max-iou",
    type=click.FloatRange(0, 1, min_open=True),
    default=COVERS,
    show_default=True,
    help="Leave out those that have so much or more with an annotation of their category.",
)
@_as_json
@errors_in_one_line
def accept(name: str, min_score: float, image_id: int | None, max_iou: float, as_json: bool) -> None:
    """Make annotations of the predictions in the layer NAME, as one change.

    Predictions that an annotation covers already (same category, IoU at least --max-iou), that were accepted or
    rejected before, or whose image or category is gone, are left out. The change can be undone.
    """
    owner = _owner()
    if owner is not None:
        chosen = {"min_score": min_score, "max_iou": max_iou, **({} if image_id is None else {"image_id": image_id})}
        answer = call(owner, "POST", f"{_path(name)}/accept", chosen)
        answer = {"accepted": answer["accepted"], "left_out": answer["left_out"]}
    else:
        with _here() as (store, here):
            made = here.decisions.accept(name, Chosen(None, image_id, min_score, max_iou), None, store.commit)
            store.save()
        answer = {"accepted": len(made.committed.results), "left_out": made.left_out}
    text = f"Accepted {answer['accepted']} prediction(s) of {name}, left out {answer['left_out']}"
    print_answer(answer, text, as_json)


@predictions.command("evaluate")
@click.argument("name")
@click.option("--iou", type=click.Choice(KINDS), help="What is compared. Default: what the layer's predictions are.")
@_as_json
@errors_in_one_line
def evaluate(name: str, iou: str | None, as_json: bool) -> None:
    """Compare the layer NAME with the annotations, by COCO's average precision.

    pycocotools computes it, in a process of its own: `pip install 'cocoannot[evaluate]'`. All predictions count,
    whatever became of them.
    """
    file = _file()
    with tempfile.TemporaryDirectory(prefix="cocoannot-") as folder:
        dataset, copy = Path(folder) / "dataset.json", Path(folder) / "predictions.json"
        owner = _owner()
        if owner is not None:
            told = call(owner, "GET", _path(name))
            _copy(file, name, copy)
            with dataset.open("wb") as target, downloading(owner, "/api/dataset/export") as response:
                shutil.copyfileobj(response, target, 1 << 20)
        else:
            with _here() as (store, here):
                told = here.told(here.layers.get(name))
                _copy(file, name, copy)
                with dataset.open("wb") as target:
                    target.writelines(store.export().blocks)
        if not told["predictions"]:
            raise DatasetError(f"the layer {name} has no predictions")
        if sys.stderr.isatty():
            click.echo("Evaluating ...", err=True)
        answer = {"layer": name, **run_evaluation(dataset, copy, iou or _kind(told))}
    print_answer(answer, "\n".join(_figures(answer)), as_json)


def _kind(told: Mapping[str, Any]) -> str:
    kinds: Sequence[str] = told["kinds"]
    if len(kinds) > 1:
        raise DatasetError(f"the layer has {' and '.join(kinds)}; say by --iou which of them is to be compared")
    return kinds[0]


def _copy(file: DatasetFile, name: str, target: Path) -> None:
    """A copy of a layer that is there, which nobody replaces meanwhile."""
    shutil.copyfile(file.predictions / f"{name}.json", target)


def _file() -> DatasetFile:
    return runtime().own_folder()


def _owner() -> Owner | None:
    """The server that serves the dataset, `None` where none does. Raises `OwnedElsewhere`, `DatasetError`."""
    if (server := named_server()) is not None:
        ask_named(server)
        return server
    file = _file()
    owner = MemoryMaintenance(file).owner()
    if owner is not None:
        ask_status(owner, file)
    return owner


@contextmanager
def _here() -> Iterator[tuple[MemoryStore, Predictions]]:
    """The dataset and its layers, of which this process is the owner meanwhile."""
    file = _file()
    maintenance = MemoryMaintenance(file, runtime().history)
    if not maintenance.exists:
        raise DatasetError(f"{file.name} does not exist; correct COCOANNOT_DATASET")
    with maintenance.owned(), closing(maintenance.load()) as store:
        here = Predictions(lambda: store)
        here.start(file.predictions)
        yield store, here


def _path(name: str) -> str:
    return f"/api/predictions/{quote(name, safe='')}"


class _Watched:
    """A file that tells how much of it was read."""

    def __init__(self, file: IO[bytes], step: Callable[[int], None]) -> None:
        self._file = file
        self._step = step

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self._step(len(block))
        return block


def _blocks(file: _Watched) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


@contextmanager
def _progress(label: str, size: int) -> Iterator[Callable[[int], None]]:
    """A bar for people who look on, which is told of bytes."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    with click.progressbar(length=size, label=label, file=sys.stderr) as bar:
        yield bar.update


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """A layer as JSON has it."""
    return {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in told.items()}


def _line(told: Mapping[str, Any]) -> str:
    if "problem" in told:
        return f"{told['name']}: {told['problem']}"
    states = [f"{told[state]} {state}" for state in ("open", "accepted", "rejected", "missing") if told[state]]
    scores = f", scores {told['min_score']:g} to {told['max_score']:g}" if told["predictions"] else ""
    head = f"{told['name']}: {told['predictions']} prediction(s) on {told['images']} image(s){scores}"
    return f"{head}; {', '.join(states)}" if states else head


def _figures(answer: Mapping[str, Any]) -> Iterator[str]:
    left_out = f", {answer['left_out']} left out, whose images are gone" if answer["left_out"] else ""
    yield f"{answer['layer']}: {answer['predictions']} predictions{left_out}; {answer['iou']}, {answer['evaluator']}"
    width = max([len("category"), *(len(each["name"]) for each in answer["categories"])])
    yield f"{'category':{width}}      AP    AP50    AP75  annotations"
    total = {"name": "all", **answer, "annotations": sum(each["annotations"] for each in answer["categories"])}
    for each in (total, *answer["categories"]):
        figures = "".join(f"{_share(each[name]):>8}" for name in ("ap", "ap50", "ap75"))
        yield f"{each['name']:{width}}{figures}{each['annotations']:13}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
