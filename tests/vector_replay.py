"""Golden vectors replayed in any ledger through `LedgerPort`: whatever it answers otherwise is a difference.

A vector is about one plan, and says nothing of what is done to a whole ledger. What follows from it without being said:

* no call may fail, hang or answer nonsense;
* the balance of the investor is the shares of the position;
* vectors replayed side by side, or one of them twice, as plans of one investor with the same references, give each
  its own answers; the overdue list has the row of each, and the balance is the sum;
* read models that are rebuilt, or a ledger that is started again, give the same answers.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from typing import Any, Literal

from ledger.dates import midnight
from ledger.testing import LedgerDiffers, LedgerPort
from ledger.testing.comparison import Clockwork, Comparison, question
from ledger.testing.port import Refused, read

Case = Mapping[str, Any]
Operation = Literal["rebuild", "restart"]

_SHARES = ("shares_credited", "shares_promised", "shares_forfeited", "bonus_credited", "bonus_promised")


def difference(
    factory: Callable[[], AbstractContextManager[LedgerPort]],
    *cases: Case,
    before_asking: Operation | None = None,
    timeout: float = 60,
) -> str | None:
    """Replay vectors in an empty ledger; return its first answer that is not theirs, in words, or None.

    `before_asking` is done after the last call and before the first question; `timeout` is that of a question, seconds.
    """
    with factory() as port:
        replay = _Replay(Comparison(port, chosen=(), clockwork=Clockwork(timeout)), cases)
        try:
            return next(replay.differences(before_asking), None)
        except LedgerDiffers as error:  # no answer, or nonsense
            return f"{error.call}: {error.found}"


class _Replay:
    """Vectors, each as a plan of its own: P-1, P-2 and so on; and the ledger in which they are replayed."""

    def __init__(self, comparison: Comparison, cases: tuple[Case, ...]) -> None:
        self._comparison, self._port = comparison, comparison.port
        self._cases = {f"P-{number}": case for number, case in enumerate(cases, 1)}

    def differences(self, before_asking: Operation | None) -> Iterator[str]:
        """Replay the vectors, and yield where an answer differs."""
        for plan_id, case in self._cases.items():
            refused = None if case["schedule"] else case["refused"][0]["code"]
            yield from _differing(f"open {plan_id}", refused, _code(self._open, plan_id, case))
        for plan_id, call in self._calls():
            word = f"{call.get('type') or call['command']} of {call['effective_on']} on {plan_id}"
            yield from _differing(word, call.get("code"), _code(_call, self._port, plan_id, call))
        if before_asking is not None:
            getattr(self._port, before_asking)()
        asked: dict[tuple[str, str | None], dict[str, Case]] = {}
        for plan_id, case in self._cases.items():
            for answer in case["answers"]:
                asked.setdefault((answer["as_of"], answer["known_at"]), {})[plan_id] = answer
        for answers in asked.values():
            yield from self._answered(answers)

    def _open(self, plan_id: str, case: Case) -> None:
        terms = {name: value for name, value in case["terms"].items() if name != "minor_digits"}
        opened_on = date.fromisoformat(case["opened_on"])
        at = midnight(terms["timezone"], opened_on).astimezone(UTC)
        self._port.open(plan_id, investor="I-1", partner="N-1", terms=terms, opened_on=opened_on, recorded_at=at)

    def _calls(self) -> list[tuple[str, Case]]:
        """Return the calls in the order of recording; of a plan and an instant facts come first, refused ones last."""
        calls = [
            (plan_id, call)
            for plan_id, case in self._cases.items()
            if case["schedule"]
            for call in (*case["facts"], *case["without_effect"], *case["refused"])
        ]
        return sorted(calls, key=lambda call: datetime.fromisoformat(call[1]["recorded_at"]))

    def _answered(self, answers: Mapping[str, Case]) -> Iterator[str]:
        """Ask for the positions of the plans of which an answer is known, and for the lists if it is known of all."""
        first = next(iter(answers.values()))
        as_of = date.fromisoformat(first["as_of"])
        known_at = None if first["known_at"] is None else datetime.fromisoformat(first["known_at"])
        for plan_id, answer in answers.items():
            yield from self._asked("position", plan_id, as_of, known_at, {**answer["position"], "plan_id": plan_id})
        if answers.keys() != self._cases.keys():
            return
        rows = [{**one["overdue"], "plan_id": plan_id} for plan_id, one in answers.items() if one["overdue"]]
        rows.sort(key=lambda row: (row["grace_ends_on"], row["plan_id"]))
        sums = {name: sum(answer["position"][name] for answer in answers.values()) for name in _SHARES}
        yield from self._asked("overdue", None, as_of, known_at, rows)
        balance = {"investor": "I-1", "plans": len(answers), **sums}
        yield from self._asked("balances", None, as_of, known_at, [balance])

    def _asked(
        self, name: str, plan_id: str | None, as_of: date, known_at: datetime | None, expected: Any
    ) -> Iterator[str]:
        asked = question(name, plan_id, as_of, known_at)
        yield from _differing(str(asked), read(name, expected), self._comparison.fetch(asked))


def _differing(asked: str, expected: Any, found: Any) -> Iterator[str]:
    if expected != found:
        yield f"{asked}: {found}, expected {expected}"


def _code(make: Callable[..., None], *arguments: Any) -> str | None:
    """Make a call; return the code of its refusal, or None."""
    try:
        make(*arguments)
    except Refused as refused:
        return refused.code
    return None


def _call(port: LedgerPort, plan_id: str, call: Case) -> None:
    """Make the call of a fact or of a command."""
    given: Any = call.get("arguments", call)
    at, on = datetime.fromisoformat(call["recorded_at"]), date.fromisoformat(call["effective_on"])
    amount = {name: given["amount"][name] for name in ("minor", "currency")} if "amount" in given else {}
    stated: dict[str, Any] = {"reference": given.get("reference"), "recorded_at": at}
    match call.get("type") or call["command"]:
        case "payment_made.v1" | "RecordPayment":
            paid_at = given["paid_at"] or ""  # of a fact: an instant, or null; of a command: an instant or a date
            when = datetime.fromisoformat(paid_at) if "T" in paid_at else on
            port.pay(plan_id, amount=amount, paid_at=when, kind=given["kind"], **stated)
        case "payment_reversed.v1" | "ReversePayment":
            day = on if given["cause"] == "chargeback" else None
            port.reverse(plan_id, cause=given["cause"], on=day, **stated)
        case "cancellation_requested.v1" | "CancelPlan":
            port.cancel(plan_id, on=on, reason=given["reason"], **stated)
        case "plan_reinstated.v1" | "ReinstatePlan":
            decided = {name: given[name] for name in ("approved_by", "reason", "revised_shares")}
            port.reinstate(plan_id, on=on, amount=amount, **decided, **stated)
        case "ClosePlan":
            port.close(through=on, recorded_at=at)
        case other:
            raise AssertionError(other)
