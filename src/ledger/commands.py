"""Commands: the acts that a caller asks for, as data. `decide` turns them into events, or refuses them.

Nothing here knows a clock, a store or a rule: a command that can be made is well formed, and no more.
"""

from collections.abc import Sequence
from datetime import date, datetime

import attrs

from ledger import arguments
from ledger.dates import civil_date, date_or_instant, instant
from ledger.errors import InvalidArgument
from ledger.events.facts import REASON_LIMIT, PaymentKind, ReversalCause
from ledger.money import Money
from ledger.terms import PlanTerms


def _opened_at(value: object) -> date | datetime:
    return date_or_instant("opened_at", value)


def _paid_at(value: object) -> date | datetime:
    return date_or_instant("paid_at", value)


def _recorded_at(value: object) -> datetime:
    return instant("recorded_at", value)


def _on(value: object) -> date:
    return civil_date("on", value)


def _through(value: object) -> date:
    return civil_date("through", value)


@attrs.frozen(kw_only=True)
class Metadata:
    """Data recorded beside the events of a command: the instant of recording, the actor, the correlation id."""

    recorded_at: datetime = attrs.field(converter=_recorded_at)
    actor: str | None = None
    correlation: str | None = None

    def __attrs_post_init__(self) -> None:
        arguments.make_plain(self, "actor", "correlation")
        arguments.optional_text("actor", self.actor)
        arguments.optional_text("correlation", self.correlation)


@attrs.frozen(kw_only=True)
class Command:
    """A command on one plan."""

    plan_id: str

    def __attrs_post_init__(self) -> None:
        arguments.make_plain(self, *(field.name for field in attrs.fields(type(self))))
        arguments.text("plan_id", self.plan_id)


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


KINDS = (OpenPlan, ClosePlan, RecordPayment, ReversePayment, CancelPlan, ReinstatePlan)
"""Every command."""


def check_commands(value: object) -> Sequence[tuple[Command, Metadata]]:
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
