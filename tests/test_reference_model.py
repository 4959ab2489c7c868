"""The reference model by itself: identities on histories that no ledger accepts, and its words in those of the ledger.

The worked examples that it shares with the ledger are in `test_worked_examples`.
"""

import ast
import random
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given

from ledger.audit import verify
from ledger.audit.verify import CancelRequested, Fact, Paid, Promo, Reinstated, Reversed, Terms, derive
from tests.reference_words import fact_of, facts_from, facts_of, opened_from, terms_of
from tests.strategies import History, histories, one_in

OPENED = date(2023, 4, 10)
TERMS = Terms(
    price=100_000,
    exponent=2,
    shares=34_000,
    installments=10,
    rounding_unit=1,
    release=("per_unit", "23"),
    schedule=("monthly",),
    first_due_on=date(2023, 5, 10),
    grace_days=19,
    promos=(
        Promo("on_time", "on_time", 500),
        Promo("double", "double", 50, credit="on_completion"),
        Promo("early", "early", 100),
        Promo("package", "spring", 1_000),
    ),
    stacking="additive",
)


def random_facts(rng: random.Random) -> list[Fact]:
    """Facts over two years in no particular order, overpayments and reversals of unknown payments among them."""
    facts: list[Fact] = []
    for i in range(rng.randint(1, 14)):
        on = OPENED + timedelta(days=rng.randint(0, 500))
        amount = rng.choice([4_000, 10_000, 10_000, 20_000, 50_000])
        choice = rng.random()
        if choice < 0.75:
            facts.append(Paid(on, f"p{i}", amount, rng.choice(["regular", "early_repayment"])))
        elif choice < 0.85:
            facts.append(Reinstated(on, f"r{i}", amount, rng.choice([None, 30_000])))
        elif choice < 0.9:
            facts.append(CancelRequested(on, f"c{i}"))
        else:
            facts.append(Reversed(on, f"p{rng.randint(0, i)}", rng.choice(["error", "chargeback"])))
    return facts


def test_it_shares_nothing_with_the_library() -> None:
    """It imports the standard library only, so that it runs anywhere, and no mistake of the library can be its own."""
    nodes = list(ast.walk(ast.parse(Path(verify.__file__).read_text(encoding="utf-8"))))
    found = [item.name for node in nodes if isinstance(node, ast.Import) for item in node.names]
    found += [node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names) == set()


@pytest.mark.parametrize("seed", range(60))
def test_identities(seed: int) -> None:
    """Credited + promised + forfeited = shares, paid + outstanding = price, at every date (RULES.md section 8)."""
    rng = random.Random(seed)
    terms = replace(TERMS, stacking=rng.choice(["additive", "exclusive", "compound"]))
    facts = random_facts(rng)
    for days in range(0, 700, 50):
        report = derive(terms, OPENED, facts, OPENED + timedelta(days=days))
        assert report.shares_credited + report.shares_promised + report.shares_forfeited == terms.shares
        assert report.paid + report.outstanding == terms.price
        assert min(report.shares_credited, report.shares_promised, report.shares_forfeited) >= 0
        assert min(report.paid, report.outstanding, report.unapplied, report.bonus_credited) >= 0
        settled = [outcome for outcome in report.outcomes if outcome[0] == "settled"]
        tranche = sum(outcome[2] for outcome in report.outcomes if outcome[0] == "completed")
        assert sum(outcome[3] for outcome in report.outcomes if outcome[0] == "promo") == report.bonus_credited
        assert len(settled) == report.settled
        assert sum(outcome[3] for outcome in settled) + tranche == report.shares_credited


def test_there_is_no_report_before_the_opening() -> None:
    """The day before the opening is refused; the opening day and the day after it have a report."""
    with pytest.raises(ValueError, match="opens on"):
        derive(TERMS, OPENED, [], OPENED - timedelta(days=1))
    for day in (OPENED, OPENED + timedelta(days=1)):
        assert derive(TERMS, OPENED, [], day).status == "active"


@one_in(4)
@given(history=histories())
def test_terms_and_facts_survive_the_translation(history: History) -> None:
    """In the words of the reference model and back into those of the ledger, terms and facts are the same."""
    opened, facts = history.opened, facts_of(history.events)
    again = opened_from(terms_of(opened), opened.effective_on)
    assert (terms_of(again), again.lines) == (terms_of(opened), opened.lines)
    assert [fact_of(fact) for fact in facts_from(facts, opened.terms.price.currency)] == facts
