"""The double entry: balanced, one entry per event, and up to the horizon the figures of the ledger itself."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from hypothesis import given

from ledger.audit.exports.accounts import NOTHING, Amounts
from ledger.audit.exports.entries import Entry, plan_entries
from ledger.audit.exports.streams import state_balances
from ledger.plan import Plan
from tests.plans import days_up_to_horizon
from tests.strategies import History, histories


def added_up(entries: Sequence[Entry], through: date) -> Amounts:
    """Return the balance of each account at the end of a day."""
    amounts = [entry.amounts for entry in entries if entry.recorded.event.effective_on <= through]
    return Amounts._make(map(sum, zip(NOTHING, *amounts, strict=True)))


@given(histories())
def test_up_to_the_horizon_the_accounts_hold_what_follows_from_the_rules(history: History) -> None:
    """Entries know no rules: at every date up to the horizon they add up to the state that the rules derive.

    There is one for each event, by date, and money, shares and plans each add up to zero in it. On the day of a
    chargeback the record need not tell whether the plan is active or in grace.
    """
    plan, terms = Plan(history.events), history.opened.terms
    entries = plan_entries(plan, history.events)
    assert Counter(entry.recorded.version for entry in entries) == Counter(range(1, len(history.events) + 1))
    dates = [entry.recorded.event.effective_on for entry in entries]
    assert dates == sorted(dates)
    for _, amounts in entries:
        assert sum(amounts[:5]) == sum(amounts[5:11]) == sum(amounts[11:]) == 0
    charged_back = {one.effective_on for one in plan.reversals.values() if one.cause == "chargeback"}
    for day in days_up_to_horizon(history.events):
        if day <= plan.horizon:
            derived = state_balances(plan.timeline(day).state, price=terms.price.minor, shares=terms.shares)
            found = added_up(entries, day)
            if day in charged_back:
                assert found.active + found.in_grace == derived.active + derived.in_grace
                found = found._replace(active=derived.active, in_grace=derived.in_grace)
            assert found == derived, day
