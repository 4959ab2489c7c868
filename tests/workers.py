"""What other processes do in tests, each with its end of a pipe and its number among those like it."""

import json
import logging
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from multiprocessing.connection import Connection
from threading import Event, Thread
from typing import Any

import attrs
import psycopg

from ledger import ConcurrentChange, Ledger, StoreUnavailable
from ledger.commands import Metadata, RecordPayment
from ledger.events import RecordedEvent
from ledger.store import open_store
from tests.crash_worker import Location
from tests.examples import OPENED_ON, open_plan, pay, usd


def keep_paying(pipe: Connection, number: int, location: Location, plan_ids: Sequence[str]) -> None:
    """Record one small payment after another until something is said; tell which were confirmed, and what failed."""
    confirmed: list[tuple[str, str]] = []
    errors: list[str] = []
    with location.open() as ledger:
        pipe.send("ready")
        for payment in count():
            if pipe.poll():
                break
            plan_id, reference = plan_ids[payment % len(plan_ids)], f"bank-{number}-{payment}"
            try:
                pay(ledger, OPENED_ON, reference, amount="0.01", plan_id=plan_id)
            except StoreUnavailable as error:
                errors.append(str(error))
            else:
                confirmed.append((plan_id, reference))
    pipe.send((confirmed, errors))


class _Teller(logging.Handler):
    """Tells the parent what is logged."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the words before the first of what varies."""
        self._pipe.send(str(record.msg).partition(" %")[0])


def follow(pipe: Connection, _: int, location: Location, every: float) -> None:
    """Follow until something is said; tell what is logged about it: `following` when this process is at work."""
    log = logging.getLogger("ledger.readmodel.follower")
    log.setLevel(logging.INFO)
    log.addHandler(_Teller(pipe))
    stop = Event()

    def listen() -> None:
        pipe.recv()
        stop.set()

    Thread(target=listen, daemon=True).start()
    with location.open() as ledger:
        ledger.follow(stop=stop, every=every)


def append_copies(
    pipe: Connection, number: int, location: Location, history: Sequence[RecordedEvent], sizes: Sequence[Sequence[int]]
) -> None:
    """Save copies of a plan's history under other ids, as many events in each save as is said by number."""
    store = open_store(location.url, location.name)
    try:
        plan = count()
        pipe.send("ready")
        pipe.recv()
        copies: list[RecordedEvent] = []
        for size in sizes[number]:
            while len(copies) < size:
                plan_id = f"P-{number}-{next(plan)}"
                copies += [attrs.evolve(event, stream_id=plan_id) for event in history]
            store.append(copies[:size])
            copies = copies[size:]
    finally:
        store.close()
    pipe.send(sum(sizes[number]))


def work_on_plans(pipe: Connection, number: int, location: Location, plan_ids: Sequence[str], payments: int) -> None:
    """Pay on plans that others pay on too, close the books and ask, in turns; tell of the payments when it is done."""
    with location.open() as ledger:
        pipe.send("ready")
        pipe.recv()
        for payment in range(payments):
            plan_id = plan_ids[payment % len(plan_ids)]
            recorded = pay(ledger, OPENED_ON, f"bank-{number}-{payment}", amount="1.00", plan_id=plan_id)
            if payment % 4 == number:
                ledger.close_books(through=OPENED_ON + timedelta(days=payment))
                ledger.wait(recorded[-1].sequence)
                (row,) = ledger.portfolio(as_of=OPENED_ON)
                assert (row.plans, row.paid.minor >= 100 * payment) == (len(plan_ids), True)
    pipe.send(payments)


def trace(pipe: Connection, _: int, url: str) -> None:
    """Work on a ledger with OpenTelemetry's SDK at hand; tell the spans with their attributes, and the metrics."""
    from opentelemetry import metrics, trace  # noqa: PLC0415 - in this process only
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

    spans, reader, tracing = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(MeterProvider([reader]))
    with Location(url, "ledger").open() as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-1")
        ledger.overdue(as_of=OPENED_ON)
        with trace.get_tracer("service").start_as_current_span("request"):
            pay(ledger, OPENED_ON, "bank-2")
    found = spans.get_finished_spans()
    names = {span.context.span_id: span.name for span in found if span.context}
    told = [
        (span.name, dict(span.attributes or {}), names.get(span.parent.span_id) if span.parent else None)
        for span in found
    ]
    data = json.loads(reader.get_metrics_data().to_json())  # type: ignore[union-attr]
    pipe.send((told, data["resource_metrics"][0]["scope_metrics"][0]["metrics"]))


def keep_recording(pipe: Connection, number: int, location: Location) -> None:
    """Record payments as the clock has it until something is said: one, a batch, or in a transaction of its own."""
    with location.open() as ledger, closing(_connection(location.url)) as own:
        made = 0
        while not pipe.poll():
            made += 1
            with suppress(ConcurrentChange):
                if made % 3 == 0:
                    _pay_now(ledger, f"one-{number}-{made}")
                elif made % 3 == 1:
                    payments = [(_payment(f"batch-{number}-{made}-{index}"), Metadata()) for index in range(3)]
                    ledger.execute_all(payments)
                else:
                    try:
                        _pay_now(ledger.within(own), f"own-{number}-{made}")
                        time.sleep(0.002)  # the row of a service's own
                        own.commit()
                    except ConcurrentChange:
                        own.rollback()
        pipe.send(made)


def _connection(url: str) -> Any:
    if url.startswith("sqlite"):
        return sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)
    return psycopg.connect(url)


def _payment(reference: str) -> RecordPayment:
    return RecordPayment(plan_id="P-1", reference=reference, amount=usd("0.01"), paid_at=OPENED_ON, kind="regular")


def _pay_now(ledger: Ledger, reference: str) -> None:
    ledger.record_payment("P-1", reference=reference, amount=usd("0.01"), paid_at=OPENED_ON)


def ask_as_known_now(pipe: Connection, _: int, location: Location, questions: int) -> None:
    """Ask again and again for what is known now; tell each instant with the answer."""
    answers: list[tuple[datetime, int]] = []
    with location.open() as ledger:
        for _question in range(questions):
            now = datetime.now(UTC)
            answers.append((now, ledger.position("P-1", as_of=OPENED_ON, known_at=now).paid.minor))
            time.sleep(0.005)
    pipe.send(answers)
