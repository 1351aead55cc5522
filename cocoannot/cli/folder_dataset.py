"""The dataset of a folder of pictures: the one that is there, or a new one beside the pictures.

    FOLDER/annotations.json     what is made, and what is opened where it is there
    FOLDER/*.json               one that is a COCO dataset is opened, too, and so is one in FOLDER/annotations

Nothing that is there is ever written over. Serving it is not done here.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from cocoannot.coco.fields import CATEGORY
from cocoannot.errors import ConfigError, DatasetError
from cocoannot.files.atomic import create_file
from cocoannot.files.disk_errors import save_error
from cocoannot.pictures.folder import PictureFolder
from cocoannot.pictures.scanning import NewPictures, Progress, find_new

NAME = "annotations.json"

_IS_COCO = re.compile(rb'"images"\s*:\s*\[')
_MOST_NAMED = 5


def dataset_in(folder: Path) -> Path | None:
    """The dataset in a folder of pictures, `None` where there is none.

    Raises `DatasetError` where there are several to choose from, or where what has its name is none.
    """
    target = folder / NAME
    if target.exists():
        if not target.is_file() or not _is_coco(target):
            raise DatasetError(
                f"{target} is no COCO dataset, and is never written over: give it another name, or the path of the "
                "dataset that you mean"
            )
        return target
    found = [path for place in (folder, folder / "annotations") for path in sorted(place.glob("*.json"))]
    found = [path for path in found if path.is_file() and _is_coco(path)]
    if len(found) > 1:
        named = ", ".join(path.relative_to(folder).as_posix() for path in found[:_MOST_NAMED])
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise DatasetError(f"there are {len(found)} COCO datasets in {folder}: {named}{more}. Give the path of one")
    return found[0] if found else None


def make_dataset(folder: Path, categories: Sequence[str], progress: Progress, *, follow_links: bool) -> NewPictures:
    """Make `FOLDER/annotations.json` of all pictures in the folder; returns which these are.

    Raises `UnknownId` where the folder can't be read, `SaveError` where it can't be written, `DatasetError` where
    there is a file of that name by then.
    """
    target = folder / NAME
    pictures = find_new(PictureFolder(folder, follow_links=follow_links), list, [], progress)
    text = _text(folder, pictures, categories)
    try:
        create_file(target, text.encode())
    except FileExistsError as exc:
        raise DatasetError(f"{target} was made by somebody else meanwhile; it is left as it is, start again") from exc
    except OSError as exc:
        advice = (
            "a dataset is made beside its pictures; for one elsewhere, set COCOANNOT_CREATE=1, give the path of the "
            "new file, and the folder as --images. Then `cocoannot scan` adds the pictures"
        )
        raise save_error(str(target), exc, advice) from exc
    return pictures


def category_names(text: str) -> list[str]:
    """The names in `text`, between commas. Raises `ConfigError`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"--categories: {name!r} is there twice; give each name once")
        if problem := CATEGORY["name"].problem(name):
            raise ConfigError(f"--categories: {name[:50]!r} {problem}")
    return names


def _is_coco(path: Path) -> bool:
    """Whether the file at `path` has a list of images, as COCO has it; what else is wrong with it is found later."""
    with (
        suppress(OSError, ValueError),
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data,
    ):
        return _IS_COCO.search(data) is not None
    return False


def _text(folder: Path, pictures: NewPictures, categories: Sequence[str]) -> str:
    """One line a record, so that `diff` shows one line for each that was edited."""
    today = date.today()
    info = {"description": folder.resolve().name, "year": today.year, "date_created": today.strftime("%Y/%m/%d")}
    images = [
        {"id": number, "file_name": name, "width": size.width, "height": size.height}
        for number, (name, size) in enumerate(pictures.found, 1)
    ]
    named = [{"id": number, "name": name, "supercategory": "none"} for number, name in enumerate(categories, 1)]
    sections: dict[str, list[Any]] = {"licenses": [], "images": images, "annotations": [], "categories": named}
    lines = [f'{{\n"info": {_json(info)}']
    for key, records in sections.items():
        lines.append(f'"{key}": [' + ("\n" + ",\n".join(map(_json, records)) + "\n]" if records else "]"))
    return ",\n".join(lines) + "\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
