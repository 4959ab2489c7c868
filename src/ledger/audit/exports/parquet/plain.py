"""Plain plans as columns: plans in which nothing was taken back and nothing decided, as in most.

Their rows are those of `flat`, built for a page of plans at a time. A stored event is matched with the exact form in
which it is written, which tells as much as decoding it; the amounts of its entry follow from sums over its plan. A plan
with any other event, form or order is left out, and so is one with anything in doubt: it is for `entries`, which takes
the events one by one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import chain
from typing import Any

import polars as pl

from ledger.audit.exports.flat import COLUMNS
from ledger.errors import CorruptHistory
from ledger.events import (
    InstallmentSettled,
    PaymentMade,
    PaymentMissed,
    PlanCancelled,
    PlanCompleted,
    PlanOpened,
    PromoApplied,
    RecordedEvent,
)
from ledger.store import RawEvent
from ledger.values import TAGS

_TYPES = {int: pl.Int64(), str: pl.String(), date: pl.Date(), datetime: pl.Datetime("us", "UTC")}

SCHEMA: Mapping[str, pl.DataType] = {name: _TYPES[kind] for name, kind in COLUMNS.items()}
"""The columns of Parquet."""

# ---- the stored form of events; of text only printable ASCII without escapes

_WORD = r"[!#-\[\]-~]+"
_TEXT = rf'"(?P<>{_WORD}(?: +{_WORD})*)"'
_POSITIVE = "(?P<>[1-9][0-9]{0,14})"
_NATURAL = "(?P<>0|[1-9][0-9]{0,14})"
_DAY = "[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
_DATE = f'"(?P<>{_DAY})"'
_INSTANT = rf'"(?P<>{_DAY}T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){{2}}(?:\.[0-9]{{6}})?Z)"'
_NO_FRACTION = ".000000Z"
"""The end of an instant that has the form, and is written without a fraction."""

_LONGEST = 200
"""Characters of a reference."""

_FIELDS: Mapping[type[Any], Mapping[str, str]] = {
    PaymentMade: {
        "amount": rf'\{{"currency":"(?P<paid_in>[A-Z]{{3}})","minor":{_POSITIVE}\}}',
        "effective_on": _DATE,
        "kind": '"(?:regular|early_repayment)"',
        "paid_at": f"(?:null|{_INSTANT})".replace("?P<>", "?:"),
        "reference": _TEXT,
    },
    InstallmentSettled: {"effective_on": _DATE, "number": _POSITIVE, "payment": _TEXT, "shares": _NATURAL},
    PaymentMissed: {"due_on": _DATE, "effective_on": _DATE, "grace_ends_on": _DATE, "number": _POSITIVE},
    PromoApplied: {"code": _TEXT, "effective_on": _DATE, "payment": _TEXT, "shares": _POSITIVE},
    PlanCancelled: {
        "cause": '"(?P<>grace_ended)"',
        "effective_on": _DATE,
        "number": _POSITIVE,
        "request": "null",
        "shares_forfeited": _NATURAL.replace("?P<>", "?:"),
    },
    PlanCompleted: {"effective_on": _DATE, "payment": _TEXT, "shares": _NATURAL},
}
"""The events of a plain plan after its opening, each field in its form."""

_ENVELOPE = {"actor": f"(?:null|{_TEXT})", "correlation": f"(?:null|{_TEXT})", "key": _TEXT, "recorded_at": _INSTANT}


def _form(fields: Mapping[str, str]) -> str:
    """Return the form of an object with these fields: keys sorted, no spaces. The group of a field has its name."""
    return r"\{" + ",".join(f'"{name}":{fields[name]}'.replace("<>", f"<{name}>") for name in sorted(fields)) + r"\}"


_FORMS = {TAGS[shape]: f"^{_form({**_ENVELOPE, 'event': _form(fields)})}$" for shape, fields in _FIELDS.items()}

# ---- frames

_STORED = {
    "sequence": pl.Int64(),
    "kind": pl.String(),
    "stream_id": pl.String(),
    "version": pl.Int64(),
    "type": pl.String(),
    "state": pl.Binary(),
}
_OPENED = {
    "stream_id": pl.String(),
    "investor": pl.String(),
    "partner": pl.String(),
    "timezone": pl.String(),
    "currency": pl.String(),
    "of_price": pl.Int64(),
    "of_shares": pl.Int64(),
    "opened_on": pl.Date(),
}
_WRITTEN = {name: SCHEMA[name] for name in ("actor", "correlation", "key", "recorded_at")}
_DATES = "effective_on", "due_on", "grace_ends_on"
_NUMBERS = "amount", "number", "shares"
_TEXTS = "paid_in", "reference", "payment", "code", "cause"
_NONE_MATCHED = pl.DataFrame(schema=dict.fromkeys((*_TEXTS, *_DATES, *_NUMBERS, *_WRITTEN), pl.String()))


def plain_plans(
    histories: Mapping[str, Sequence[RawEvent]], decode: Callable[[RawEvent], RecordedEvent]
) -> pl.DataFrame:
    """Return the rows of the plain plans among some, by id and date, in the columns of `SCHEMA`."""
    events = [*chain.from_iterable(histories.values())]
    try:
        stored = pl.DataFrame(dict(zip(_STORED, zip(*events, strict=True), strict=True)) if events else [], _STORED)
        stored = stored.with_columns(pl.col("state").cast(pl.String), stream=pl.col("stream_id").rle_id())
    except (TypeError, pl.exceptions.ComputeError):  # somebody has written other types, or bytes that are no text
        return pl.DataFrame(schema=SCHEMA)
    openings = pl.DataFrame([*_openings(histories, decode)], {**_OPENED, **_WRITTEN}, orient="row")
    first = stored.filter(_is(PlanOpened)).join(openings, on="stream_id").with_columns(effective_on="opened_on")
    later = _matched(stored).join(openings.drop(*_WRITTEN), on="stream_id", how="left")
    frame = pl.concat((first, later), how="diagonal").sort("stream", "version").with_columns(usual=_usual())
    frame = _with_amounts(_with_fact(frame).sort("stream", "effective_on", "fact", "version"))
    plain = (pl.col("usual") & _in_order()).fill_null(value=False).all().over("stream")
    return frame.filter(plain).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def _is(*shapes: type[Any]) -> pl.Expr:
    return pl.col("type").is_in([TAGS[shape] for shape in shapes])


def _openings(
    histories: Mapping[str, Sequence[RawEvent]], decode: Callable[[RawEvent], RecordedEvent]
) -> Iterator[tuple[Any, ...]]:
    """Yield a row of every opening that can be decoded."""
    for stream_id, stored in histories.items():
        try:
            recorded = decode(stored[0])
        except (CorruptHistory, IndexError):
            continue
        event = recorded.event
        if isinstance(event, PlanOpened):
            terms, by = event.terms, (recorded.actor, recorded.correlation, recorded.key, recorded.recorded_at)
            of = terms.timezone, terms.price.currency, terms.price.minor, terms.shares
            yield stream_id, event.investor, event.partner, *of, event.effective_on, *by


def _matched(stored: pl.DataFrame) -> pl.DataFrame:
    """Return the events after the openings with their fields: none of those that do not have their form."""
    of_form = [
        stored.filter(pl.col("type") == tag).with_columns(pl.col("state").str.extract_groups(form).struct.unnest())
        for tag, form in _FORMS.items()
    ]
    others = stored.filter(~_is(PlanOpened, *_FIELDS))
    return pl.concat((_NONE_MATCHED, *of_form, others), how="diagonal").with_columns(
        pl.col(*_DATES).str.to_date("%Y-%m-%d", strict=False),
        pl.col(*_NUMBERS).cast(pl.Int64),
        pl.col("recorded_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC", strict=False),
    )


def _usual() -> pl.Expr:
    """Whether events, in the order of version, are as `Plan` demands; null or false where one has not its form."""
    earlier = pl.col("recorded_at").shift(1).over("stream")
    return (
        (pl.col("version") == pl.int_range(1, pl.len() + 1).over("stream"))
        & (pl.col("sequence") >= 0)
        & (_is(PlanOpened) == (pl.col("version") == 1))
        & (pl.col("effective_on") >= pl.col("opened_on"))
        & (pl.col("recorded_at") >= earlier.fill_null(pl.col("recorded_at")))
        & ~pl.col("state").str.contains(_NO_FRACTION, literal=True)
        & (~_is(PaymentMissed) | (pl.col("due_on").is_not_null() & pl.col("grace_ends_on").is_not_null()))
        & (~_is(PaymentMade) | (pl.col("paid_in") == pl.col("currency")))
        & (~_is(PaymentMade) | (pl.col("reference").str.len_bytes() <= _LONGEST))
    )


# ---- entries, as in `entries`


def _with_fact(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the events with the version of the fact that they are or follow: 0 of a deadline, null if it is unknown.

    Within a day events count in the order of these.
    """
    named = pl.coalesce("reference", "payment")
    payments = frame.filter(_is(PaymentMade)).select("stream", named.alias("named"), pl.col("version").alias("paid"))
    payments = payments.unique(("stream", "named"), keep="none")
    frame = frame.with_columns(named=named).join(payments, on=("stream", "named"), how="left")
    deadline = pl.when(_is(PaymentMissed, PlanCancelled)).then(0)
    return frame.with_columns(fact=deadline.when(_is(PlanOpened)).then(1).otherwise("paid"))


