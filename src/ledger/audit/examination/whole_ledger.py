"""The checks of a ledger as a whole: its kinds of streams, the counter of its database, its read models."""

from collections.abc import Iterator, Mapping

from ledger.audit.examination.kinds import SECTIONS
from ledger.audit.finding import Finding
from ledger.errors import StoreUnavailable
from ledger.events import KINDS
from ledger.projections.builtin import PERIODS
from ledger.projections.payments import PAYMENTS
from ledger.readmodel.tables import Tables
from ledger.readmodel.verification import compare
from ledger.store import EventReader, Store

_PROJECTIONS = {projection.name: projection for projection in (PERIODS, PAYMENTS)}


def check_kinds(events_of: Mapping[str, int], audited: Mapping[str, int]) -> Iterator[Finding]:
    """Yield a finding for events that stand in no stream which an audit reaches."""
    for kind, events in events_of.items():
        if kind not in KINDS:
            yield _finding("stream_unknown", f"a stream of the kind {' or '.join(KINDS)}", f"{events:,} of {kind!r}")
        elif events != audited.get(kind, 0):
            expected = f"{audited.get(kind, 0):,} events in streams of the kind {kind!r} that have an id"
            yield _finding("stream_unknown", expected, f"{events:,}")


def check_counter(
    reader: EventReader, last: int, unchecked: list[str], *, events: int, missed: int
) -> Iterator[Finding]:
    """Yield a finding if `last`, the highest sequence, is not the last one that the database has given out.

    Another one if more of the `events` up to it than the `missed` ones are missing, where only events use sequences up.
    Where somebody has written meanwhile it cannot be told.
    """
    counter = reader.counter()
    if reader.last_sequence() != last:
        unchecked.append("Events were recorded during the audit: the counter of the database was not compared.")
    elif counter.last is None:
        unchecked.append("The counter of the database may not be read: events may be missing at the end.")
    elif counter.last < last or (counter.exact and counter.last > last):
        expected = f"{counter.last}, the last sequence that the database has given out"
        yield _finding("sequence_counter", expected, f"{last} is the highest", sequence=last or None)
    if counter.exact and events < last - missed:
        yield _finding("sequence_gap", f"{last:,} events, one for each sequence up to {last}", f"{events:,}")


def compare_read_models(store: Store, compared: list[str], unchecked: list[str]) -> Iterator[Finding]:
    """Yield a finding for each row of a live read model that is not that of a replay."""
    for generation in store.views.generations():
        projection = _PROJECTIONS.get(generation.projection)
        if not generation.live:
            continue
        if projection is None or projection.version != generation.version:
            unchecked.append(f"Read model {generation.name} is of a projection that this library does not know.")
            continue
        expected = f"{generation.name}: the rows of a replay up to {generation.reached}"
        try:
            if generation.reached > store.last_sequence():
                found = f"{generation.name} has read up to {generation.reached}"
                yield _finding("read_model_ahead", f"up to {store.last_sequence()}, where the ledger ends", found)
                continue
            replayed = compare(store, Tables(store.views, projection, generation), outcomes=False)
        except (ValueError, TypeError, StoreUnavailable) as error:  # somebody has changed more than rows
            store.last_sequence()  # or the database has gone: then there is no result
            reason = error.reason if isinstance(error, StoreUnavailable) else str(error)
            yield _finding("read_model_differs", expected, f"its tables cannot be compared: {reason}")
            continue
        compared.append(generation.name)
        for difference in replayed.differences:
            yield _finding("read_model_differs", expected, difference.text, plan_id=difference.plan_id)


def _finding(
    kind: str, expected: str, found: str, *, plan_id: str | None = None, sequence: int | None = None
) -> Finding:
    return Finding(kind=kind, plan_id=plan_id, sequence=sequence, rule=SECTIONS[kind], expected=expected, found=found)
