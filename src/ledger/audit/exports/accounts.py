"""The accounts of the double entry: their names, their units, and ids as parts of an account's name.

The names are valid in hledger and in beancount, whatever the ids of plans, investors and receipts are.
"""

import re
from collections.abc import Mapping
from operator import neg, sub
from typing import Literal, NamedTuple, Self

Unit = Literal["money", "shares", "plans"]
"""The unit of an account: minor units of the plan's currency, whole shares, or the plan itself."""


class Amounts(NamedTuple):
    """An amount for each account: debits above zero, credits below. Money in minor units, shares whole.

    The accounts of each unit add up to zero. `price`, `package`, `granted` and `opened` are the contras of the others.
    Source: docs/double-entry.md.
    """

    receivable: int = 0
    cash: int = 0
    unapplied: int = 0
    unallocated: int = 0
    price: int = 0
    promised: int = 0
    credited: int = 0
    forfeited: int = 0
    package: int = 0
    bonus: int = 0
    granted: int = 0
    active: int = 0
    in_grace: int = 0
    cancelled: int = 0
    completed: int = 0
    opened: int = 0

    def less(self, other: Self) -> "Amounts":
        """Return the differences, account by account."""
        return Amounts._make(map(sub, self, other))

    def negated(self) -> "Amounts":
        """Return the opposite amounts."""
        return Amounts._make(map(neg, self))


NOTHING = Amounts()


class Account(NamedTuple):
    """An account by its path, without the ids of investor and plan, and its unit."""

    path: str
    unit: Unit


ACCOUNTS: Mapping[str, Account] = {
    "receivable": Account("Assets:Receivable", "money"),
    "cash": Account("Assets:Cash:Plans", "money"),
    "unapplied": Account("Liabilities:Unapplied", "money"),
    "unallocated": Account("Liabilities:Unallocated", "money"),
    "price": Account("Equity:Price", "money"),
    "promised": Account("Equity:Promised", "shares"),
    "credited": Account("Equity:Credited", "shares"),
    "forfeited": Account("Equity:Forfeited", "shares"),
    "package": Account("Equity:Package", "shares"),
    "bonus": Account("Equity:Bonus", "shares"),
    "granted": Account("Equity:Granted", "shares"),
    "active": Account("Equity:Plans:Active", "plans"),
    "in_grace": Account("Equity:Plans:Grace", "plans"),
    "cancelled": Account("Equity:Plans:Cancelled", "plans"),
    "completed": Account("Equity:Plans:Completed", "plans"),
    "opened": Account("Equity:Plans:Opened", "plans"),
}
"""Every account of a plan, by its name in `Amounts`."""

RECEIPT_CASH = "Assets:Cash:Receipts"
"""The path of money received and not yet allocated; the liability beside it is `unallocated`."""

SHARE = "SHARE"
PLAN = "PLAN"
"""The commodities of shares and of plans; money has the code of its currency."""

_PLAIN = re.compile(r"[A-Za-z0-9]")
_FIRST = re.compile(r"(?!X-)[A-Z0-9]")
_ESCAPED = re.compile(r"-u([0-9A-F]+)-")
_PREFIX = "X-"


def escaped(text: str) -> str:
    """Return text in letters, digits and hyphens of ASCII; two different texts never give the same.

    Every other character is written `-u20-`, its code point between hyphens, and so is a hyphen before a `u`.
    """
    return "".join(
        one if _PLAIN.match(one) or (one == "-" and text[at + 1 : at + 2] != "u") else f"-u{ord(one):X}-"
        for at, one in enumerate(text)
    )


def component(text: str) -> str:
    """Return an id as one part of an account's name, which begins with a capital or a digit; `id_of` reads it back."""
    part = escaped(text)
    return part if _FIRST.match(part) else _PREFIX + part


def id_of(part: str) -> str:
    """Return the id that `component` turned into a part of an account's name."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), part.removeprefix(_PREFIX))
