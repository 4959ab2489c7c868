"""The beancount file: a block for each plan or receipt, with its accounts, entries and balance assertions."""

from collections.abc import Iterable, Iterator
from datetime import date

from ledger.audit.exports.journal import Assertion, Block, metadata, title
from ledger.audit.exports.streams import Stream
from ledger.dates import DAY

_HEADER = """\
; The books of an installment ledger: one transaction per recorded event.
; bean-check FILE
"""


def beancount(streams: Iterable[Stream]) -> Iterator[str]:
    """Yield the text of the file, a part for each stream. Raises `CorruptHistory`."""
    yield _HEADER
    for stream in streams:
        yield "".join(_lines(Block(stream), first=stream.first))


def _lines(block: Block, *, first: date) -> Iterator[str]:
    yield "\n"
    for account, commodity in block.names():
        yield f"{first} open {account} {commodity}\n"
    for entry in block.entries():
        if isinstance(entry, Assertion):
            yield from _assertion(block, entry)
            continue
        recorded, amounts = entry
        yield f"\n{recorded.event.effective_on} * {_text(title(recorded))}\n"
        for name, value in metadata(recorded):
            yield f"  {name}: {value if name in _BARE else _text(value)}\n"
        for account, amount in block.postings(amounts):
            yield f"  {account}  {amount}\n"


_BARE = ("effective_on", "sequence", "version")
"""Metadata that are dates and numbers in beancount; the others are text."""


def _assertion(block: Block, assertion: Assertion) -> Iterator[str]:
    """Yield the balances at the end of a day: beancount takes them at the beginning of the next one, exactly."""
    if assertion.on == date.max:
        return
    yield "\n"
    for account, amount in block.asserted(assertion):
        number, commodity = amount.split(" ")
        yield f"{assertion.on + DAY} balance {account}  {number} ~ 0 {commodity}\n"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
