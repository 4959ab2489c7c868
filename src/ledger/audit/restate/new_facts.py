"""New facts: a stream's events taken in one by one between two moments, with a measure taken after each fact."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import NamedTuple, Protocol

from ledger.audit.restate.answers import Answer, Learnt, added, in_wrong_order
from ledger.dates import Known
from ledger.events import Fact, PlanOpened, ReceiptEvent, RecordedEvent
from ledger.plan import known

NOTHING = Answer(status=None, numbers={})
"""The answer where nothing was known."""


class Fold(Protocol):
    """A plan or a receipt: it takes in its events one by one."""

    def apply(self, recorded: RecordedEvent) -> None:
        """Apply the next event. Raises `CorruptHistory`."""
        ...


class Learning(NamedTuple):
    """The answers about one stream at two moments, and what was learnt between them."""

    before: Answer
    after: Answer
    learnt: list[Learnt]


def learn(
    events: Sequence[RecordedEvent],
    *,
    first: Known,
    then: Known | None,
    as_of: date,
    fold: Fold,
    measure: Callable[[], Answer],
) -> Learning:
    """Take in a stream's events, oldest first, with the empty `fold`, and `measure` it after each fact.

    A fact that is effective after `as_of` changes no answer on that date. Raises `InvalidArgument` if less was known at
    the second moment than at the first, `CorruptHistory`.
    """
    begin, end = len(known(events, first)), len(known(events, then))
    if end < begin:
        raise in_wrong_order(first, then)
    for recorded in events[:begin]:
        fold.apply(recorded)
    before = after = measure() if begin else NOTHING
    learnt: list[Learnt] = []
    for batch in batches(events[begin:end]):
        for recorded in batch:
            fold.apply(recorded)
        if not is_fact(batch[0]):
            continue  # a closing records what the dates imply already
        answer = measure() if batch[0].event.effective_on <= as_of else after
        difference = added(answer.numbers, less=(after.numbers,))
        learnt.append(
            Learnt(
                fact=batch[0],
                through=batch[-1].version,
                status_before=after.status,
                status_after=answer.status,
                difference=difference,
            )
        )
        after = answer
    return Learning(before, after, learnt)


def is_fact(recorded: RecordedEvent) -> bool:
    """Return whether an event is something that was learnt: an opening, a fact, what became of money received."""
    return isinstance(recorded.event, PlanOpened | Fact | ReceiptEvent)


def batches(events: Sequence[RecordedEvent]) -> Iterator[list[RecordedEvent]]:
    """Yield the events of each command: a fact with its outcomes, or what a closing recorded."""
    batch: list[RecordedEvent] = []
    for recorded in events:
        if batch and (
            is_fact(recorded) or (recorded.key, recorded.recorded_at) != (batch[0].key, batch[0].recorded_at)
        ):
            yield batch
            batch = []
        batch.append(recorded)
    if batch:
        yield batch
