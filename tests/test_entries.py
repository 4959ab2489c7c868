"""The double entry: balanced, one entry per event, and up to the horizon the figures of the ledger itself."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from hypothesis import given

from ledger.events import RecordedEvent
from ledger.exports.accounts import NOTHING, Amounts
from ledger.exports.entries import Entry, plan_entries
from ledger.plan import Plan
from ledger.state import State
from tests.plans import days_up_to_horizon
from tests.strategies import History, histories


def entries_of(events: Sequence[RecordedEvent]) -> list[Entry]:
    return plan_entries(Plan(events), events)


def added_up(entries: Sequence[Entry], through: date) -> Amounts:
    """Return the balance of each account at the end of a day."""
    amounts = [entry.amounts for entry in entries if entry.recorded.event.effective_on <= through]
    return Amounts._make(map(sum, zip(NOTHING, *amounts, strict=True)))


def figures(state: State, *, price: int, shares: int) -> Amounts:
    """Return the balances that the derived state has."""
    return Amounts(
        receivable=price - state.paid,
        cash=state.paid + state.unapplied,
        unapplied=-state.unapplied,
        price=-price,
        promised=state.shares_promised,
        credited=state.shares_credited,
        forfeited=state.shares_forfeited,
        package=-shares,
        bonus=state.bonus_credited,
        granted=-state.bonus_credited,
        active=state.status == "active",
        in_grace=state.status == "in_grace",
        cancelled=state.status == "cancelled",
        completed=state.status == "completed",
        opened=-1,
    )


@given(histories())
def test_up_to_the_horizon_the_accounts_hold_what_follows_from_the_rules(history: History) -> None:
    """Entries know no rules: at every date up to the horizon they add up to the state that the rules derive."""
    plan, terms = Plan(history.events), history.opened.terms
    entries = plan_entries(plan, history.events)
    for day in days_up_to_horizon(history.events):
        if day <= plan.horizon:
            derived = figures(plan.timeline(day).state, price=terms.price.minor, shares=terms.shares)
            assert added_up(entries, day) == derived, day


@given(histories())
def test_every_event_has_one_balanced_entry(history: History) -> None:
    """Money, shares and plans each add up to zero in every entry; entries come by date."""
    entries = entries_of(history.events)
    assert Counter(entry.recorded.version for entry in entries) == Counter(range(1, len(history.events) + 1))
    dates = [entry.recorded.event.effective_on for entry in entries]
    assert dates == sorted(dates)
    for _, amounts in entries:
        money, shares, plans = amounts[:5], amounts[5:11], amounts[11:]
        assert sum(money) == sum(shares) == sum(plans) == 0
