"""The hledger journal: a block for each plan or receipt, with its accounts, entries and balance assertions."""

from collections.abc import Iterable, Iterator

from ledger.audit.exports.accounts import PLAN, SHARE, escaped
from ledger.audit.exports.journal import Assertion, Block, metadata, title
from ledger.audit.exports.streams import Stream
from ledger.money import EXPONENTS

_HEADER = f"""\
; The books of an installment ledger: one transaction per recorded event.
; hledger check --strict
commodity 1000. {SHARE}
commodity 1000. {PLAN}
"""


def hledger(streams: Iterable[Stream]) -> Iterator[str]:
    """Yield the text of the journal, a part for each stream. Raises `CorruptHistory`."""
    yield _HEADER
    currencies: set[str] = set()
    for stream in streams:
        if stream.currency not in currencies:
            currencies.add(stream.currency)
            yield f"commodity 1000.{'0' * EXPONENTS[stream.currency]} {stream.currency}\n"
        yield "".join(_lines(Block(stream)))


def _lines(block: Block) -> Iterator[str]:
    yield "\n"
    for account, _ in block.names():
        yield f"account {account}\n"
    for entry in block.entries():
        if isinstance(entry, Assertion):
            yield f"\n{entry.on} * balances\n"
            for account, amount in block.asserted(entry):
                yield f"    {account}  0 {amount.partition(' ')[2]} = {amount}\n"
            continue
        recorded, amounts = entry
        yield f"\n{recorded.event.effective_on} * ({recorded.sequence}) {_plain(title(recorded))}\n"
        tags = ", ".join(f"{name}:{_tag(name, value)}" for name, value in metadata(recorded))
        yield f"    ; {tags}\n"
        for account, amount in block.postings(amounts):
            yield f"    {account}  {amount}\n"


def _plain(text: str) -> str:
    """Return a description without the characters that begin a comment or end the payee."""
    return "".join(one if one not in ";|" else escaped(one) for one in text)


def _tag(name: str, value: str) -> str:
    """Return the value of a tag, which a comma would end; only keys and actors may hold anything."""
    return escaped(value) if name in ("key", "actor") else value