def _in_order() -> pl.Expr:
    """Whether events, in the order in which they count, are those of a plan that goes on until it ends, once."""
    once = pl.len().over("stream", "type", "number") == 1
    return (
        pl.col("fact").is_not_null()
        & (_is(PromoApplied) | (pl.col("ended") == pl.col("ends")))
        & (once | ~_is(InstallmentSettled, PaymentMissed))
    )


def _with_amounts(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the events, in the order in which they count, with the amounts of their entries."""
    opened, missed, settled = _is(PlanOpened), _is(PaymentMissed), _is(InstallmentSettled)
    frame = frame.with_columns(
        ends=_is(PlanCancelled, PlanCompleted).cast(pl.Int64),
        credited=pl.when(_is(InstallmentSettled, PlanCompleted)).then("shares").otherwise(0),
        bonus=pl.when(_is(PromoApplied)).then("shares").otherwise(0),
        cash=pl.col("amount").fill_null(0),
        price=pl.when(opened).then(-pl.col("of_price")).otherwise(0),
        package=pl.when(opened).then(-pl.col("of_shares")).otherwise(0),
        cured=settled & (missed.cum_sum().over("stream", "number") > 0),
    )
    frame = frame.with_columns(
        ended=pl.col("ends").cum_sum().over("stream"),
        left=pl.col("of_shares") - pl.col("credited").cum_sum().over("stream"),
        late=(missed.cast(pl.Int64) - pl.col("cured").cast(pl.Int64)).cum_sum().over("stream") > 0,
    )
    going_on = pl.col("ended") == 0
    promised = pl.when(pl.col("ends") > 0).then(-(pl.col("left") + pl.col("credited")))
    frame = frame.with_columns(
        promised=promised.otherwise(-pl.col("credited") - pl.col("package")),
        now_active=(going_on & ~pl.col("late")).cast(pl.Int64),
        now_in_grace=(going_on & pl.col("late")).cast(pl.Int64),
    )
    return frame.with_columns(
        receivable=-pl.col("price") - pl.col("cash"),
        forfeited=-(pl.col("package") + pl.col("credited") + pl.col("promised")),
        granted=-pl.col("bonus"),
        active=pl.col("now_active") - pl.col("now_active").shift(1, fill_value=0).over("stream"),
        in_grace=pl.col("now_in_grace") - pl.col("now_in_grace").shift(1, fill_value=0).over("stream"),
        cancelled=_is(PlanCancelled).cast(pl.Int64),
        completed=_is(PlanCompleted).cast(pl.Int64),
        opened=-opened.cast(pl.Int64),
        unapplied=pl.lit(0),
        unallocated=pl.lit(0),
        voids=None,
        because=None,
        plan_id="stream_id",
    )
