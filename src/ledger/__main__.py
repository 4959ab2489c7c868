"""`python -m ledger`, and the installed command."""

import sys


def main() -> int:
    """Run the command line, or name the extra to install where it is missing."""
    try:
        from ledger.cli.app import main as run
    except ModuleNotFoundError as error:
        if error.name not in ("cyclopts", "rich"):
            raise
        print("error: the command line is not installed; install installment-ledger[cli]", file=sys.stderr)
        return 1
    return run()


if __name__ == "__main__":
    sys.exit(main())
