"""The ledger that is driven by default: this library's own, by many commands at a time, and audited at the end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ledger.audit import audit
from ledger.command_handler import CommandHandler
from ledger.commands import AnyCommand, CancelPlan, Metadata, OpenPlan, RecordPayment, ReinstatePlan, ReversePayment
from ledger.errors import InvalidArgument, LedgerError
from ledger.money import Money
from ledger.service import Ledger
from ledger.terms import PlanTerms
from ledger.testing.calls import Call
from ledger.testing.ledger_adapter import LATER, LedgerAdapter
from ledger.testing.port import Refused
from ledger.values import from_dict

Factory = Callable[[], AbstractContextManager[Any]]
"""Opens the port of an empty ledger."""

_KEPT = 5_000
"""Plans that are kept in memory between deliveries, at most, as an import does."""


class BatchAdapter(LedgerAdapter):
    """A `Ledger` behind the port that also takes many commands in one transaction: `tell_all`."""

    _handler: tuple[Ledger, CommandHandler] | None = None

    def tell_all(self, *, calls: Sequence[Call]) -> Sequence[Refused | None]:
        """Make the calls together; return for each its refusal, or None."""
        commands = [(_command(call), Metadata(recorded_at=call.arguments["recorded_at"])) for call in calls]
        if self._handler is None or self._handler[0] is not self.ledger:  # the first time, and after a restart
            self._handler = self.ledger, self.ledger.command_handler(keep=_KEPT)
        decided = self._handler[1].execute(commands)
        return [Refused(one.code, str(one)) if isinstance(one, LedgerError) else None for one in decided]


def _command(call: Call) -> AnyCommand:
    """Return the command of a call of the port."""
    given: dict[str, Any] = {name: value for name, value in call.arguments.items() if name != "recorded_at"}
    if "amount" in given:
        given["amount"] = from_dict(Money, given["amount"])
    if call.name == "open":
        given |= {"terms": from_dict(PlanTerms, given["terms"]), "opened_at": given.pop("opened_on")}
    return _COMMANDS[call.name](plan_id=call.plan_id, **given)


_COMMANDS: dict[str, Callable[..., AnyCommand]] = {
    "open": OpenPlan,
    "pay": RecordPayment,
    "reverse": ReversePayment,
    "cancel": CancelPlan,
    "reinstate": ReinstatePlan,
}


def at(url: str, *, name: str = "ledger", views: str | None = None) -> Factory:
    """Return what opens the ledger of a database, which must be empty: `InvalidArgument` otherwise."""

    def open_ledger() -> Ledger:
        return Ledger.open(url, name=name, views=views, clock=lambda: LATER)

    @contextmanager
    def opened() -> Iterator[BatchAdapter]:
        adapter = BatchAdapter(open_ledger(), open_again=None if url == "memory://" else open_ledger)
        try:
            if adapter.ledger.store.last_sequence():
                expected = "an empty ledger: a simulation has one of its own, such as --db sqlite:///new.db"
                raise InvalidArgument(argument="ledger", given=name, expected=expected)
            yield adapter
        finally:
            adapter.ledger.close()

    return opened


@contextmanager
def temporary() -> Iterator[BatchAdapter]:
    """Open an empty ledger in an SQLite file that is gone afterwards."""
    with TemporaryDirectory(prefix="ledger-sim-") as folder, at(f"sqlite:///{Path(folder) / 'sim.db'}")() as adapter:
        yield adapter


def audited(port: object) -> list[str] | None:
    """Return what an audit finds, and where a read model departs from a replay; None for a ledger of another kind."""
    if not isinstance(port, LedgerAdapter):
        return None
    found = [str(finding) for finding in audit(port.ledger).findings]
    return found + [str(difference) for difference in port.ledger.verify().differences]
