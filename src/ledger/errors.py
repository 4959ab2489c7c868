"""Every error that the ledger raises, in one tree.

    LedgerError
    ├── CommandRefused            a rule forbids it: tell the user
    │   ├── TermsRefused
    │   ├── PaymentRefused
    │   │   └── Overpayment
    │   ├── PlanIsCancelled
    │   ├── PlanIsCompleted
    │   ├── ReinstatementRefused
    │   └── ReceiptRefused
    ├── Conflict                  it conflicts with the record: load again
    │   ├── ReferenceConflict
    │   │   └── ReceiptConflict
    │   └── ConcurrentChange
    ├── CorruptHistory            a stored event cannot have been written like this: stop
    │   └── WrittenByNewerVersion     a newer version of this library wrote it: upgrade
    ├── NotFound
    │   ├── PlanNotFound
    │   ├── PaymentNotFound
    │   └── ReceiptNotFound
    ├── InvalidArgument           the call itself is wrong (also a ValueError)
    ├── StoreUnavailable          the database cannot be reached, read or written
    └── NotCaughtUp               the read model has not reached the sequence that the caller waits for

Each carries its facts as attributes and reads as one sentence: the fault, then the remedy. A command that is refused,
conflicts with the record or names something unknown has recorded nothing.
"""

from datetime import date, datetime
from functools import partial
from typing import Any, ClassVar, cast

import attrs


class LedgerError(Exception):
    """The root of every error that this library raises deliberately."""

    def __reduce__(self) -> tuple[object, tuple[()]]:
        """Pickle by keyword, so that an error can be passed between processes."""
        values = {field.name: getattr(self, field.name) for field in attrs.fields(cast(Any, type(self)))}
        return partial(type(self), **values), ()


@attrs.define(kw_only=True)
class CommandRefused(LedgerError):
    """A rule forbids the command; `plan_id` is None where it concerns the whole ledger."""

    plan_id: str | None
    reason: str
    remedy: str

    def __str__(self) -> str:
        subject = "Ledger" if self.plan_id is None else f"Plan {self.plan_id}"
        return f"{subject}: {self.reason}; {self.remedy}."


@attrs.define(kw_only=True)
class TermsRefused(CommandRefused):
    """The terms of a new plan give no valid schedule or release of shares. Source: RULES.md sections 2 to 4."""


@attrs.define(kw_only=True)
class PaymentRefused(CommandRefused):
    """A payment, or the reversal of one, that the rules do not allow. Source: RULES.md sections 5 and 10."""

    reference: str


@attrs.define(kw_only=True)
class Overpayment(PaymentRefused):
    """The funds of the plan, `standing`, would exceed its `price` on the date `on`; both in minor units of `currency`.

    Source: RULES.md section 5.
    """

    price: int
    standing: int
    currency: str
    on: date


@attrs.define(kw_only=True)
class PlanIsCancelled(CommandRefused):
    """The plan was cancelled on or before the date that the command states. Source: RULES.md sections 5 and 6."""

    cancelled_on: date


@attrs.define(kw_only=True)
class PlanIsCompleted(CommandRefused):
    """The plan was completed on or before the date that the command states. Source: RULES.md sections 5 and 8."""

    completed_on: date


@attrs.define(kw_only=True)
class ReinstatementRefused(CommandRefused):
    """The plan's policy, or the decision itself, does not allow the reinstatement. Source: RULES.md section 9."""

    reference: str


@attrs.define(kw_only=True)
class ReceiptRefused(CommandRefused):
    """Money received and not applied cannot be kept, allocated or returned like this; `reference` is its receipt's."""

    code: ClassVar[str] = "receipt_refused"

    plan_id: str | None = None
    reference: str

    def __str__(self) -> str:
        return f"Receipt {self.reference}: {self.reason}; {self.remedy}."


class Conflict(LedgerError):
    """The command conflicts with recorded events: load again and decide again."""


@attrs.define(kw_only=True)
class ReferenceConflict(Conflict):
    """The idempotency key belongs to a command with other content; `field` is the first argument that differs."""

    plan_id: str
    reference: str
    field: str
    recorded: object
    given: object

    def __str__(self) -> str:
        return (
            f"Plan {self.plan_id}: {self.reference!r} is recorded with {self.field} {_rendered(self.recorded)}, not "
            f"{_rendered(self.given)}; repeat it with the same content, or use a new reference."
        )


