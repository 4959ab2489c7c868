"""Calls as plain data, the lines of a history file, and back."""

from collections.abc import Mapping
from typing import Any

from ledger.books import columns
from ledger.errors import InvalidArgument, arguments
from ledger.money import Money
from ledger.terms import PlanTerms
from ledger.testing.calls import Call
from ledger.values import from_dict, to_dict

QUESTIONS = ("position", "overdue", "balances")
"""The calls that ask."""


def plain(call: Call) -> dict[str, Any]:
    """Return a call as plain data, which `call_of` reads back."""
    return {"call": call.name, "plan_id": call.plan_id, "arguments": to_dict(call.arguments)}


_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "open": ("investor", "partner", "terms", "opened_on", "recorded_at"),
    "pay": ("reference", "amount", "paid_at", "kind", "recorded_at"),
    "reverse": ("reference", "cause", "on", "recorded_at"),
    "cancel": ("reference", "on", "reason", "recorded_at"),
    "reinstate": ("reference", "amount", "on", "approved_by", "reason", "revised_shares", "recorded_at"),
    "close": ("through", "recorded_at"),
    "rebuild": (),
    "restart": (),
    "audit": (),
    **dict.fromkeys(QUESTIONS, ("as_of", "known_at")),
}
"""The arguments of each call of a history."""


def call_of(data: Mapping[str, Any]) -> Call:
    """Return a call from plain data. Raises `InvalidArgument` that names what is wrong."""
    name, given = data.get("call"), data.get("arguments")
    expected = _ARGUMENTS.get(str(name))
    if expected is None:
        raise InvalidArgument(argument="call", given=name, expected=f"one of {', '.join(_ARGUMENTS)}")
    if not isinstance(given, dict) or {*given} != {*expected}:
        names = ", ".join(expected) or "nothing"
        raise InvalidArgument(argument="arguments", given=given, expected=f"of {name}: {names}")
    of_plan = name not in ("close", "rebuild", "restart", "audit", "overdue", "balances")
    if isinstance(data.get("plan_id"), str) != of_plan:
        wanted = "the id of a plan" if of_plan else "null"
        raise InvalidArgument(argument="plan_id", given=data.get("plan_id"), expected=wanted)
    return Call(str(name), data["plan_id"], {key: _read(key, value) for key, value in given.items()})


def _read(name: str, value: Any) -> Any:  # noqa: PLR0911 - one return for each form
    """Return an argument as the port takes it. Raises `InvalidArgument`."""
    if value is None and name in _OPTIONAL:
        return None
    if name == "terms":
        return to_dict(from_dict(PlanTerms, value))
    if name == "amount":
        money = from_dict(Money, value)
        return {"minor": money.minor, "currency": money.currency}
    if name == "revised_shares":
        return arguments.whole(name, value, minimum=1)
    if not isinstance(value, str):
        raise InvalidArgument(argument=name, given=value, expected="text")
    if name in ("recorded_at", "known_at"):
        return columns.instant(value)
    if name == "paid_at":
        return columns.date_or_instant(value)
    return columns.civil_date(value) if name in ("opened_on", "on", "through", "as_of") else value


_OPTIONAL = ("partner", "on", "revised_shares", "known_at")
