"""A service over the ledger: plans, a bank's webhooks, an outbox, and lists, for any number of books.

    LEDGER_URL=sqlite:///books.db uvicorn examples.service.app:app

The bank delivers a message until it is answered by 2xx, so some come twice. A payment and the mail that thanks for it
are committed together. Money that the ledger refuses is kept for a person to decide, and the bank is answered 200.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any

from fastapi import Body, FastAPI, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Column, MetaData, String, Table, create_engine, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ledger import (
    CommandRefused,
    Conflict,
    Database,
    InvalidArgument,
    Ledger,
    LedgerError,
    Money,
    NotFound,
    PlanTerms,
    from_dict,
    to_dict,
)

URL = os.environ.get("LEDGER_URL", "sqlite:///books.db")
ATTEMPTS = 5
"""Times that a command is tried while the database is busy or other writers are quicker."""

STATUS = {CommandRefused: 422, Conflict: 409, NotFound: 404, InvalidArgument: 400}

metadata = MetaData()
OUTBOX = Table(
    "service_outbox",
    metadata,
    Column("book", String, primary_key=True),
    Column("plan_id", String, primary_key=True),
    Column("reference", String, primary_key=True),
    Column("mail", String),
)
UNDECIDED = Table(
    "service_undecided",
    metadata,
    Column("book", String, primary_key=True),
    Column("plan_id", String, primary_key=True),
    Column("reference", String, primary_key=True),
    Column("code", String),
)

Json = Annotated[dict[str, Any], Body()]
engine = create_engine(URL.replace("postgresql://", "postgresql+psycopg://", 1))
database = Database.open(URL, connections=8)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Create the service's own tables, and release the ledger's connections at the end."""
    metadata.create_all(engine)
    yield
    database.close()
    engine.dispose()


app = FastAPI(lifespan=lifespan)


@cache
def books(book: str) -> Ledger:
    """Return a book, which is a ledger of this name."""
    return database.ledger(book)


