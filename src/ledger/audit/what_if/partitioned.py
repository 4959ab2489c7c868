"""What if, for a whole ledger: its ranges of plans in processes, here or on a cluster, and the sum of their results."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

from ledger.audit.parallel import STREAMS, Workers, each, ranges, workers_for
from ledger.audit.what_if import OtherTerms, WhatIf, summed, what_if
from ledger.dates import Known
from ledger.errors import InvalidArgument
from ledger.store import EventReader, Partition
from ledger.telemetry import Progress


def what_if_in_parts(
    reader: EventReader,
    *,
    other: OtherTerms,
    by_plan: Mapping[str, OtherTerms] | None = None,
    as_of: date | None,
    known_at: Known | None,
    now: datetime,
    processes: int | None = None,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> WhatIf:
    """Compare all plans of a ledger, with the result of `what_if`; plans recorded meanwhile are left out.

    `processes`, `workers` and `progress` are as in `ledger.audit.examine`. Raises `StoreUnavailable`, and
    `InvalidArgument`, also for terms of a plan that is not in the ledger: its terms would seem to change nothing.
    """
    reader = reader.at(reader.last_sequence())
    for plan_id in by_plan or ():
        if not reader.raw_histories([plan_id])[plan_id]:
            raise InvalidArgument(argument="terms", given=plan_id, expected="plans of this ledger only")
    question = partial(_within, other=other, by_plan=by_plan, as_of=as_of, known_at=known_at, now=now)
    with workers_for(reader, processes=processes, workers=workers) as chosen:
        results = each(reader, question, ranges(reader, streams=STREAMS), workers=chosen)
        return summed(list(_reported(results, reader.count(), progress)))


def _within(reader: EventReader, within: Partition, **question: Any) -> WhatIf:
    return what_if(reader, within=within, **question)


def _reported(results: Iterator[WhatIf], plans: int, progress: Progress | None) -> Iterator[WhatIf]:
    done = 0
    for one in results:
        done += sum(comparison.plans for comparison in one.comparisons) + len(one.left_out)
        if progress is not None:
            progress(done, plans)
        yield one