@attrs.define(kw_only=True)
class ReceiptConflict(ReferenceConflict):
    """The `reference` of a receipt, or of a return of its money, belongs to other content; `plan_id` is empty."""

    code: ClassVar[str] = "receipt_conflict"

    plan_id: str = ""

    def __str__(self) -> str:
        return (
            f"Receipt {self.reference} is recorded with {self.field} {_rendered(self.recorded)}, not "
            f"{_rendered(self.given)}; repeat it with the same content, or use a new reference."
        )


@attrs.define(kw_only=True)
class ConcurrentChange(Conflict):
    """Other writers changed the plan `attempts` times in a row while this command was being decided."""

    plan_id: str
    attempts: int

    def __str__(self) -> str:
        return (
            f"Plan {self.plan_id} was changed by other writers during each of {self.attempts} attempts; "
            "nothing was recorded, try again."
        )


@attrs.define(kw_only=True)
class CorruptHistory(LedgerError):
    """A stored event cannot have been written by this ledger; `event` is its tag, `version` its number in the plan."""

    plan_id: str
    version: int
    event: str
    reason: str
    remedy: str = "stop, and compare the stored history with a backup"

    def __str__(self) -> str:
        return f"Plan {self.plan_id}, version {self.version} ({self.event}): {self.reason}; {self.remedy}."


@attrs.define(kw_only=True)
class WrittenByNewerVersion(CorruptHistory):
    """A recorded event, or a kind of terms in it, that this version of the library does not know."""

    remedy: str = "written by a newer version of this library: upgrade installment-ledger"


class NotFound(LedgerError):
    """The plan or payment that the caller names is not in the ledger."""


@attrs.define(kw_only=True)
class PlanNotFound(NotFound):
    """No such plan, or not yet on the date or at the instant of the question."""

    plan_id: str
    as_of: date | None = None
    known_at: datetime | None = None
    opened_on: date | None = None

    def __str__(self) -> str:
        if self.opened_on is not None:
            return f"Plan {self.plan_id} was opened on {self.opened_on}; ask as of that day or later, not {self.as_of}."
        if self.known_at is not None:
            return f"Plan {self.plan_id} was not known at {self.known_at.isoformat()}; ask as known at a later instant."
        return f"Plan {self.plan_id} is not in this ledger; check its id, or open it first."


@attrs.define(kw_only=True)
class PaymentNotFound(NotFound):
    """The plan has no payment with this reference."""

    plan_id: str
    reference: str

    def __str__(self) -> str:
        return f"Plan {self.plan_id} has no payment {self.reference!r}; check the reference."


@attrs.define(kw_only=True)
class ReceiptNotFound(NotFound):
    """No money was received under this reference and kept apart from the plans."""

    code: ClassVar[str] = "receipt_not_found"

    reference: str

    def __str__(self) -> str:
        return f"No unallocated money was received under {self.reference!r}; check the reference, or receive it first."


@attrs.define(kw_only=True)
class InvalidArgument(LedgerError, ValueError):
    """An argument of the wrong type or value, whatever the plan."""

    argument: str
    given: object
    expected: str

    def __str__(self) -> str:
        return f"{self.argument} is {_rendered(self.given)}; expected {self.expected}."


@attrs.define(kw_only=True)
class StoreUnavailable(LedgerError):
    """The database failed or cannot be reached; an unconfirmed command can be repeated safely."""

    store: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.store}: {self.reason}; {self.remedy}."


@attrs.define(kw_only=True)
class NotCaughtUp(LedgerError):
    """After `seconds` the read model has `reached` a sequence below the `wanted` one."""

    wanted: int
    reached: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"The read model has reached {self.reached}, not {self.wanted}, after {self.seconds:g} seconds; "
            "wait longer, or check that a follower is running."
        )


def _rendered(value: object) -> str:
    """Render a value for a sentence: text quoted, everything else as it prints."""
    return repr(value) if isinstance(value, str) else str(value)
