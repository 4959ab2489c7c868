"""Commands: the acts that a caller asks for, as data. `decide` turns them into events, or refuses them.

Nothing here knows a clock, a store or a rule: a command that can be made is well formed, and no more.
"""

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

import attrs

from ledger.dates import civil_date, date_or_instant, instant, timezone
from ledger.errors import InvalidArgument, arguments
from ledger.events import PLAN, RECEIPT
from ledger.events.facts import REASON_LIMIT, PaymentKind, ReversalCause
from ledger.events.recorded import Stream
from ledger.money import Money
from ledger.terms import PlanTerms


def _opened_at(value: object) -> date | datetime:
    return date_or_instant("opened_at", value)


def _paid_at(value: object) -> date | datetime:
    return date_or_instant("paid_at", value)


def _received_at(value: object) -> date | datetime:
    return date_or_instant("received_at", value)


def _recorded_at(value: object) -> datetime:
    return instant("recorded_at", value)


def _on(value: object) -> date:
    return civil_date("on", value)


def _through(value: object) -> date:
    return civil_date("through", value)


@cache
def _fields(command: Any) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(command))


@attrs.frozen(kw_only=True)
class Metadata:
    """Data recorded beside the events of a command: the instant of recording, the actor, the correlation id.

    Without `recorded_at` it is the instant, by the ledger's clock, at which no other save can come before this one.
    """

    recorded_at: datetime | None = attrs.field(default=None, converter=attrs.converters.optional(_recorded_at))
    actor: str | None = None
    correlation: str | None = None

    def __attrs_post_init__(self) -> None:
        arguments.make_plain(self, "actor", "correlation")
        arguments.optional_text("actor", self.actor)
        arguments.optional_text("correlation", self.correlation)

    @property
    def decided_at(self) -> datetime:
        """The instant of the decision. Raises `InvalidArgument` where it is left to a ledger's clock."""
        if self.recorded_at is None:
            raise InvalidArgument(argument="recorded_at", given=None, expected="an instant; only a ledger has a clock")
        return self.recorded_at


@attrs.frozen(kw_only=True)
class Command:
    """A command on one plan."""

    plan_id: str

    def __attrs_post_init__(self) -> None:
        arguments.make_plain(self, *_fields(type(self)))  # type: ignore[arg-type]  # a class is hashable
        arguments.text("plan_id", self.plan_id)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams on which the command is decided."""
        return (Stream(PLAN, self.plan_id),)


@attrs.frozen(kw_only=True)
class OpenPlan(Command):
    """Open a plan under these terms. Known by the plan id."""

    investor: str
    partner: str | None
    terms: PlanTerms
    opened_at: date | datetime = attrs.field(converter=_opened_at)

    def __attrs_post_init__(self) -> None:
        Command.__attrs_post_init__(self)
        arguments.text("investor", self.investor)
        arguments.optional_text("partner", self.partner)
        arguments.exactly("terms", self.terms, PlanTerms, "PlanTerms")


@attrs.frozen(kw_only=True)
class ClosePlan(Command):
    """Record the outcomes due by the end of the day `through`. Known by that date; repeating it changes nothing."""

    through: date = attrs.field(converter=_through)


@attrs.frozen(kw_only=True)
class Change(Command):
    """A command that adds one fact to an opened plan. Known by its reference."""

    reference: str

    def __attrs_post_init__(self) -> None:
        Command.__attrs_post_init__(self)
        arguments.text("reference", self.reference)


@attrs.frozen(kw_only=True)
class RecordPayment(Change):
    """Record that money was paid. Source: RULES.md section 5."""

    amount: Money
    paid_at: date | datetime = attrs.field(converter=_paid_at)
    kind: PaymentKind

    def __attrs_post_init__(self) -> None:
        Change.__attrs_post_init__(self)
        _check_amount(self.amount)
        arguments.one_of("kind", self.kind, ("regular", "early_repayment"))


@attrs.frozen(kw_only=True)
class ReversePayment(Change):
    """Take a payment back: never made (`error`, whatever `on` says), or gone from the day `on` (`chargeback`).

    Source: RULES.md section 10.
    """

    cause: ReversalCause
    on: date | None = attrs.field(converter=attrs.converters.optional(_on))

    def __attrs_post_init__(self) -> None:
        Change.__attrs_post_init__(self)
        arguments.one_of("cause", self.cause, ("error", "chargeback"))
        if self.cause == "chargeback":
            arguments.instance("on", self.on, date, "the date of the chargeback")


@attrs.frozen(kw_only=True)
class CancelPlan(Change):
    """Cancel a plan by request, on a date that may lie in the past. Source: RULES.md section 6."""

    on: date = attrs.field(converter=_on)
    reason: str

    def __attrs_post_init__(self) -> None:
        Change.__attrs_post_init__(self)
        arguments.text("reason", self.reason, limit=REASON_LIMIT)


@attrs.frozen(kw_only=True)
class ReinstatePlan(Change):
    """Reinstate a cancelled plan, with its payment, by a decision. Source: RULES.md section 9."""

    on: date = attrs.field(converter=_on)
    amount: Money
    approved_by: str
    reason: str
    revised_shares: int | None

    def __attrs_post_init__(self) -> None:
        Change.__attrs_post_init__(self)
        _check_amount(self.amount)
        arguments.text("approved_by", self.approved_by)
        arguments.text("reason", self.reason, limit=REASON_LIMIT)
        if self.revised_shares is not None:
            arguments.whole("revised_shares", self.revised_shares, minimum=1)


# ---- money received and not applied


@attrs.frozen(kw_only=True)
class ReceiptCommand:
    """A command on money that was received and not applied to a plan, by the reference under which it came."""

    reference: str

    def __attrs_post_init__(self) -> None:
        arguments.make_plain(self, *_fields(type(self)))  # type: ignore[arg-type]  # a class is hashable
        arguments.text("reference", self.reference)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams on which the command is decided."""
        return (Stream(RECEIPT, self.reference),)


