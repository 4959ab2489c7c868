"""Flat rows: one per recorded event, with its envelope, its own fields and the amounts of its entry.

CSV, JSON Lines and Parquet have the same columns. Money is in minor units of `currency`.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from io import StringIO
from operator import attrgetter
from typing import Any

import attrs

from ledger.audit.exports.accounts import Amounts
from ledger.audit.exports.streams import Stream
from ledger.events import PLAN, Event
from ledger.money import Money
from ledger.values import TAGS

Value = int | str | date | datetime | None

_ENVELOPE: Mapping[str, type[Any]] = {
    "sequence": int,
    "kind": str,
    "stream_id": str,
    "version": int,
    "type": str,
    "effective_on": date,
    "recorded_at": datetime,
    "actor": str,
    "correlation": str,
    "key": str,
    "plan_id": str,
    "investor": str,
    "partner": str,
    "timezone": str,
    "currency": str,
}

_FIELDS: Mapping[str, type[Any]] = {
    "reference": str,
    "amount": int,
    "number": int,
    "shares": int,
    "due_on": date,
    "grace_ends_on": date,
    "cause": str,
    "code": str,
    "payment": str,
    "voids": int,
    "because": int,
}
"""Fields of events, each None where the event has none of that name."""

COLUMNS: Mapping[str, type[Any]] = {**_ENVELOPE, **_FIELDS, **dict.fromkeys(Amounts._fields, int), "state": str}
"""The columns of a row, with their types; `state` is the stored form of the event, byte for byte."""


def rows(stream: Stream) -> Iterator[tuple[Value, ...]]:
    """Yield the rows of a stream, by date, in the order of `COLUMNS`."""
    opened = stream.opened
    investor, partner = (opened.investor, opened.partner) if opened else (None, None)
    zone = opened.terms.timezone if opened else None
    for recorded, amounts in stream.entries:
        event = recorded.event
        yield (
            recorded.sequence,
            recorded.kind,
            recorded.stream_id,
            recorded.version,
            TAGS[type(event)],
            event.effective_on,
            recorded.recorded_at,
            recorded.actor,
            recorded.correlation,
            recorded.key,
            recorded.stream_id if recorded.kind == PLAN else getattr(event, "plan_id", None),
            investor,
            partner,
            zone or getattr(event, "timezone", None),
            stream.currency,
            *_READERS[type(event)](event),
            *amounts,
            stream.states[recorded.version].decode(),
        )


def _reader(shape: type[Any]) -> Callable[[Event], Iterable[Value]]:
    """Return a reader of the fields that a class of events has."""
    has = attrs.fields_dict(shape)
    getters = [_minor if name == "amount" else attrgetter(name) if name in has else None for name in _FIELDS]
    if "amount" not in has:
        getters = [None if getter is _minor else getter for getter in getters]
    return lambda event: [None if getter is None else getter(event) for getter in getters]


def _minor(event: Any) -> int:
    amount: Money = event.amount
    return amount.minor


_READERS: Mapping[type[Any], Callable[[Event], Iterable[Value]]] = {shape: _reader(shape) for shape in TAGS}


def _iso(value: date) -> str:
    """Return a date or an instant in ISO 8601."""
    return value.isoformat()


def csv_text(streams: Iterable[Stream]) -> Iterator[str]:
    """Yield the text of a CSV file, a part for each stream: dates and instants ISO 8601, nothing for None."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for stream in streams:
        writer.writerows([_iso(cell) if isinstance(cell, date) else cell for cell in row] for row in rows(stream))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def jsonl_text(streams: Iterable[Stream]) -> Iterator[str]:
    """Yield the text of a JSON Lines file, a part for each stream: dates and instants ISO 8601."""
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_iso).encode
    for stream in streams:
        yield "".join(f"{encode(dict(zip(COLUMNS, row, strict=True)))}\n" for row in rows(stream))
