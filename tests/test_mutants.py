"""Mutation testing: the functions that a change touches, and a table of equivalents that is up to date."""

import subprocess

import pytest

from tests import mutants
from tests.mutants import Mutation, changed_since, function_of, functions, listed, mutation, pattern

BEFORE = '''
LIMIT = 1

def kept(one):
    """Return it."""
    return one

class Rules:
    """Rules."""

    def day(self):
        return 1

    def gone(self):
        return 2
'''

AFTER = '''
LIMIT = 2

def kept(one):
    """Return one."""
    return one  # as it is

class Rules:
    """The rules."""

    def day(self):
        return 2

    def new(self):
        """Return three."""
        return 3
'''


def test_functions_differ_by_their_code() -> None:
    """A comment, a docstring or a constant beside it changes no function."""
    before, after = functions(BEFORE), functions(AFTER)
    assert before.keys() == {"kept", "Rules.day", "Rules.gone"}
    assert [name for name in after if after[name] != before.get(name)] == ["Rules.day", "Rules.new"]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("ledger.timeline.steps", "ledger.timeline.x_steps"),
        ("ledger.timeline.Derivation._days_ahead", "ledger.timeline.xǁDerivationǁ_days_ahead"),
        ("ledger.decide.decide", "ledger.decide.x_decide"),
        ("ledger.state.funds.Funds.__init__", "ledger.state.funds.xǁFundsǁ__init__"),
    ],
)
def test_functions_have_names_in_the_words_of_mutmut(function: str, name: str) -> None:
    """A mutant of a function is found by its pattern, and leads back to the function."""
    assert pattern(function) == f"{name}__mutmut_*"
    assert function_of(f"{name}__mutmut_12") == function


def test_a_mutation_is_read_from_its_diff() -> None:
    """The lines before and after, without their indentation; a change over several lines is one."""
    diff = "--- src/a.py\n+++ src/a.py\n@@ -1,4 +1,4 @@\n def day():\n-    return (\n-        1)\n+    return 2\n"
    assert mutation("ledger.dates.x_day__mutmut_1", diff) == Mutation("ledger.dates.day", "return ( 1)", "return 2")
    gone = diff.replace("+    return 2\n", "")
    assert mutation("ledger.dates.x_day__mutmut_2", gone) == Mutation("ledger.dates.day", "return ( 1)", "nothing")


def test_nothing_is_run_if_no_rule_differs(capsys: pytest.CaptureFixture[str]) -> None:
    """Since the commit checked out nothing differs, unless a rule is being edited; an unknown one is no failure."""
    missing = "0" * 40
    with pytest.raises(LookupError):
        changed_since(missing)
    assert mutants.main([missing]) == 0
    assert capsys.readouterr().out == f"this clone has no commit {missing}: no mutants are run\n"
    rules = [str(path) for path in mutants.mutated_files()]
    clean = (
        subprocess.run(["git", "diff", "--quiet", "HEAD", "--", *rules], cwd=mutants.ROOT, check=False).returncode == 0
    )
    if clean:
        assert mutants.main(["HEAD"]) == 0
        assert capsys.readouterr().out == "no rule differs from HEAD: no mutants are run\n"


def test_the_table_of_equivalents_is_up_to_date() -> None:
    """Each entry names a function and a line of its module: a rule that changes has its mutants judged again."""
    code: dict[str, str] = {}
    for path in mutants.mutated_files():
        source = path.read_text(encoding="utf-8")
        code |= {f"{mutants.module_of(path)}.{name}": "".join(source.split()) for name in functions(source)}
    entries = listed()
    assert entries
    for entry, why in entries.items():
        assert why
        assert entry.before != entry.after
        assert "".join(entry.before.split()) in code[entry.function], entry
