"""The port of a ledger under test: nine calls in plain words, which a client of any service can make.

Plain words: dates are `datetime.date` or ISO text, instants aware datetimes, money `{"minor": 15000, "currency":
"USD"}`, terms and answers the dictionaries that `ledger.to_dict` makes of `PlanTerms`, `Position` and rows. An answer
may have more fields than are asked for here.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, Protocol

CAPABILITIES: Mapping[str, str] = {
    "early_repayment": "a payment can be marked as an early repayment",
    "instants": "a payment may be dated by an instant, which counts on its day in the plan's time zone",
    "error": "a payment can be reversed for error",
    "chargeback": "a payment can be charged back on a date",
    "cancel": "a plan can be cancelled by request",
    "reinstate": "a cancelled plan can be reinstated",
    "close": "the books can be closed through a date",
    "overdue": "the overdue list can be asked for",
    "balances": "the balances of investors can be asked for",
    "codes": "a refusal carries the `code` of the ledger's error, such as plan_is_cancelled",
    "recorded_at": "a command may state the instant at which it is recorded",
    "known_at": "a question may be asked as known at an instant; needs recorded_at",
    "rebuild": "`rebuild()` derives every read model again from what is recorded",
    "restart": "`restart()` stops whatever answers and starts it again",
}
"""Everything that a port can be able to do, with its meaning."""

STANDARD = frozenset(CAPABILITIES) - {"rebuild", "restart"}
"""The capabilities of a port that declares none: the nine calls, with all their arguments."""

Answer = Mapping[str, Any]
"""A position or a row, by field."""


class Refused(Exception):
    """The ledger under test refuses a call; `code` is that of the ledger's errors, where it has one."""

    def __init__(self, code: str | None = None, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class LedgerPort(Protocol):
    """One ledger under test, empty when it is made. A subclass inherits the capabilities; none is needed.

    A command returns nothing, also when it was recorded before and is repeated, and raises `Refused` where the ledger
    refuses it; so does a question about a plan that is not there. Whatever else is raised is a fault of the adapter.
    `capabilities` names what the ledger can do; what it cannot is reported as not run. `recorded_at` and `known_at` may
    be ignored by a port that does not declare them.
    """

    capabilities: Collection[str] = STANDARD

    def open(
        self, plan_id: str, *, investor: str, partner: str | None, terms: Answer, opened_on: date, recorded_at: datetime
    ) -> None:
        """Open a plan under these terms."""
        ...

    def pay(
        self,
        plan_id: str,
        *,
        reference: str,
        amount: Answer,
        paid_at: date | datetime,
        kind: Literal["regular", "early_repayment"],
        recorded_at: datetime,
    ) -> None:
        """Record a payment."""
        ...

    def reverse(
        self,
        plan_id: str,
        *,
        reference: str,
        cause: Literal["error", "chargeback"],
        on: date | None,
        recorded_at: datetime,
    ) -> None:
        """Take a payment back: as never made, or on a date."""
        ...

    def cancel(self, plan_id: str, *, reference: str, on: date, reason: str, recorded_at: datetime) -> None:
        """Cancel a plan by request."""
        ...

    def reinstate(
        self,
        plan_id: str,
        *,
        reference: str,
        amount: Answer,
        on: date,
        approved_by: str,
        reason: str,
        revised_shares: int | None,
        recorded_at: datetime,
    ) -> None:
        """Reinstate a cancelled plan, with its payment."""
        ...

    def close(self, *, through: date, recorded_at: datetime) -> None:
        """Close the books through a date: record what has come due in all plans, where the ledger does such a thing."""
        ...

    def position(self, plan_id: str, *, as_of: date, known_at: datetime | None) -> Answer:
        """Return the position of a plan on a date."""
        ...

    def overdue(self, *, as_of: date, known_at: datetime | None) -> Sequence[Answer]:
        """Return the rows of the overdue list, by end of grace, then plan id."""
        ...

    def balances(self, *, as_of: date, known_at: datetime | None) -> Sequence[Answer]:
        """Return the balances, one row per investor, by investor."""
        ...


# ---- the form of answers

_LINE = {"number": "count", "due_on": "date", "amount": "money", "shares": "count", "missing": "money"}
_SHARES = dict.fromkeys(
    ("shares_credited", "shares_promised", "shares_forfeited", "bonus_credited", "bonus_promised"), "count"
)
FORMS: Mapping[str, Mapping[str, Any]] = {
    "position": {
        "plan_id": "text",
        "investor": "text",
        "partner": "text?",
        "price": "money",
        "as_of": "date",
        "status": "text",
        "paid": "money",
        "outstanding": "money",
        "unapplied": "money",
        "settled": "count",
        "next_installment": _LINE,
        "days_past_due": "count",
        "grace_ends_on": "date?",
        "cancelled_on": "date?",
        "completed_on": "date?",
        **_SHARES,
    },
    "overdue": {
        "plan_id": "text",
        "investor": "text",
        "partner": "text?",
        "number": "count",
        "due_on": "date",
        "days_past_due": "count",
        "days_left": "count",
        "grace_ends_on": "date",
        "amount_due": "money",
        "shares_at_stake": "count",
    },
    "balances": {"investor": "text", "plans": "count", **_SHARES},
}
"""The fields of each answer with the form of their values; `?` allows None, as does the next installment."""

_EXPECTED = {
    "text": "text",
    "count": "a whole number",
    "date": "a date, or one in ISO 8601",
    "money": "money, such as {'minor': 15000, 'currency': 'USD'}",
}


class Nonsense(Exception):
    """An answer that has not the form of one; the sentence names the field and the form expected."""


def read(question: str, answer: object) -> Any:
    """Return an answer of the ledger under test in canonical form: plain values, dates as `date`. Raises `Nonsense`."""
    form = FORMS[question]
    if question == "position":
        return _record(form, answer, question)
    if isinstance(answer, (str, Mapping)) or not isinstance(answer, Sequence):
        raise Nonsense(f"{question} is {_shown(answer)}; expected a sequence of rows")
    return [_record(form, row, f"{question}[{number}]") for number, row in enumerate(answer)]


def _record(form: Mapping[str, Any], value: object, at: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Nonsense(f"{at} is {_shown(value)}; expected a mapping of fields")
    missing = [name for name in form if name not in value]
    if missing:
        raise Nonsense(f"{at} has no field {', '.join(missing)}")
    return {name: _field(kind, value[name], f"{at}.{name}") for name, kind in form.items()}


def _field(kind: Any, value: object, at: str) -> Any:
    if isinstance(kind, Mapping):
        return None if value is None else _record(kind, value, at)
    if kind.endswith("?") and value is None:
        return None
    plain = _PLAIN[kind.removesuffix("?")](value)
    if plain is None:
        raise Nonsense(f"{at} is {_shown(value)}; expected {_EXPECTED[kind.removesuffix('?')]}")
    return plain


def _date(value: object) -> date | None:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _money(value: object) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    minor, currency = value.get("minor"), value.get("currency")
    return {"minor": minor, "currency": currency} if type(minor) is int and isinstance(currency, str) else None


_PLAIN = {
    "text": lambda value: value if isinstance(value, str) else None,
    "count": lambda value: value if type(value) is int else None,
    "date": _date,
    "money": _money,
}


def _shown(value: object) -> str:
    text = f"{value!r} ({type(value).__name__})"
    return text if len(text) <= 80 else f"{text[:77]}…"  # noqa: PLR2004 - a line of a terminal
