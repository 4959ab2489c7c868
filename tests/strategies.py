"""The strategies of the testing kit as these tests use them, and the profile's settings for slow properties."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from importlib.resources import files
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st

from ledger.commands import Change, Metadata, OpenPlan, RecordPayment, ReinstatePlan
from ledger.events import PlanOpened, RecordedEvent
from ledger.testing import strategies as kit

ALL_ZONES = st.sampled_from(sorted(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()))
RECORDED_AT = datetime(2035, 1, 1, 12, tzinfo=UTC)
"""The instant of recording in these tests: later than any date in a history."""

ZONES = kit.ZONES
History = kit.History
promotions, schedules, terms = kit.promotions, kit.schedules, kit.terms
histories = partial(kit.histories, closings=False, instants=False)
"""Histories of dated facts: these tests close, and vary instants, on their own."""

METADATA = Metadata(recorded_at=RECORDED_AT, actor="decider")
OPENINGS = kit.openings()


@cache
def clocks(zone: str) -> ZoneInfo:
    """Return a time zone as the package `tzdata` has it: the files of the machine may be older or newer."""
    with files("tzdata").joinpath("zoneinfo", *zone.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=zone)


def one_in(number: int) -> settings:
    """Return settings for a property with slow examples: one in `number` of the profile's examples."""
    return settings(max_examples=max(1, settings().max_examples // number))


def opened_in(events: Sequence[RecordedEvent]) -> PlanOpened:
    """Return the opening, the first event of a plan."""
    opened = events[0].event
    assert isinstance(opened, PlanOpened)
    return opened


def openings(plan_id: str = "P-1") -> st.SearchStrategy[OpenPlan]:
    """A command that opens a plan."""
    return histories(longest=0, plan_id=plan_id).map(lambda history: history.opening)


def changes(
    opened: PlanOpened, number: int, paid: Sequence[RecordPayment | ReinstatePlan]
) -> st.SearchStrategy[Change]:
    """One more change of a plan, after these payments: mostly payments, near due dates and deadlines."""
    known = {
        payment.reference: (payment.paid_at if isinstance(payment, RecordPayment) else payment.on, payment.amount.minor)
        for payment in paid
    }
    made = kit.commands(opened, closings=False, instants=False, number=number, paid=known)
    return made.filter(lambda command: isinstance(command, Change))  # type: ignore[return-value]  # of which all are


@st.composite
def days(draw: st.DrawFn, opened: PlanOpened) -> date:
    """A day near a due date or a deadline of the plan, not before its opening."""
    line = draw(st.sampled_from(opened.lines))
    grace = opened.terms.grace_days
    offset = draw(st.sampled_from([0, 0, 0, -1, -40, 1, grace - 1, grace, grace + 1, grace + 2, 30, 31]))
    return max(opened.effective_on, line.due_on + timedelta(days=offset))
