"""The command: `python -m benchmarks [--quick] [--json] [--step NAME]…`."""

import argparse

from benchmarks import report
from benchmarks.databases import Databases
from benchmarks.equal_work import check_equal_work
from benchmarks.steps import STEPS, Effort

QUICK = Effort(rounds=7, payments=40, plans_read=120, seconds_deriving=0.05)
FULL = Effort(rounds=41, payments=60, plans_read=300, seconds_deriving=0.1)


def main() -> None:
    """Measure, and print a row as soon as its step is done, or one JSON list at the end."""
    options = _options()
    check_equal_work()
    results = []
    with Databases() as databases:
        if not options.json:
            print(report.HEADER)
        for name, step in STEPS.items():
            if options.step is None or name in options.step:
                results.append(step(databases, QUICK if options.quick else FULL))
                if not options.json:
                    print(report.row(results[-1]), flush=True)
        print(report.as_json(results) if options.json else report.legend(databases.versions()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours against stock and the floor.")
    parser.add_argument("--quick", action="store_true", help="under a minute, less steady")
    parser.add_argument("--json", action="store_true", help="print only a JSON list, in operations per second")
    parser.add_argument("--step", action="append", choices=STEPS, help="run only this step; may be repeated")
    return parser.parse_args()


if __name__ == "__main__":
    main()
