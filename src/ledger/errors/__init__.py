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

For machines each class has a `code` and a `retryable`, and neither changes within a major version.
"""

from datetime import date, datetime
from functools import partial
from typing import Any, ClassVar, cast

import attrs

from ledger.errors.excerpt import excerpt, named, sentence


class LedgerError(Exception):
    """The root of every error that this library raises deliberately.

    `code` names the class for machines. `retryable` says that the very same call can succeed later, without anybody
    correcting it.
    """

    code: ClassVar[str] = "ledger_error"
    retryable: ClassVar[bool] = False

    def __reduce__(self) -> tuple[object, tuple[()]]:
        """Pickle by keyword, so that an error can be passed between processes."""
        values = {field.name: getattr(self, field.name) for field in attrs.fields(cast(Any, type(self)))}
        return partial(type(self), **values), ()


@attrs.define(kw_only=True)
class CommandRefused(LedgerError):
    """A rule forbids the command; `plan_id` is None where it concerns the whole ledger."""

    code: ClassVar[str] = "command_refused"
    _of_no_plan: ClassVar[str] = "Ledger"

    plan_id: str | None
    reason: str
    remedy: str

    def __str__(self) -> str:
        subject = self._of_no_plan if self.plan_id is None else f"Plan {named(self.plan_id)}"
        return f"{subject}: {sentence(self.reason)}; {self.remedy}."


@attrs.define(kw_only=True)
class TermsRefused(CommandRefused):
    """The terms of a new plan give no valid schedule or release of shares; `plan_id` is None where they are only tried.

    Source: RULES.md sections 2 to 4.
    """

    code: ClassVar[str] = "terms_refused"
    _of_no_plan: ClassVar[str] = "These terms"


@attrs.define(kw_only=True)
class PaymentRefused(CommandRefused):
    """A payment, or the reversal of one, that the rules do not allow. Source: RULES.md sections 5 and 10."""

    code: ClassVar[str] = "payment_refused"

    reference: str


@attrs.define(kw_only=True)
class Overpayment(PaymentRefused):
    """The funds of the plan, `standing`, would exceed its `price` on the date `on`; both in minor units of `currency`.

    Source: RULES.md section 5.
    """

    code: ClassVar[str] = "overpayment"

    price: int
    standing: int
    currency: str
    on: date


@attrs.define(kw_only=True)
class PlanIsCancelled(CommandRefused):
    """The plan was cancelled on or before the date that the command states. Source: RULES.md sections 5 and 6."""

    code: ClassVar[str] = "plan_is_cancelled"

    cancelled_on: date


@attrs.define(kw_only=True)
class PlanIsCompleted(CommandRefused):
    """The plan was completed on or before the date that the command states. Source: RULES.md sections 5 and 8."""

    code: ClassVar[str] = "plan_is_completed"

    completed_on: date


@attrs.define(kw_only=True)
class ReinstatementRefused(CommandRefused):
    """The plan's policy, or the decision itself, does not allow the reinstatement. Source: RULES.md section 9."""

    code: ClassVar[str] = "reinstatement_refused"

    reference: str


@attrs.define(kw_only=True)
class ReceiptRefused(CommandRefused):
    """Money received and not applied cannot be kept, allocated or returned like this; `reference` is its receipt's."""

    code: ClassVar[str] = "receipt_refused"

    plan_id: str | None = None
    reference: str

    def __str__(self) -> str:
        return f"Receipt {named(self.reference)}: {sentence(self.reason)}; {self.remedy}."


class Conflict(LedgerError):
    """The command conflicts with recorded events: load again and decide again."""

    code: ClassVar[str] = "conflict"


@attrs.define(kw_only=True)
class ReferenceConflict(Conflict):
    """The idempotency key belongs to a command with other content; `field` is the first argument that differs.

    Where that is a list, such as the lines of a schedule, `item` is the number of the first item that differs, and
    `items` holds it as recorded and as given.
    """

    code: ClassVar[str] = "reference_conflict"

    plan_id: str
    reference: str
    field: str
    recorded: object
    given: object
    item: int | None = None
    items: tuple[object, object] | None = None
    remedy: str = "repeat it with the same content, or use a new reference"

    def __str__(self) -> str:
        recorded, given = (self.recorded, self.given) if self.items is None else self.items
        word = "line" if self.field.endswith("schedule") else "item"
        field = self.field if self.item is None else f"{self.field} {word} {self.item}"
        return (
            f"Plan {named(self.plan_id)}: {excerpt(self.reference)} is recorded with {field} "
            f"{excerpt(recorded)}, not {excerpt(given)}; {self.remedy}."
        )


