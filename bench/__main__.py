"""Measure cocoannot beside what it replaces and what limits it, all in one run, and write tables and plots.

python -m bench [--scale 0.1] [--only load post] [--repeats 7] [--output FOLDER] [--quick]
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from pathlib import Path

from bench import following, importing, in_process, over_http, past
from bench.suite import Suite

# In this order: what adds annotations comes after what counts them, and after saves, which are compared with a copy of
# the file as it was.
PARTS = {
    "load": in_process.load,
    "start": over_http.start,
    "image": in_process.image,
    "pages": in_process.pages,
    "save": in_process.save,
    "change": in_process.change,
    "edits": past.edits,
    "get": over_http.get,
    "post": over_http.post,
    "journal": over_http.journal,
    "history": over_http.history,
    "batch": over_http.batch,
    "saves": over_http.saves,
    "imports": importing.imports,
    "events": following.events,
    "rivals": over_http.rivals,
}
_SERVERS_FROM = "get"


def main() -> None:
    """Parse the arguments, measure, write."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=float, help="part of train2017's size (default: 1; with --quick 0.01)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--repeats", type=int, help="measurements of each figure (default: 5; with --quick 2)")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent, help="folder to write to (default: bench)"
    )
    parser.add_argument("--quick", action="store_true", help="to see that it works; the figures are worth little")
    options = parser.parse_args()
    quick = options.quick
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="cocoannot-bench-") as folder:
        suite = Suite(
            Path(folder),
            options.scale or (0.01 if quick else 1.0),
            options.repeats or (2 if quick else 5),
            0.2 if quick else 3.0,
        )
        try:
            for name, part in PARTS.items():
                if name == _SERVERS_FROM:
                    # Their memory is of more use to the servers.
                    suite.let_go()
                if name in options.only:
                    part(suite)
        finally:
            suite.let_go()
        suite.tell("writing")
        options.output.mkdir(parents=True, exist_ok=True)
        # Here and not above: only what is written needs matplotlib.
        from bench import report

        report.write_page(options.output, suite, f"python -m bench {shlex.join(sys.argv[1:])}".strip(), load_before)
        report.write_plot(options.output, suite)
    suite.tell(f"written to {options.output}")


if __name__ == "__main__":
    main()
