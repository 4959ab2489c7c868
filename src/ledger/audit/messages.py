"""The sentences for people, in English: the keys of the catalogues in `locale/`.

A sentence is kept under the name of the node or reason that it tells. Names in braces are filled in; a sentence with a
plural has two forms, chosen by the number `count`. A new or changed sentence needs its translations: a test compares
the catalogues with this file.
"""

from collections.abc import Mapping

import attrs


@attrs.frozen
class Sentence:
    """A sentence in English, and its plural if it has one."""

    text: str
    plural: str | None = None


def one(text: str) -> Sentence:
    """Mark a sentence for translation."""
    return Sentence(text)


def many(text: str, plural: str) -> Sentence:
    """Mark a sentence with a plural for translation."""
    return Sentence(text, plural)


LABELS: Mapping[str, Sentence] = {
    # the shares of the package
    "shares_credited": one("Shares credited"),
    "shares_promised": one("Still to be credited if the plan is paid on schedule"),
    "shares_forfeited": one("Shares forfeited"),
    "installment_settled": one("Installment {number}, settled on {date} by payment {reference}"),
    "installment_open": one("Installment {number}, due on {date}"),
    "completion_tranche": one("Rest of the package, credited with the last installment"),
    "released_in_all": one("Credited by all installments together"),
    "forfeited_in_revision": one("Given up when the package was revised"),
    "forfeited_by_cancellation": one("Forfeited by the cancellation"),
    "agreed_package": one("Package as agreed"),
    "revised_package": one("Package as revised on {date}"),
    "package": one("Package, the smallest of"),
    # the bonus
    "bonus_credited": one("Bonus credited"),
    "bonus_promised": one("Bonus still to be credited if the plan is paid on schedule"),
    "award": one("Promotion {code}"),
    "award_earned": one("Promotion {code}, earned by payment {reference}"),
    # the money
    "paid": one("Paid"),
    "outstanding": one("Outstanding"),
    "unapplied": one("Held and not applied"),
    "price": one("Price"),
    "payment": one("Payment {reference} of {date}"),
    # the status
    "status": one("Status since {date}"),
    # the overdue figures
    "days_past_due": one("Days past due"),
    "as_of": one("Date of the question"),
    "due_on": one("Due date of installment {number}"),
    "open_again": one("Installment {number} open again after the chargeback of payment {reference}"),
    "grace_days": one("Grace"),
    "grace_ends_on": one("Last day of grace"),
    "days_left": one("Days of grace left"),
    "amount_due": one("Amount due"),
    "due_in_all": one("Due in all"),
    "amount_of": one("Installment {number}, due on {date}"),
    "paid_ahead": one("Paid towards installment {number}"),
    "settled_in_all": one("Used for the installments before it"),
    "shares_at_stake": one("Shares at stake"),
}
"""The name of a number, by the name of its node."""

