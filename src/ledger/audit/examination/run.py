"""The audit of a whole ledger: its parts, on one machine or many, then all that concerns the whole, as a stream."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import cast

import attrs

from ledger.audit.examination.across_plans import SharedReference, UsageInFile
from ledger.audit.examination.discretion import DiscretionaryAct
from ledger.audit.examination.partition import Part, audit_part
from ledger.audit.examination.unusual_terms import acts_of_own_terms
from ledger.audit.examination.whole_ledger import check_counter, check_kinds, compare_read_models
from ledger.audit.finding import Finding
from ledger.audit.parallel import STREAMS, Workers, each, ranges, workers_for
from ledger.books.external_sort import ExternalSort
from ledger.events import KINDS, PLAN, RECEIPT
from ledger.service import Ledger
from ledger.store import EventReader, Store
from ledger.telemetry import Progress

Check = Callable[[EventReader], Iterable[Finding]]
"""A further check of a ledger, such as that of a seal: its findings join those of the audit."""


@attrs.frozen(kw_only=True)
class Summary:
    """What was audited, up to the sequence `through`, and how much was found.

    `gaps` are sequences up to it that no event has: allowed. `findings` and `acts` are counted by kind. `read_models`
    were compared with a replay; `unchecked` says in sentences what could not be checked.
    """

    store: str
    through: int
    plans: int
    receipts: int
    events: int
    gaps: int
    findings: dict[str, int]
    acts: dict[str, int]
    shared_references: int
    read_models: tuple[str, ...]
    unchecked: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


Item = Finding | DiscretionaryAct | SharedReference | Summary
"""What an audit yields: findings, then what is allowed and listed, then the summary."""


@attrs.frozen(kw_only=True)
class Audit:
    """The result of an audit: all findings; what is allowed and listed apart; and the summary."""

    findings: tuple[Finding, ...]
    acts: tuple[DiscretionaryAct, ...]
    shared_references: tuple[SharedReference, ...]
    summary: Summary


def audit(
    ledger: Ledger | EventReader,
    *,
    checks: Sequence[Check] = (),
    processes: int | None = None,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Audit a ledger, or the events that a reader shows, and return everything found. See `examine`."""
    found = list(examine(ledger, checks=checks, processes=processes, workers=workers, progress=progress))
    (summary,) = (one for one in found if isinstance(one, Summary))
    return Audit(
        findings=tuple(one for one in found if isinstance(one, Finding)),
        acts=tuple(one for one in found if isinstance(one, DiscretionaryAct)),
        shared_references=tuple(one for one in found if isinstance(one, SharedReference)),
        summary=summary,
    )


def examine(
    ledger: Ledger | EventReader,
    *,
    checks: Sequence[Check] = (),
    processes: int | None = None,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> Generator[Item, None, None]:
    """Audit a ledger, or the events that a reader shows, and yield what is found as it is found; last the summary.

    Nothing is changed, and memory does not grow with the ledger. `checks` are further ones, whose findings join in.
    `processes`: None for as many as there are processors where that is worth it, 1 for this process alone; a ledger in
    memory has no other. A script that uses more guards its main module, as `multiprocessing` demands. `workers`, such
    as those of a cluster, take their place. `progress` is called with the streams that are done and all of them. Raises
    `StoreUnavailable`, `InvalidArgument`.
    """
    store = ledger.store if isinstance(ledger, Ledger) else ledger
    reader = store.at(store.last_sequence())
    with closing(UsageInFile()) as usage, closing(ExternalSort[DiscretionaryAct](_place)) as acts:
        auditing = _Auditing(reader, usage, acts, progress)
        with workers_for(reader, processes=processes, workers=workers) as chosen:
            yield from auditing.parts(chosen)
        stored = reader.kinds()
        yield from auditing.count(check_kinds(stored, auditing.events))
        yield from auditing.count(
            check_counter(
                store, reader.through, auditing.unchecked, events=sum(stored.values()), missed=auditing.missed
            )
        )
        yield from auditing.count(_read_models(store, auditing))
        for check in checks:
            yield from auditing.count(check(reader))
        yield from auditing.acts()
        yield from auditing.count(acts_of_own_terms(reader, usage))
        yield from auditing.count(usage.shared())
        yield auditing.summary()


def _read_models(store: EventReader, auditing: "_Auditing") -> Iterator[Finding]:
    """Compare the read models of a store; a mere reader has none."""
    if hasattr(store, "views"):
        yield from compare_read_models(cast(Store, store), auditing.read_models, auditing.unchecked)


class _Auditing:
    """The state of an audit: counts, and what waits for the end."""

    def __init__(
        self,
        reader: EventReader,
        usage: UsageInFile,
        acts: ExternalSort[DiscretionaryAct],
        progress: Progress | None,
    ) -> None:
        self.events: Counter[str] = Counter()
        self.read_models: list[str] = []
        self.unchecked: list[str] = []
        self._reader = reader
        self._usage = usage
        self._progress = progress
        self._streams: Counter[str] = Counter()
        self._found: Counter[str] = Counter()
        self._acts: Counter[str] = Counter()
        self._kept = acts
        self._shared = 0

    def parts(self, workers: Workers | None) -> Iterator[Item]:
        """Yield the findings in the streams, part by part in their order."""
        total = sum(self._reader.count(kind=kind) for kind in KINDS)
        if self._progress is not None:
            self._progress(0, total)
        for audited in each(self._reader, audit_part, parts(self._reader, streams=STREAMS), workers=workers):
            self._streams.update(audited.streams)
            self.events.update(audited.events)
            self._usage.add(audited.usage)
            yield from self.count(audited.findings)
            for act in audited.acts:
                self._kept.add(act)
            if self._progress is not None:
                done = sum(self._streams.values())
                self._progress(done, max(done, total))

    @property
    def missed(self) -> int:
        """The number of findings that say that an event is missing from its stream."""
        return sum(self._found[kind] for kind in _MISSING)

    def acts(self) -> Iterator[Item]:
        """Yield the acts in the streams: after all findings."""
        yield from self.count(self._kept)

    def count(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items, counted."""
        for item in items:
            if isinstance(item, Finding):
                self._found[item.kind] += 1
            elif isinstance(item, DiscretionaryAct):
                self._acts[item.kind] += 1
            else:
                self._shared += 1
            yield item

    def summary(self) -> Summary:
        """Return the summary."""
        events = sum(self.events.values())
        return Summary(
            store=self._reader.label,
            through=self._reader.through,
            plans=self._streams[PLAN],
            receipts=self._streams[RECEIPT],
            events=events,
            gaps=max(0, self._reader.through - events),
            findings=dict(sorted(self._found.items())),
            acts=dict(sorted(self._acts.items())),
            shared_references=self._shared,
            read_models=tuple(self.read_models),
            unchecked=tuple(self.unchecked),
        )


_MISSING = ("version_gap", "outcome_missing", "voiding_missing")


def _place(act: DiscretionaryAct) -> tuple[str, int]:
    return act.plan_id, act.version


# ---- parts


def parts(reader: EventReader, *, streams: int) -> Iterator[Part]:
    """Yield the parts of a ledger in the order of kinds and ids, each of so many streams."""
    for kind in KINDS:
        yield from (Part(kind, within) for within in ranges(reader, kind=kind, streams=streams))
