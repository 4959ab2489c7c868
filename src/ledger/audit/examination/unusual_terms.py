"""Openings under terms of their own, with the difference that these make: the same plan under the usual terms."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import attrs

from ledger.audit.examination.across_plans import Unusual, UsageInFile
from ledger.audit.examination.discretion import DiscretionaryAct, Effect, effect
from ledger.audit.examination.plan import opened_by
from ledger.dates import day_in
from ledger.errors import CorruptHistory, InvalidArgument, TermsRefused
from ledger.events import PlanOpened, RecordedEvent
from ledger.events.codec import intact
from ledger.plan import Plan
from ledger.store import EventReader, RawEvent
from ledger.terms.schedule import installments
from ledger.timeline import timeline

_TOGETHER = 100
"""Plans that are read at a time."""

_TERMS = {"grace": "grace_days", "reinstatement": "reinstatement", "release": "release"}
"""The terms that are compared, by the field of a profile."""


def acts_of_own_terms(reader: EventReader, usage: UsageInFile) -> Iterator[DiscretionaryAct]:
    """Yield the openings under terms of their own, by plan id among those of the same terms."""
    unusual = usage.unusual()
    examples: dict[str, Any] = {}
    while some := list(islice(unusual, _TOGETHER)):
        found = reader.raw_histories([one.plan_id for one in some])
        for one in some:
            stored = found[one.plan_id]
            opening = _opening(reader, stored)
            try:
                plan: Plan | None = Plan(intact(reader.decoded(stored)))
            except CorruptHistory:
                plan = None  # reported with its plan
            usual = {_TERMS[name]: _example(reader, name, plan_id, examples) for name, plan_id in one.usual.items()}
            yield _act(opening, one, None if plan is None else _effect(plan, usual))


def _opening(reader: EventReader, stored: Sequence[RawEvent]) -> RecordedEvent:
    """Return the opening of a plan, which was read before; an event that somebody placed before it is no version."""
    (opening,) = intact(reader.decoded([next(raw for raw in stored if raw.version == 1)]))
    return opening


def _example(reader: EventReader, name: str, plan_id: str, examples: dict[str, Any]) -> Any:
    """Return a usual term, from the opening of a plan that has it."""
    key = f"{name} {plan_id}"
    if key not in examples:
        opened = opened_by(_opening(reader, reader.raw_histories([plan_id])[plan_id]))
        examples[key] = getattr(opened.terms, _TERMS[name])
    return examples[key]


def _effect(plan: Plan, usual: Mapping[str, Any]) -> Effect | None:
    """Return the difference that a plan's own terms make by the day on which something was last recorded of it.

    None where the usual terms give no schedule, or this machine does not know the time zone.
    """
    opened = plan.opened
    try:
        terms = attrs.evolve(opened.terms, **usual)
        lines = installments(plan.plan_id, terms, opened_on=opened.effective_on)
        compared: PlanOpened = attrs.evolve(opened, terms=terms, lines=lines)
        as_of = max(plan.horizon, day_in(opened.terms.timezone, plan.recorded_at))
        states = [timeline(one, plan.facts, as_of).state for one in (opened, compared)]
        return effect(plan, as_of, *states)
    except (TermsRefused, InvalidArgument, OverflowError):
        return None


def _act(opening: RecordedEvent, unusual: Unusual, difference: Effect | None) -> DiscretionaryAct:
    words: Sequence[str] = unusual.own
    return DiscretionaryAct(
        kind="own_terms",
        plan_id=opening.stream_id,
        version=opening.version,
        sequence=opening.sequence or None,
        actor=opening.actor,
        approved_by=None,
        effective_on=opening.event.effective_on,
        recorded_at=opening.recorded_at,
        what=f"opened with {'; '.join(words)}",
        effect=difference,
    )
