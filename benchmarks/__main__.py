"""The command: `python -m benchmarks [--quick] [--json] [--out FILE] [--step NAME]…`, or `--picture SVG FILE`."""

import argparse
import sys
from pathlib import Path

from benchmarks import picture, report
from benchmarks.common import Effort, NotRun, Result
from benchmarks.databases import Databases
from benchmarks.equal_work import check_equal_work
from benchmarks.machine import environment
from benchmarks.steps import steps

QUICK = Effort(
    rounds=7,
    payments=20,
    plans_read=100,
    seconds_deriving=0.05,
    long_rounds=3,
    plans_imported=100,
    plans_caught_up=100,
    plans_tracked_by_stock=2,
    queries=30,
    plans_sealed=1_000,
    plans_checked=500,
    plans_mixed=1_000,
    seconds_mixed=0.3,
    largest_book=10_000,
)
FULL = Effort(
    rounds=41,
    payments=60,
    plans_read=300,
    seconds_deriving=0.1,
    long_rounds=5,
    plans_imported=1_000,
    plans_caught_up=1_000,
    plans_tracked_by_stock=10,
    queries=200,
    plans_sealed=20_000,
    plans_checked=2_000,
    plans_mixed=4_000,
    seconds_mixed=2,
    largest_book=1_000_000,
)


def main() -> None:
    """Measure, and print a row after each step, or one JSON list at the end."""
    options = _options()
    if options.picture:
        picture.draw(*options.picture)
        return
    effort = QUICK if options.quick else FULL
    check_equal_work()
    results: dict[str, Result] = {}
    with Databases() as databases:
        if not options.json:
            print(report.HEADER)
        for name, step in steps(effort).items():
            if options.step is None or name in options.step:
                try:
                    results[name] = step(databases, effort)
                except NotRun as reason:
                    print(f"{name}: not run: {reason}", file=sys.stderr, flush=True)
                    continue
                if not options.json:
                    print(report.row(results[name], results), flush=True)
        measured_with = environment(databases.versions())
    print(report.as_json([*results.values()]) if options.json else report.legend(measured_with))
    if options.out is not None:
        report.write(options.out, [*results.values()], measured_with)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours against stock and the floor.")
    parser.add_argument("--quick", action="store_true", help="about two minutes: less steady, without the large books")
    parser.add_argument("--json", action="store_true", help="print only a JSON list, in operations per second")
    parser.add_argument("--step", action="append", choices=steps(FULL), help="run only this step; may be repeated")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write results and environment for a picture")
    parser.add_argument(
        "--picture", nargs=2, type=Path, metavar=("SVG", "FILE"), help="draw a run that --out wrote; measure nothing"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
