"""Mutation testing: mutmut changes the rules one expression at a time, and each time a test has to fail.

`uv run python -m tests.mutants` runs all mutants, `uv run python -m tests.mutants BASE` those of the functions that
differ from a commit. A mutant that survives is in the table of `docs/mutation.md`, with the reason why it changes
nothing, or the run fails.
"""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "mutation.md"
SOURCES = ROOT / "src"

_ROW = re.compile(
    r"^\| `(?P<function>[\w.]+)` \| `(?P<before>.+?)` \| `(?P<after>.+?)` \| (?P<why>.+) \|$", re.MULTILINE
)
_RESULT = re.compile(r"^\s*(?P<mutant>\S+__mutmut_\d+): (?P<status>.+?)\s*$", re.MULTILINE)
_KILLED = ("killed", "timeout")
_PROGRAM = Path(sys.executable).with_name("mutmut")


class Mutation(NamedTuple):
    """A change of a function, `ledger.timeline.Derivation.advance`: its lines before and after."""

    function: str
    before: str
    after: str


# ---- the table of those that change nothing


def listed() -> dict[Mutation, str]:
    """Return the mutations that no test can notice, each with the reason, as the page lists them."""
    rows = _ROW.finditer(PAGE.read_text(encoding="utf-8"))
    return {Mutation(row["function"], _code(row["before"]), _code(row["after"])): row["why"] for row in rows}


def _code(cell: str) -> str:
    return cell.replace("\\|", "|")


# ---- functions


def mutated_files() -> list[Path]:
    """Return the files whose functions are mutated, as pyproject.toml names them."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]["only_mutate"]
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


def module_of(path: Path) -> str:
    """Return the dotted name of the module in a file."""
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions(source: str) -> dict[str, str]:
    """Return the functions and methods of a module by name, `Derivation.advance`, without comments and docstrings."""
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        for function in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(function, ast.FunctionDef):
                name = f"{node.name}.{function.name}" if isinstance(node, ast.ClassDef) else function.name
                if ast.get_docstring(function) is not None:
                    del function.body[0]
                found[name] = ast.unparse(function)
    return found


def changed_since(base: str) -> list[str]:
    """Return the functions that are not as they were where this branch left a commit's.

    Raises `LookupError` if this clone lacks the commit.
    """
    if _git("cat-file", "-e", f"{base}^{{commit}}") is None:
        raise LookupError(base)
    base = (_git("merge-base", base, "HEAD") or base).strip()  # which a shallow clone may not reach
    changed = []
    for path in mutated_files():
        before = functions(_git("show", f"{base}:{path.relative_to(ROOT).as_posix()}") or "")
        now = functions(path.read_text(encoding="utf-8"))
        changed += [f"{module_of(path)}.{name}" for name in now if now[name] != before.get(name)]
    return changed


def _git(*arguments: str) -> str | None:
    """Return the output of git; None where it fails, as in a shallow clone, or outside of a repository."""
    try:
        run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return run.stdout if run.returncode == 0 else None


# ---- mutmut


def pattern(function: str) -> str:
    """Return the pattern of the mutants of a function in the words of mutmut."""
    module = max((module_of(path) for path in mutated_files() if function.startswith(f"{module_of(path)}.")), key=len)
    *classes, name = function.removeprefix(f"{module}.").split(".")
    return f"{module}.xǁ{classes[0]}ǁ{name}__mutmut_*" if classes else f"{module}.x_{name}__mutmut_*"


def function_of(mutant: str) -> str:
    """Return the function of a mutant."""
    module, _, name = mutant.partition("__mutmut_")[0].rpartition(".")
    return f"{module}.{name[2:]}" if name.startswith("x_") else f"{module}.{name[2:].replace('ǁ', '.')}"


def mutation(mutant: str, diff: str) -> Mutation:
    """Return the change of a mutant, of which mutmut shows a unified diff; lines that are gone become `nothing`."""
    lines = diff.splitlines()
    removed, added = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign) and not line.startswith(sign * 3))
        or "nothing"
        for sign in "-+"
    )
    return Mutation(function_of(mutant), removed, added)


def _mutmut(*arguments: str) -> str:
    """Return the output of a command of mutmut."""
    return subprocess.run([_PROGRAM, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def run(functions: Iterable[str]) -> None:
    """Run the mutants of these functions, or all; the results are in the folder `mutants`."""
    environment = os.environ | {"HYPOTHESIS_PROFILE": "mutation"}
    command = [str(_PROGRAM), "run", *map(pattern, functions)]
    ran = subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if ran.returncode and "nothing matches" not in ran.stderr:  # a function may have no mutant
        raise SystemExit(f"{ran.stderr}mutmut could not run")


def results(functions: Iterable[str]) -> dict[str, str]:
    """Return the status of each mutant of these functions, or of all, as mutmut says it."""
    wanted = set(functions)
    rows = _RESULT.finditer(_mutmut("results", "--all", "true"))
    return {row["mutant"]: row["status"] for row in rows if not wanted or function_of(row["mutant"]) in wanted}


# ---- the report


def report(statuses: Mapping[str, str]) -> tuple[list[str], list[Mutation]]:
    """Return the table of scores by module, and the mutations that survive and are not listed."""
    alive = {
        mutant: mutation(mutant, _mutmut("show", mutant)) for mutant in statuses if statuses[mutant] not in _KILLED
    }
    known = listed()
    rows = ["| module | mutants | killed | equivalent | alive |", "|---|---|---|---|---|"]
    for module in map(module_of, mutated_files()):
        mutants = [mutant for mutant in statuses if mutant.startswith((f"{module}.x_", f"{module}.xǁ"))]
        if mutants:
            left = [alive[mutant] in known for mutant in mutants if mutant in alive]
            killed = len(mutants) - len(left)
            rows.append(f"| `{module}` | {len(mutants)} | {killed} | {left.count(True)} | {left.count(False)} |")
    return rows, [change for change in alive.values() if change not in known]


def main(arguments: Sequence[str]) -> int:
    """Run the mutants, print the scores and the mutations that survive and are not listed; return the exit code."""
    functions: list[str] = []
    if arguments:
        try:
            functions = changed_since(arguments[0])
        except LookupError:
            print(f"this clone has no commit {arguments[0]}: no mutants are run")
            return 0
        if not functions:
            print(f"no rule differs from {arguments[0]}: no mutants are run")
            return 0
    run(functions)
    rows, survivors = report(results(functions))
    print(*rows, sep="\n")
    for survivor in survivors:
        print(f"\n{survivor.function}\n  - {survivor.before}\n  + {survivor.after}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
