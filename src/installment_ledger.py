"""The installed command. It lies beside the package `ledger`, to say so when that package is not this library's.

Other distributions install a package `ledger` too: docs/import-name.md says how to see it.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

_OURS = Path(__file__).with_name("ledger") / "__init__.py"
_FIRST_WORDS = '"""installment-ledger: '
_REMEDY = "install installment-ledger in an environment without it"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 1, with the culprit's name, if `ledger` is not this library."""
    try:
        if (problem := import_problem()) is not None:
            print(f"error: {problem}", file=sys.stderr)
            return 1
        return run(arguments)
    except KeyboardInterrupt:  # while the program is loaded: a command says more
        print("interrupted: nothing was begun", file=sys.stderr)
        return 130


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


def import_problem() -> str | None:
    """Return a sentence if `import ledger` finds something other than this library, and None otherwise."""
    found = find_spec("ledger")
    if found is None or found.origin is None:
        return f"The package 'ledger' beside {__file__} is missing or incomplete; install installment-ledger again."
    if not _is_ours(found.origin):
        return f"'ledger' is {found.origin}, which hides the library in {_OURS.parent}; {_REMEDY}, or remove it."
    if _OURS.read_text(encoding="utf-8", errors="replace").startswith(_FIRST_WORDS):
        return None
    others = sorted({*packages_distributions().get("ledger", ())} - {"installment-ledger"})
    culprit = " and ".join(others) or "something other than a distribution"
    return f"{culprit} installed a package 'ledger' of its own over this library in {_OURS.parent}; {_REMEDY}."


def _is_ours(origin: str) -> bool:
    try:
        return _OURS.samefile(origin)
    except OSError:
        return False
