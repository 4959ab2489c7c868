"""The observer: a witness that also takes many calls at a time, and keeps the history so that it can be repeated."""

import json
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from hashlib import sha256
from typing import Any

import attrs

from ledger.testing import checks
from ledger.testing.calls import Call
from ledger.testing.checks import CHECKS, Change, Check
from ledger.testing.comparison import Clockwork, Fault, Told, Witness
from ledger.testing.port import Refused
from ledger.testing.referee import Verdict
from ledger.testing.simulation.adapter import audited
from ledger.testing.simulation.plain_calls import QUESTIONS, plain

AUDIT_IS_CLEAN = Check(
    name="audit_is_clean",
    sentence="an audit finds nothing, and every row of the read model is that of a replay",
    rule="RULES.md section 1",
)
"""A check of this library's own ledger only."""

_STORY = 40
"""Calls that a failure tells of, at most; the history has them all."""


@attrs.frozen
class Entry:
    """A call of a history; calls of one batch, which follow each other, are made together."""

    call: Call
    batch: int | None = None


class Observer(Witness):
    """A ledger under test beside the referee, with the history of all calls and questions."""

    def __init__(self, ledger: Any, *, clockwork: Clockwork) -> None:
        """Watch a ledger with every check that its capabilities allow."""
        self.judged_times: Counter[str] = Counter()
        super().__init__(ledger, chosen=checks.chosen(None), clockwork=clockwork, judged=self.judged_times)
        self.not_run = {one.name: one.missing(self.can) for one in checks.chosen(None) if one.missing(self.can)}
        self.not_run["order_of_knowledge"] = ()  # of machines: no market tells a plan twice
        self.history: list[Entry] = []
        self.told = 0
        self.counts: dict[str, Counter[str]] = {}
        self.refusals: Counter[str] = Counter()
        self._digest = sha256()
        self._batches = 0

    @property
    def checks(self) -> Mapping[str, int]:
        """How often each check that is run has been judged; 0 shows one that no call or question has met."""
        names = (*CHECKS, AUDIT_IS_CLEAN.name)
        return {name: self.judged_times[name] for name in names if name not in self.not_run}

    @property
    def digest(self) -> str:
        """The SHA-256 of all calls so far with the verdict on each."""
        return self._digest.hexdigest()

    def tell(self, call: Call, *, days: Callable[[], Collection[date]] = tuple) -> Verdict:
        """Make a call; judge what becomes of it, and the answers on these days after it."""
        self._note(Entry(call))
        verdict = super().tell(call, days=days)
        self._count(call, verdict)
        return verdict

    def tell_all(self, calls: Sequence[Call]) -> None:
        """Make calls together, if the port can, and judge each; answers that were remembered are forgotten."""
        self._remembered.clear()
        del self.story[:-_STORY]
        if not hasattr(self.port, "tell_all"):
            for call in calls:
                self.tell(call)
            return
        self._batches += 1
        for call in calls:
            self._note(Entry(call, self._batches))
        changes = [Change(call=call, verdict=self._verdict(call)) for call in calls]
        said: Any = self._make(Call("tell_all", None, {"calls": calls}))
        if isinstance(said, (Fault, Verdict)):
            words = said.words if isinstance(said, Fault) else str(said)
            self.differ(CHECKS["answers_every_call"], calls[0], f"{len(calls)} answers", words)
        for change, one in zip(changes, said, strict=True):
            answer = Verdict("refused", one.code) if isinstance(one, Refused) else None
            self.story.append(Told(change.call, str(answer) if answer else "recorded, or known already"))
            self._decided(change, answer)
            self._count(change.call, change.verdict)

    def ask(self, asked: Call) -> Any:
        """Ask, and judge the answer."""
        self._note(Entry(asked))
        return super().ask(asked)

    def audit(self) -> None:
        """Audit the ledger, if it is this library's own. Raises `LedgerDiffers` for the first finding."""
        call = Call("audit", None, {})
        self._note(Entry(call))
        found = audited(self.port)
        if found is None:
            self.not_run[AUDIT_IS_CLEAN.name] = ()
            return
        self.judged_times[AUDIT_IS_CLEAN.name] += 1
        if found:
            more = f" (and {len(found) - 1:,} more)" if len(found) > 1 else ""
            self.differ(AUDIT_IS_CLEAN, call, "no finding", found[0] + more)

    def repeat(self, history: Sequence[Entry]) -> None:
        """Make the calls and questions of a history. Raises `LedgerDiffers` where a check fails."""
        entries = deque(history)
        while entries:
            first = entries.popleft()
            together = [first.call]
            while first.batch is not None and entries and entries[0].batch == first.batch:
                together.append(entries.popleft().call)
            if first.batch is not None:
                self.tell_all(together)
            elif first.call.name == "audit":
                self.audit()
            elif first.call.name in QUESTIONS:
                self.ask(first.call)
            else:
                self.tell(first.call)

    def _note(self, entry: Entry) -> None:
        self.history.append(entry)

    def _count(self, call: Call, verdict: Verdict) -> None:
        self.told += 1
        self.counts.setdefault(call.name, Counter())[verdict.kind] += 1
        if verdict.kind == "refused":
            self.refusals[str(verdict.code)] += 1
        self._digest.update(json.dumps([plain(call), str(verdict)]).encode())
