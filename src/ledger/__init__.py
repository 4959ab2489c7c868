"""installment-ledger: the event-sourced ledger of packages of shares that are bought in installments.

Open a `Ledger`, describe plans with `PlanTerms`, record what happened, ask what everyone holds. It is bookkeeping of
what was agreed and paid: the library promises no return and presses nobody.

The way in: `timeline.py` holds the rules, `plan.py` what a plan is, `service/` the door.
"""

import logging as _logging

from ledger.dates import EndOfDay as EndOfDay
from ledger.errors import CommandRefused as CommandRefused
from ledger.errors import ConcurrentChange as ConcurrentChange
from ledger.errors import Conflict as Conflict
from ledger.errors import CorruptHistory as CorruptHistory
from ledger.errors import InvalidArgument as InvalidArgument
from ledger.errors import LedgerError as LedgerError
from ledger.errors import NotCaughtUp as NotCaughtUp
from ledger.errors import NotFound as NotFound
from ledger.errors import Overpayment as Overpayment
from ledger.errors import PaymentNotFound as PaymentNotFound
from ledger.errors import PaymentRefused as PaymentRefused
from ledger.errors import PlanIsCancelled as PlanIsCancelled
from ledger.errors import PlanIsCompleted as PlanIsCompleted
from ledger.errors import PlanNotFound as PlanNotFound
from ledger.errors import ReceiptConflict as ReceiptConflict
from ledger.errors import ReceiptNotFound as ReceiptNotFound
from ledger.errors import ReceiptRefused as ReceiptRefused
from ledger.errors import ReferenceConflict as ReferenceConflict
from ledger.errors import ReinstatementRefused as ReinstatementRefused
from ledger.errors import StoreUnavailable as StoreUnavailable
from ledger.errors import TermsRefused as TermsRefused
from ledger.errors import WrittenByNewerVersion as WrittenByNewerVersion
from ledger.events.recorded import RecordedEvent as RecordedEvent
from ledger.money import Money as Money
from ledger.projections.balances import BalanceRow as BalanceRow
from ledger.projections.overdue import OverdueRow as OverdueRow
from ledger.projections.payments import PaymentRow as PaymentRow
from ledger.projections.portfolio import PortfolioRow as PortfolioRow
from ledger.projections.projection import Index as Index
from ledger.projections.projection import PlanTable as PlanTable
from ledger.projections.projection import Projection as Projection
from ledger.projections.projection import TotalsTable as TotalsTable
from ledger.projections.statement import StatementLine as StatementLine
from ledger.readmodel.health import Health as Health
from ledger.readmodel.health import ReadModelHealth as ReadModelHealth
from ledger.readmodel.listing import Listing as Listing
from ledger.readmodel.read_model import ReadModel as ReadModel
from ledger.readmodel.verification import Verification as Verification
from ledger.receipt import ReceiptRow as ReceiptRow
from ledger.service import Ledger as Ledger
from ledger.service.database import Database as Database
from ledger.state.position import NextInstallment as NextInstallment
from ledger.state.position import Position as Position
from ledger.store import Quarantined as Quarantined
from ledger.terms import Closed as Closed
from ledger.terms import DoublePayment as DoublePayment
from ledger.terms import EarlyRepayment as EarlyRepayment
from ledger.terms import EveryDays as EveryDays
from ledger.terms import ExplicitRelease as ExplicitRelease
from ledger.terms import ExplicitSchedule as ExplicitSchedule
from ledger.terms import FullCover as FullCover
from ledger.terms import Monthly as Monthly
from ledger.terms import OnTimeBonus as OnTimeBonus
from ledger.terms import PackageBonus as PackageBonus
from ledger.terms import PartialCover as PartialCover
from ledger.terms import PerUnit as PerUnit
from ledger.terms import PlanTerms as PlanTerms
from ledger.terms import Portion as Portion
from ledger.terms.schedule import Installment as Installment
from ledger.terms.schedule import schedule as schedule
from ledger.values import from_dict as from_dict
from ledger.values import to_dict as to_dict
from ledger.values.frames import column_types as column_types
from ledger.values.frames import to_columns as to_columns
from ledger.values.schemas import json_schema as json_schema

__version__ = "0.1.0"

_logging.getLogger(__name__).addHandler(_logging.NullHandler())  # nothing is printed unless somebody asks
