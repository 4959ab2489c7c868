"""The plan that the named examples are about: 3,000.00 USD in 20 installments of 150.00, 351,000 shares."""

from datetime import UTC, date, datetime

from ledger import DoublePayment, EarlyRepayment, Ledger, Money, OnTimeBonus, PackageBonus, PerUnit, PlanTerms
from ledger.events import RecordedEvent

OPENED_ON = date(2023, 4, 10)
RECORDED_AT = datetime(2025, 6, 1, tzinfo=UTC)

TERMS = PlanTerms(
    price=Money.of("3000.00", "USD"),
    shares=351_000,
    installments=20,
    rounding_unit=100,
    release=PerUnit("49"),
    timezone="Europe/Moscow",
    promos=(
        OnTimeBonus(code="on_time", rate_bp=500),
        PackageBonus(code="spring", rate_bp=1000),
        DoublePayment(code="double", rate_bp=50, base="package", credit="at_once"),
        EarlyRepayment(code="early", rate_bp=100, base="released", credit="on_completion"),
    ),
)


def usd(amount: str) -> Money:
    """Return an amount in USD."""
    return Money.of(amount, "USD")


def open_plan(ledger: Ledger, plan_id: str = "P-1", *, terms: PlanTerms = TERMS) -> tuple[RecordedEvent, ...]:
    """Open the example plan."""
    return ledger.open_plan(
        plan_id, investor="I-7", partner="N-3", terms=terms, opened_at=OPENED_ON, recorded_at=RECORDED_AT
    )


def pay(
    ledger: Ledger, on: date, reference: str, *, amount: str = "150.00", plan_id: str = "P-1"
) -> tuple[RecordedEvent, ...]:
    """Record a payment of one installment."""
    return ledger.record_payment(plan_id, reference=reference, amount=usd(amount), paid_at=on, recorded_at=RECORDED_AT)
