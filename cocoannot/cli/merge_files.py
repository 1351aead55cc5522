"""`flask merge`: COCO files merged into a new one, by the rules of an import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from cocoannot.changes.operations import Match
from cocoannot.cli.import_file import match_option
from cocoannot.cli.output import errors_in_one_line, print_answer, tell_of_work
from cocoannot.exchange.files import check_outputs, write_files
from cocoannot.exchange.merging import merge_files
from cocoannot.store.import_report import describe_report

overwrite_option = click.option("--overwrite", is_flag=True, help="Write over files that are there already.")


@click.command("merge")
@click.argument("files", nargs=-1, required=True, metavar="A B...", type=click.Path(path_type=Path))
@click.option("-o", "--output", "out", required=True, type=click.Path(path_type=Path), help="The file to write.")
@match_option
@overwrite_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all old and new ids.")
@errors_in_one_line
def merge(files: tuple[Path, ...], out: Path, match: Match, overwrite: bool, as_json: bool) -> None:
    """Merge the COCO files A, B and more into a new file.

    The new file is A, with the others imported one after the other by the rules of `flask import`: categories are found
    by their names, images by --match, and annotations that are there already are left out. What A has stays as it is,
    byte for byte. Records that can't be taken are listed with the reason.
    """
    if len(files) < 2:
        raise click.UsageError("give two files at least")
    check_outputs([out], overwrite=overwrite)
    tell_of_work("Merging", sum(path.stat().st_size for path in files if path.is_file()))
    merged = merge_files(files[0], files[1:], match)
    tell_of_work(f"Writing {out}", sum(path.stat().st_size for path in files))
    write_files({out: merged.pieces}, overwrite=overwrite)
    reports = {str(path): msgspec.json.decode(report.as_json()) for path, report in merged.reports.items()}
    answer: dict[str, Any] = {"output": str(out), "match": match, "counts": merged.counts, "imported": reports}
    counts = ", ".join(f"{count} {section}" for section, count in merged.counts.items())
    lines = [f"Wrote {out}: {counts}"]
    for name, report in reports.items():
        lines += [f"from {name}:", *(f"  {line}" for line in describe_report(report))]
    print_answer(answer, "\n".join(lines), as_json)