REASONS: Mapping[str, Sentence] = {
    "completion_tranche_waits": many(
        "The rest of the package, {shares}, is credited with the last installment: {count} installment is open, "
        "{amount} of the price is not paid yet.",
        "The rest of the package, {shares}, is credited with the last installment: {count} installments are open, "
        "{amount} of the price is not paid yet.",
    ),
    "package_revised": one(
        "The reinstatement of {date} revised the package to {shares}, approved by {approver}. Reason given: {reason}"
    ),
    "cancelled_grace_ended": one(
        "Cancelled on {date}: installment {number} was due on {due}, grace ended on {grace}, and it was not paid in "
        "full by then."
    ),
    "cancelled_by_request": one("Cancelled on {date} by request {reference}. Reason given: {reason}"),
    "reinstated": one("Reinstated on {date} with payment {reference}, approved by {approver}. Reason given: {reason}"),
    "completed": one("Completed on {date}: payment {reference} settled the last installment."),
    "in_grace": one(
        "Installment {number} was due on {due} and is not paid in full. Grace lasts until {grace}, that day included."
    ),
    "nothing_overdue": one("Nothing is overdue: the oldest open installment, number {number}, falls due on {date}."),
    "reopened_today": one(
        "Nothing is overdue: installment {number}, due on {due}, is open again from {date}, and is past due from the "
        "day after."
    ),
    "reopened": one("Payment {reference} was charged back on {date}: installment {first} is open again from that day."),
    "reopened_several": one(
        "Payment {reference} was charged back on {date}: installments {first} to {last} are open again from that day."
    ),
    "payment_in_error": one(
        "Payment {reference} of {amount} does not count: it was recorded in error and was never made."
    ),
    "payment_charged_back": one("Payment {reference} of {amount} no longer counts: it was charged back on {date}."),
    "payment_unapplied": one(
        "Payment {reference} of {amount}, dated {date}, is held and not applied: the plan had ended before it."
    ),
    "no_promotions": one("The terms of the plan grant no promotion."),
    "bonus_waits": many(
        "The bonus on completion is credited with the last installment: {count} installment is open, {amount} of the "
        "price is not paid yet.",
        "The bonus on completion is credited with the last installment: {count} installments are open, {amount} of "
        "the price is not paid yet.",
    ),
    "late_unpaid": one(
        "No bonus under promotion {code}: it asks for payment by each due date; installment {number} was due on {due} "
        "and was not paid by then."
    ),
    "late_paid": one(
        "No bonus under promotion {code}: it asks for payment by each due date; installment {number} was due on {due} "
        "and was paid in full on {paid} with payment {reference}."
    ),
    "cancelled_unpaid": one(
        "No bonus under promotion {code}: installment {number} was due on {due}, grace ended on {grace}, and the plan "
        "was cancelled on {date}."
    ),
    "cancelled_paid": one(
        "No bonus under promotion {code}: installment {number} was due on {due}, grace ended on {grace}, paid on "
        "{paid} with payment {reference}; the plan was cancelled on {date}."
    ),
    "cancelled_by_request_bonus": one(
        "No bonus under promotion {code}: the plan was cancelled by request on {date}, before it was paid in full."
    ),
    "cancelled_award": one(
        "Promotion {code}, earned by payment {reference}, is not credited: the plan was cancelled on {date}, before it "
        "was paid in full."
    ),
    "lost_paid": one(
        "No bonus under promotion {code}: installment {number} was due on {due}, grace ended on {grace}, paid on "
        "{paid} with payment {reference}; the plan was cancelled on {date}. A reinstatement does not bring back what "
        "completion would have credited."
    ),
    "lost_by_request": one(
        "No bonus under promotion {code}: the plan was cancelled by request on {date}. A reinstatement does not bring "
        "back what completion would have credited."
    ),
    "lost_award": one(
        "Promotion {code}, earned by payment {reference}, is not credited: the plan was cancelled on {date}. A "
        "reinstatement does not bring back what completion would have credited."
    ),
    "outdone": one(
        "Promotion {code}, {shares}, is not credited: under the terms only the largest award is, promotion {other} "
        "with {most}."
    ),
    "rounds_to_nothing": one("Promotion {code} comes to less than one share, and is rounded down."),
    "award_charged_back": one(
        "Promotion {code}, earned by payment {reference}, no longer counts: the payment was charged back on {date}."
    ),
    "never_double": one(
        "Promotion {code} is not earned: no payment settled the next installment by its due date together with the one "
        "after it."
    ),
    "never_early": one("Promotion {code} is not earned: no payment was marked as early repayment."),
    "unearned_late": one(
        "Payment {reference} of {date} did not earn promotion {code}: the installment next due was past its due date."
    ),
    "unearned_prepays": one(
        "Payment {reference} of {date} did not earn promotion {code}: it counts as an early repayment."
    ),
    "unearned_nothing_prepaid": one(
        "Payment {reference} of {date} did not earn promotion {code}: apart from the installment next due, it settled "
        "none that was due later."
    ),
    "unearned_rounds_to_nothing": one(
        "Payment {reference} of {date} did not earn promotion {code}: it comes to less than one share, and is rounded "
        "down."
    ),
}
"""Why something is so or is not so, by the name of the reason."""

STATUSES: Mapping[str, Sentence] = {
    "active": one("active"),
    "in_grace": one("in grace"),
    "cancelled": one("cancelled"),
    "completed": one("completed"),
}
"""A status in words."""

SHARES = many("{number} share", "{number} shares")
DAYS = many("{number} day", "{number} days")
LINE = one("{label}: {amount}")
ROUNDED_DOWN = one("{formula}, rounded down")
NOT_RECORDED = one("not recorded yet")
TITLE = one("Plan {plan} on {date}")
TITLE_KNOWN = one("Plan {plan} on {date}, as known at {known}")
TITLE_KNOWN_DAY = one("Plan {plan} on {date}, as known at the end of {known}")
REASONS_HEADING = one("Reasons")
LEGEND = one("§: section of the rules. #: event of the plan, by its version.")