@attrs.frozen(kw_only=True)
class ReceiveUnallocated(ReceiptCommand):
    """Keep money that no plan takes. Known by its reference.

    An instant counts on its date in `timezone`. `plan_id` is the plan that the payer stated. `code`, a word, and
    `reason`, a sentence, say why no plan takes the money; a repetition may state others, and the first ones stay.
    """

    amount: Money
    received_at: date | datetime = attrs.field(converter=_received_at)
    timezone: str
    plan_id: str | None
    code: str
    reason: str

    def __attrs_post_init__(self) -> None:
        ReceiptCommand.__attrs_post_init__(self)
        _check_amount(self.amount)
        timezone("timezone", self.timezone)
        arguments.optional_text("plan_id", self.plan_id)
        arguments.text("code", self.code)
        arguments.text("reason", self.reason, limit=REASON_LIMIT)


@attrs.frozen(kw_only=True)
class AllocateUnallocated(ReceiptCommand):
    """Make the payment `payment` of a plan from money that was received: both are recorded, or neither.

    Known by the plan and the payment's reference. `amount` None is all that remains or, where the plan takes less, the
    most that it takes; `paid_at` None is the date or the instant at which the money was received.
    """

    plan_id: str
    payment: str
    amount: Money | None
    paid_at: date | datetime | None = attrs.field(converter=attrs.converters.optional(_paid_at))
    kind: PaymentKind

    def __attrs_post_init__(self) -> None:
        ReceiptCommand.__attrs_post_init__(self)
        arguments.text("plan_id", self.plan_id)
        arguments.text("payment", self.payment)
        if self.amount is not None:
            _check_amount(self.amount)
        arguments.one_of("kind", self.kind, ("regular", "early_repayment"))

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The receipt, and the plan."""
        return Stream(RECEIPT, self.reference), Stream(PLAN, self.plan_id)


@attrs.frozen(kw_only=True)
class ReverseAllocation(ReceiptCommand):
    """Reverse the payment of an allocation for error: its money remains to be allocated again.

    Both are recorded, or neither. Known by the plan and the payment's reference.
    """

    plan_id: str
    payment: str

    def __attrs_post_init__(self) -> None:
        ReceiptCommand.__attrs_post_init__(self)
        arguments.text("plan_id", self.plan_id)
        arguments.text("payment", self.payment)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The receipt, and the plan."""
        return Stream(RECEIPT, self.reference), Stream(PLAN, self.plan_id)


@attrs.frozen(kw_only=True)
class ReturnUnallocated(ReceiptCommand):
    """Record that money which was received left the ledger, on a date. Known by the reference of the return."""

    return_reference: str
    amount: Money
    on: date = attrs.field(converter=_on)
    reason: str

    def __attrs_post_init__(self) -> None:
        ReceiptCommand.__attrs_post_init__(self)
        arguments.text("return_reference", self.return_reference)
        _check_amount(self.amount)
        arguments.text("reason", self.reason, limit=REASON_LIMIT)


AnyCommand = Command | ReceiptCommand
"""A command on a plan, or on money received."""

KINDS = (
    OpenPlan,
    ClosePlan,
    RecordPayment,
    ReversePayment,
    CancelPlan,
    ReinstatePlan,
    ReceiveUnallocated,
    AllocateUnallocated,
    ReverseAllocation,
    ReturnUnallocated,
)
"""Every command."""


def check_commands(value: object) -> Sequence[tuple[AnyCommand, Metadata]]:
    """Return `value` if it is a sequence of commands with their metadata; raise `InvalidArgument` otherwise."""
    expected = "a sequence of pairs of a command and its Metadata"
    pairs = arguments.instance("commands", value, (list, tuple), expected)
    for pair in pairs:
        if len(arguments.instance("commands", pair, (list, tuple), expected)) != 2:  # noqa: PLR2004 - a pair
            raise InvalidArgument(argument="commands", given=pair, expected=expected)
        command, metadata = pair
        if type(command) not in KINDS:
            named = ", ".join(kind.__name__ for kind in KINDS)
            raise InvalidArgument(argument="command", given=command, expected=f"one of {named}")
        arguments.exactly("metadata", metadata, Metadata, "Metadata")
    return pairs


def _check_amount(amount: object) -> None:
    money = arguments.exactly("amount", amount, Money, "Money, such as Money.of('150.00', 'USD')")
    arguments.whole("amount", money.minor, minimum=1)