def record(book: str, command: Callable[[Ledger], Any], mail: tuple[str, str] | None = None) -> None:
    """Record a command, with the mail about it; try again what a retry can cure. Raises `LedgerError`."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with Session(engine) as session, session.begin():
                events = command(books(book).within(session))
                if events and mail is not None:
                    plan_id, reference = mail
                    row = {"book": book, "plan_id": plan_id, "reference": reference}
                    session.execute(insert(OUTBOX).values(**row, mail=f"Thank you for {reference}."))
        except LedgerError as error:
            if not error.retryable or attempt == ATTEMPTS:
                raise
        else:
            return


def instant(text: str | None) -> datetime | None:
    """Return an instant from ISO text."""
    return None if text is None else datetime.fromisoformat(text)


def at(message: Json) -> dict[str, Any]:
    """Return the instant of recording that a message states, as one from an import does."""
    return {"recorded_at": instant(message.get("recorded_at")), "actor": "service"}


@app.exception_handler(LedgerError)
def refused(_: Any, error: LedgerError) -> JSONResponse:
    """Answer every error of the ledger as data."""
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
    return JSONResponse(to_dict(error), 503 if error.retryable else status)


@app.get("/health")
def health() -> dict[str, str]:
    """Say that the service is up."""
    return {"status": "up"}


# ---- commands


@app.put("/{book}/plans/{plan_id}", status_code=204)
def open_plan(book: str, plan_id: str, opening: Json) -> None:
    """Open a plan; the same call again changes nothing."""
    terms = from_dict(PlanTerms, opening["terms"])
    investor, partner = opening["investor"], opening["partner"]
    opened_at = date.fromisoformat(opening["opened_on"])

    def command(ledger: Ledger) -> Any:
        return ledger.open_plan(
            plan_id, investor=investor, partner=partner, terms=terms, opened_at=opened_at, **at(opening)
        )

    record(book, command)


@app.post("/{book}/webhooks/bank")
def webhook(book: str, message: Json) -> dict[str, str | None]:
    """Take a message of the bank: money that came, or was taken back. Answers 200 for whatever has been kept."""
    plan_id, reference = message["plan"], message["id"]

    def command(ledger: Ledger) -> Any:
        if message["type"] == "paid":
            when = message["at"]
            return ledger.record_payment(
                plan_id,
                reference=reference,
                amount=Money(message["amount"]["minor"], message["amount"]["currency"]),
                paid_at=datetime.fromisoformat(when) if "T" in when else date.fromisoformat(when),
                kind=message["kind"],
                **at(message),
            )
        on = None if message["on"] is None else date.fromisoformat(message["on"])
        return ledger.reverse_payment(plan_id, reference=reference, cause=message["type"], on=on, **at(message))

    try:
        record(book, command, (plan_id, reference) if message["type"] == "paid" else None)
    except LedgerError as error:
        if error.retryable:
            raise
        keep(book, plan_id, reference, error.code)
        return {"undecided": error.code}
    return {"undecided": None}


def keep(book: str, plan_id: str, reference: str, code: str) -> None:
    """Keep a message for a person to decide, once however often it is delivered."""
    try:
        with Session(engine) as session, session.begin():
            row = {"book": book, "plan_id": plan_id, "reference": reference, "code": code}
            session.execute(insert(UNDECIDED).values(**row))
    except IntegrityError:
        return


@app.post("/{book}/plans/{plan_id}/cancellation", status_code=204)
def cancel(book: str, plan_id: str, request: Json) -> None:
    """Cancel a plan as its investor asks."""
    on = date.fromisoformat(request["on"])
    reference, reason = request["reference"], request["reason"]
    record(book, lambda ledger: ledger.cancel_plan(plan_id, reference=reference, on=on, reason=reason, **at(request)))


@app.post("/{book}/plans/{plan_id}/reinstatement", status_code=204)
def reinstate(book: str, plan_id: str, decision: Json) -> None:
    """Reinstate a plan."""
    given = {name: decision[name] for name in ("reference", "approved_by", "reason", "revised_shares")}
    amount = Money(decision["amount"]["minor"], decision["amount"]["currency"])
    on = date.fromisoformat(decision["on"])
    record(book, lambda ledger: ledger.reinstate_plan(plan_id, on=on, amount=amount, **given, **at(decision)))


@app.post("/{book}/closings", status_code=204)
def close(book: str, closing: Json) -> None:
    """Close the books, as a job does at night."""
    books(book).close_books(through=date.fromisoformat(closing["through"]), **at(closing))


@app.post("/{book}/rebuild", status_code=204)
def rebuild(book: str) -> None:
    """Derive the read model of the lists again."""
    books(book).rebuild()


# ---- questions


@app.get("/{book}/plans/{plan_id}")
def position(book: str, plan_id: str, as_of: date, known_at: datetime | None = None) -> Any:
    """Answer with the position of a plan."""
    return to_dict(books(book).position(plan_id, as_of=as_of, known_at=known_at))


@app.get("/{book}/overdue")
def overdue(book: str, as_of: date, known_at: datetime | None = None) -> Any:
    """Answer with the overdue list."""
    return to_dict(books(book).overdue(as_of=as_of, known_at=known_at))


@app.get("/{book}/balances")
def balances(book: str, as_of: date, known_at: datetime | None = None) -> Any:
    """Answer with the balances."""
    return to_dict(books(book).balances(as_of=as_of, known_at=known_at))


@app.get("/{book}/outbox")
def outbox(book: str, response: Response) -> list[str]:
    """Answer with the mails to be sent."""
    response.headers["Cache-Control"] = "no-store"
    with Session(engine) as session:
        return list(session.scalars(select(OUTBOX.c.mail).where(OUTBOX.c.book == book).order_by(OUTBOX.c.mail)))
