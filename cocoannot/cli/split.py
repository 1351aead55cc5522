"""`flask split`: a COCO file in two parts, whole images each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cocoannot.cli.merge_files import overwrite_option
from cocoannot.cli.output import errors_in_one_line, print_answer, tell_of_work
from cocoannot.exchange.files import check_outputs, read_file, write_files
from cocoannot.exchange.splitting import split_dataset

_WORST = 5
"""Categories that are shown: those whose share is farthest from the fraction."""


def _fraction(context: click.Context, parameter: click.Parameter, value: float) -> float:
    # Not-a-number compares with nothing.
    if not 0 < value < 1:
        raise click.BadParameter("must be between 0 and 1")
    return value


@click.command("split")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--fraction", type=float, default=0.8, show_default=True, callback=_fraction, help="Share of the first part."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another number draws other images.")
@click.option(
    "--by", type=click.Choice(["category"]), help="Share out the annotations of each category as the images are."
)
@click.option(
    "-o",
    "--output",
    "outs",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="FIRST SECOND",
    help="The files to write.  [default: NAME-train.json and NAME-val.json beside FILE]",
)
@overwrite_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@errors_in_one_line
def split(
    file: Path,
    fraction: float,
    seed: int,
    by: str | None,
    outs: tuple[Path, Path] | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Split the COCO dataset in FILE into two files, for example to train and to validate.

    Each image goes to one of them, with its annotations; categories, info and licenses go to both. Records stay as they
    are, byte for byte. The same seed draws the same images on every machine.
    """
    outs = outs or _default_outputs(file)
    check_outputs(outs, overwrite=overwrite)
    document = read_file(file)
    tell_of_work(f"Splitting {file}", len(document.buffer))
    parts = split_dataset(document, fraction, seed, by_category=by == "category", name=str(file))
    write_files(dict(zip(outs, (part.pieces for part in parts), strict=True)), overwrite=overwrite)
    section = document.sections["categories"]
    names = dict(zip(section.keys["id"].tolist(), section.names, strict=True))
    categories = []
    for category_id in sorted({*parts[0].per_category, *parts[1].per_category}):
        counts = [part.per_category.get(category_id, 0) for part in parts]
        categories.append({"id": category_id, "name": names.get(category_id, ""), "annotations": counts})
    answer: dict[str, Any] = {
        "seed": seed,
        "fraction": fraction,
        "by": by,
        "parts": [
            {"output": str(out), "images": part.images, "annotations": part.annotations}
            for out, part in zip(outs, parts, strict=True)
        ],
        "categories": categories,
    }
    print_answer(answer, "\n".join(_lines(answer)), as_json)


def _default_outputs(file: Path) -> tuple[Path, Path]:
    suffixes = "".join(file.suffixes[-2:]) if file.suffix.lower() == ".gz" else file.suffix
    stem = file.name.removesuffix(suffixes)
    return file.with_name(f"{stem}-train{suffixes}"), file.with_name(f"{stem}-val{suffixes}")


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [
        f"Wrote {part['output']}: {part['images']} images, {part['annotations']} annotations"
        for part in answer["parts"]
    ]

    fraction: float = answer["fraction"]
    worst = sorted(
        answer["categories"], key=lambda each: -abs(each["annotations"][0] / sum(each["annotations"]) - fraction)
    )[:_WORST]
    if worst:
        lines.append(f"Categories whose annotations are shared out least as {fraction:g}:")
    for each in worst:
        first, second = each["annotations"]
        lines.append(f"  {each['name'] or each['id']}: {first} and {second} ({first / (first + second):.0%})")
    return lines