@attrs.define(kw_only=True)
class ReceiptConflict(ReferenceConflict):
    """The `reference` of a receipt, or of a return of its money, belongs to other content; `plan_id` is empty."""

    code: ClassVar[str] = "receipt_conflict"

    plan_id: str = ""

    def __str__(self) -> str:
        return (
            f"Receipt {named(self.reference)} is recorded with {self.field} {excerpt(self.recorded)}, not "
            f"{excerpt(self.given)}; {self.remedy}."
        )


@attrs.define(kw_only=True)
class ConcurrentChange(Conflict):
    """Other writers changed the plan `attempts` times in a row while this command was being decided."""

    code: ClassVar[str] = "concurrent_change"
    retryable: ClassVar[bool] = True

    plan_id: str
    attempts: int

    def __str__(self) -> str:
        return (
            f"Plan {named(self.plan_id)} was changed by other writers during each of {self.attempts} attempts; "
            "nothing was recorded, try again."
        )


@attrs.define(kw_only=True)
class CorruptHistory(LedgerError):
    """A stored event cannot have been written by this ledger; `event` is its tag, `version` its number in the plan."""

    code: ClassVar[str] = "corrupt_history"

    plan_id: str
    version: int
    event: str
    reason: str
    remedy: str = "stop, and compare the stored history with a backup"

    @property
    def fault(self) -> str:
        """The reason without the value that caused it, as `status` and logs show it: no name, no amount."""
        cause = self.__cause__
        while cause is not None and not isinstance(cause, InvalidArgument):
            cause = cause.__cause__
        return self.reason if cause is None else f"{cause.argument} is not {cause.expected}"

    def __str__(self) -> str:
        subject = f"Plan {named(self.plan_id)}, version {self.version} ({named(self.event)})"
        return f"{subject}: {sentence(self.reason)}; {self.remedy}."


@attrs.define(kw_only=True)
class WrittenByNewerVersion(CorruptHistory):
    """A recorded event, or a kind of terms in it, that this version of the library does not know."""

    code: ClassVar[str] = "written_by_newer_version"

    remedy: str = "written by a newer version of this library: upgrade installment-ledger"


class NotFound(LedgerError):
    """The plan or payment that the caller names is not in the ledger."""

    code: ClassVar[str] = "not_found"


@attrs.define(kw_only=True)
class PlanNotFound(NotFound):
    """No such plan, or not yet on the date or at the instant of the question."""

    code: ClassVar[str] = "plan_not_found"

    plan_id: str
    as_of: date | None = None
    known_at: date | None = None  # an instant, or a date: the end of that day
    opened_on: date | None = None

    def __str__(self) -> str:
        plan = f"Plan {named(self.plan_id)}"
        if self.opened_on is not None:
            return f"{plan} was opened on {self.opened_on}; ask as of that day or later, not {self.as_of}."
        if self.known_at is not None:
            at = self.known_at.isoformat() if isinstance(self.known_at, datetime) else f"the end of {self.known_at}"
            return f"{plan} was not known at {at}; ask as known at a later instant."
        return f"{plan} is not in this ledger; check its id, or open it first."


@attrs.define(kw_only=True)
class PaymentNotFound(NotFound):
    """The plan has no payment with this reference."""

    code: ClassVar[str] = "payment_not_found"

    plan_id: str
    reference: str

    def __str__(self) -> str:
        return f"Plan {named(self.plan_id)} has no payment {excerpt(self.reference)}; check the reference."


@attrs.define(kw_only=True)
class ReceiptNotFound(NotFound):
    """No money was received under this reference and kept apart from the plans."""

    code: ClassVar[str] = "receipt_not_found"

    reference: str

    def __str__(self) -> str:
        received = f"No unallocated money was received under {excerpt(self.reference)}"
        return f"{received}; check the reference, or receive it first."


@attrs.define(kw_only=True)
class InvalidArgument(LedgerError, ValueError):
    """An argument of the wrong type or value, whatever the plan."""

    code: ClassVar[str] = "invalid_argument"

    argument: str
    given: object
    expected: str

    def __str__(self) -> str:
        return f"{self.argument} is {excerpt(self.given)}; expected {self.expected}."


@attrs.define(kw_only=True)
class StoreUnavailable(LedgerError):
    """The database failed or cannot be reached; an unconfirmed command can be repeated safely."""

    code: ClassVar[str] = "store_unavailable"
    retryable: ClassVar[bool] = True

    store: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{named(self.store)}: {sentence(self.reason)}; {self.remedy}."


@attrs.define(kw_only=True)
class NotCaughtUp(LedgerError):
    """After `seconds` the read model has `reached` a sequence below the `wanted` one."""

    code: ClassVar[str] = "not_caught_up"
    retryable: ClassVar[bool] = True

    wanted: int
    reached: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"The read model has reached {self.reached}, not {self.wanted}, after {self.seconds:g} seconds; "
            "wait longer, or check that a follower is running."
        )
