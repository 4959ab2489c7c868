"""The public face as a caller's type checker sees it: checked by mypy and pyright, never run."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from fractions import Fraction

from ledger import (
    BalanceRow,
    DoublePayment,
    EarlyRepayment,
    EveryDays,
    ExplicitRelease,
    ExplicitSchedule,
    FullCover,
    Ledger,
    LedgerError,
    Money,
    Monthly,
    NextInstallment,
    OnTimeBonus,
    OverdueRow,
    PackageBonus,
    PartialCover,
    PerUnit,
    PlanTerms,
    PortfolioRow,
    Portion,
    Position,
    ReceiptRow,
    RecordedEvent,
    StatementLine,
)

price: Money = Money.of("3000.00", "USD")
terms = PlanTerms(
    price=price,
    shares=351_000,
    installments=20,
    release=PerUnit("49"),
    timezone="Europe/Moscow",
    rounding_unit=100,
    schedule=Monthly(),
    first_due_on=date(2023, 4, 10),
    grace_days=19,
    stacking="compound",
    reinstatement=PartialCover(minimum=1),
    promos=[
        OnTimeBonus(code="on_time", rate_bp=500, standard="by_due_date"),
        PackageBonus(code="spring", rate_bp=1000),
        DoublePayment(code="double", rate_bp=50, base="package", credit="at_once"),
        EarlyRepayment(code="early", rate_bp=100, base="released", credit="on_completion"),
    ],
)
PlanTerms(
    price=price,
    shares=10,
    installments=2,
    release=ExplicitRelease([1, 2]),
    timezone="UTC",
    schedule=ExplicitSchedule([(date(2023, 4, 10), 100_000), (date(2023, 5, 10), 200_000)]),
    reinstatement="closed",
)
PlanTerms(
    price=price,
    shares=10,
    installments=2,
    release=Portion(Fraction(1, 3)),
    timezone="UTC",
    schedule=EveryDays(30),
    reinstatement=FullCover(),
)
PerUnit(49.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no float near shares
Money.of(1.5, "USD")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no float near money

with Ledger.open("memory://", name="books", clock=lambda: datetime.now(UTC)) as ledger:
    opened: tuple[RecordedEvent, ...] = ledger.open_plan(
        "P-1", investor="I-7", partner=None, terms=terms, opened_at=date(2023, 4, 10), actor="decider", dry_run=True
    )
    ledger.record_payment("P-1", reference="b", amount=price, paid_at=datetime.now(UTC), kind="early_repayment")
    ledger.reverse_payment("P-1", reference="b", cause="chargeback", on=date(2023, 6, 2), correlation="c")
    ledger.cancel_plan("P-1", reference="c", on=date(2023, 7, 1), reason="asked", recorded_at=datetime.now(UTC))
    ledger.reinstate_plan(
        "P-1", on=date(2023, 7, 2), reference="d", amount=price, approved_by="A", reason="r", revised_shares=None
    )
    ledger.close_books(through=date(2023, 5, 31))
    ledger.record_payment(  # type: ignore[call-arg]
        "P-1",
        reference="b",
        amount=price,
        paid_at=date(2023, 4, 10),
        kind="late",  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        actr="decider",  # pyright: ignore[reportCallIssue]
    )
    position: Position = ledger.position("P-1", as_of=date(2023, 5, 29), known_at=datetime.now(UTC))
    upcoming: NextInstallment | None = position.next_installment
    positions: tuple[Position, ...] = ledger.positions(investor="I-7", partner="N-3", status="in_grace")
    lines: tuple[StatementLine, ...] = ledger.statement("P-1")
    overdue: tuple[OverdueRow, ...] = ledger.overdue(partner="N-3")
    balances: tuple[BalanceRow, ...] = ledger.balances(investor="I-7")
    portfolio: tuple[PortfolioRow, ...] = ledger.portfolio()
    unallocated: tuple[ReceiptRow, ...] = ledger.unallocated(as_of=date(2023, 5, 29), known_at=datetime.now(UTC))
    kept: Money = portfolio[0].unallocated
    ledger.receive_unallocated("b-2", amount=price, received_at=date(2023, 5, 29), reason="no plan", plan_id=None)
    ledger.allocate("b-2", plan_id="P-1", amount=None, payment_reference="b-2/2", dry_run=True)
    ledger.reverse_allocation("b-2", plan_id="P-1")
    ledger.return_unallocated("b-2", amount=price, on=date(2023, 5, 30), reason="sent back", actor="me")
    history: tuple[RecordedEvent, ...] = ledger.history("P-1")
    events: Iterator[RecordedEvent] = ledger.events(after=0)
    try:
        ledger.close()
    except LedgerError as error:
        sentence: str = str(error)
