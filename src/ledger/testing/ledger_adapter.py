"""The adapter of this library's own `Ledger`: the port under test for our stores, and an example of an adapter."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

from ledger.errors import LedgerError
from ledger.money import Money
from ledger.service import Ledger
from ledger.terms import PlanTerms
from ledger.testing.port import CAPABILITIES, Answer, LedgerPort, Refused
from ledger.values import from_dict, to_dict

LATER = datetime(2100, 1, 1, tzinfo=UTC)
"""The ledger's clock: every instant that a test states has been."""


class LedgerAdapter(LedgerPort):
    """A `Ledger` behind the port; `open_again`, if given, opens the same ledger once more after a restart."""

    capabilities = frozenset(CAPABILITIES) - {"restart"}

    def __init__(self, ledger: Ledger, *, open_again: Callable[[], Ledger] | None = None) -> None:
        self.ledger = ledger
        self._open_again = open_again
        if open_again is not None:
            self.capabilities = frozenset(CAPABILITIES)

    # ---- commands

    def open(
        self, plan_id: str, *, investor: str, partner: str | None, terms: Answer, opened_on: date, recorded_at: datetime
    ) -> None:
        agreed = from_dict(PlanTerms, terms)
        self._record(
            self.ledger.open_plan,
            plan_id,
            investor=investor,
            partner=partner,
            terms=agreed,
            opened_at=opened_on,
            recorded_at=recorded_at,
        )

    def pay(self, plan_id: str, *, amount: Answer, **given: Any) -> None:
        self._record(self.ledger.record_payment, plan_id, amount=from_dict(Money, amount), **given)

    def reverse(self, plan_id: str, **given: Any) -> None:
        self._record(self.ledger.reverse_payment, plan_id, **given)

    def cancel(self, plan_id: str, **given: Any) -> None:
        self._record(self.ledger.cancel_plan, plan_id, **given)

    def reinstate(self, plan_id: str, *, amount: Answer, **given: Any) -> None:
        self._record(self.ledger.reinstate_plan, plan_id, amount=from_dict(Money, amount), **given)

    def close(self, *, through: date, recorded_at: datetime) -> None:
        self._record(self.ledger.close_books, through=through, recorded_at=recorded_at)

    # ---- questions

    def position(self, plan_id: str, *, as_of: date, known_at: datetime | None) -> Any:
        return self._answer(self.ledger.position, plan_id, as_of=as_of, known_at=known_at)

    def overdue(self, *, as_of: date, known_at: datetime | None) -> Any:
        return self._answer(self.ledger.overdue, as_of=as_of, known_at=known_at)

    def balances(self, *, as_of: date, known_at: datetime | None) -> Any:
        return self._answer(self.ledger.balances, as_of=as_of, known_at=known_at)

    # ---- operation

    def rebuild(self) -> None:
        """Derive the read model again."""
        self.ledger.rebuild()

    def restart(self) -> None:
        """Close the ledger and open it again."""
        assert self._open_again is not None
        self.ledger.close()
        self.ledger = self._open_again()

    @staticmethod
    def _record(command: Callable[..., object], *arguments: Any, **given: Any) -> None:
        try:
            command(*arguments, **given)
        except LedgerError as error:
            raise Refused(error.code, str(error)) from error

    @staticmethod
    def _answer(ask: Callable[..., object], *arguments: Any, **given: Any) -> Any:
        try:
            return to_dict(ask(*arguments, **given))
        except LedgerError as error:
            raise Refused(error.code, str(error)) from error


@contextmanager
def opened(url: str = "memory://", *, name: str = "ledger", **options: Any) -> Iterator[LedgerAdapter]:
    """Open a ledger behind the port: `LedgerMachine.of(opened)` tests one in memory.

    The ledger must be new and empty; one in a database can also be restarted.
    """

    def open_ledger() -> Ledger:
        return Ledger.open(url, name=name, clock=lambda: LATER, **options)

    adapter = LedgerAdapter(open_ledger(), open_again=None if url == "memory://" else open_ledger)
    try:
        yield adapter
    finally:
        adapter.ledger.close()
