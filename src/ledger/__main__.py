"""`python -m ledger`: the command line, or the part of it that needs no further libraries."""

import sys
from collections.abc import Sequence

from installment_ledger import main


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; without its libraries only `migrate` and `follow` are there."""
    try:
        from ledger.cli.app import main as run_all
    except ModuleNotFoundError as error:
        if error.name not in ("cyclopts", "rich"):
            raise
        from ledger.cli.minimal import main as run_minimal

        return run_minimal(arguments)
    return run_all(arguments)


if __name__ == "__main__":
    sys.exit(main())
