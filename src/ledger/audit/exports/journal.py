"""The parts that hledger and beancount share: accounts of a stream, amounts in words, and what an entry is called."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from ledger.audit.exports.accounts import ACCOUNTS, NOTHING, RECEIPT_CASH, SHARE, Amounts, component
from ledger.audit.exports.accounts import PLAN as ONE_PLAN
from ledger.audit.exports.streams import Stream, asserted_days, balances, known_by_then
from ledger.events import PLAN, RecordedEvent
from ledger.money import Money
from ledger.values import TAGS


class Assertion(NamedTuple):
    """The balances of a stream at the end of a day, as the ledger answers them, and the accounts that are asserted."""

    on: date
    amounts: Amounts
    of: frozenset[str]


class Block:
    """A stream as a block of a journal: its accounts by name, its entries, and its assertions among them."""

    def __init__(self, stream: Stream) -> None:
        self._currency = stream.currency
        self._stream = stream
        self._ends = [
            Assertion(day, balances(stream, day), known_by_then(stream, day)) for day in asserted_days(stream)
        ]
        used = zip(*(amounts for _, amounts in stream.entries), *(end.amounts for end in self._ends), strict=True)
        self.used = [any(amounts) for amounts in used]
        """Whether an account has any amounts, in the order of `Amounts`."""
        self.accounts = [*_accounts(stream)]
        """The full names of the accounts, in the order of `Amounts`."""

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the names of the accounts in use, each with its commodity."""
        for name, account, used in zip(self.accounts, ACCOUNTS.values(), self.used, strict=True):
            if used:
                yield name, _commodity(account.unit, self._currency)

    def postings(self, amounts: Amounts) -> Iterator[tuple[str, str]]:
        """Yield the accounts that an entry changes, each with the amount and its commodity."""
        if amounts == NOTHING:
            return
        for name, account, amount in zip(self.accounts, ACCOUNTS.values(), amounts, strict=True):
            if amount:
                yield name, written(amount, account.unit, self._currency)

    def asserted(self, assertion: Assertion) -> Iterator[tuple[str, str]]:
        """Yield the accounts that an assertion is about, each with its balance and its commodity."""
        columns = zip(self.accounts, ACCOUNTS.items(), assertion.amounts, self.used, strict=True)
        for name, (account, shape), amount, used in columns:
            if used and account in assertion.of:
                yield name, written(amount, shape.unit, self._currency)

    def entries(self) -> Iterator[tuple[RecordedEvent, Amounts] | Assertion]:
        """Yield the entries by date, and each assertion after the last entry of its day."""
        ends = iter(self._ends)
        end = next(ends, None)
        for entry in self._stream.entries:
            while end is not None and end.on < entry.recorded.event.effective_on:
                yield end
                end = next(ends, None)
            yield entry
        while end is not None:
            yield end
            end = next(ends, None)


def _accounts(stream: Stream) -> Iterator[str]:
    if stream.opened is None:
        part = component(stream.stream_id)
        yield from (f"{RECEIPT_CASH if name == 'cash' else account.path}:{part}" for name, account in ACCOUNTS.items())
        return
    of = f"{component(stream.opened.investor)}:{component(stream.stream_id)}"
    yield from (f"{account.path}:{of}" for account in ACCOUNTS.values())


def _commodity(unit: str, currency: str) -> str:
    return currency if unit == "money" else SHARE if unit == "shares" else ONE_PLAN


def written(amount: int, unit: str, currency: str) -> str:
    """Return an amount as both programs read it: exact, in major units of its commodity."""
    return str(Money(amount, currency)) if unit == "money" else f"{amount} {_commodity(unit, currency)}"


def title(recorded: RecordedEvent) -> str:
    """Return what happened and where: `payment made, plan P-1`."""
    words = TAGS[type(recorded.event)].partition(".")[0].replace("_", " ")
    return f"{words}, {'plan' if recorded.kind == PLAN else 'receipt'} {recorded.stream_id}"


def metadata(recorded: RecordedEvent) -> Iterator[tuple[str, str]]:
    """Yield the envelope of an event: both dates, sequence, version, type, key and actor."""
    yield "effective_on", recorded.event.effective_on.isoformat()
    yield "recorded_at", recorded.recorded_at.isoformat()
    yield "sequence", str(recorded.sequence)
    yield "version", str(recorded.version)
    yield "type", TAGS[type(recorded.event)]
    yield "key", recorded.key
    if recorded.actor is not None:
        yield "actor", recorded.actor
