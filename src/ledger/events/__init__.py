"""Events: facts, outcomes, `OutcomeVoided`; receipts; and the envelope in which they are recorded."""

from ledger.events.facts import CancellationRequested as CancellationRequested
from ledger.events.facts import Fact as Fact
from ledger.events.facts import PaymentMade as PaymentMade
from ledger.events.facts import PaymentReversed as PaymentReversed
from ledger.events.facts import PlanOpened as PlanOpened
from ledger.events.facts import PlanReinstated as PlanReinstated
from ledger.events.outcomes import InstallmentSettled as InstallmentSettled
from ledger.events.outcomes import Outcome as Outcome
from ledger.events.outcomes import OutcomeVoided as OutcomeVoided
from ledger.events.outcomes import PaymentMissed as PaymentMissed
from ledger.events.outcomes import PlanCancelled as PlanCancelled
from ledger.events.outcomes import PlanCompleted as PlanCompleted
from ledger.events.outcomes import PromoApplied as PromoApplied
from ledger.events.outcomes import RevisedLine as RevisedLine
from ledger.events.outcomes import ScheduleRevised as ScheduleRevised
from ledger.events.receipts import AllocationReversed as AllocationReversed
from ledger.events.receipts import MoneyAllocated as MoneyAllocated
from ledger.events.receipts import MoneyReceived as MoneyReceived
from ledger.events.receipts import MoneyReturned as MoneyReturned
from ledger.events.receipts import ReceiptEvent as ReceiptEvent
from ledger.events.recorded import KINDS as KINDS
from ledger.events.recorded import PLAN as PLAN
from ledger.events.recorded import RECEIPT as RECEIPT
from ledger.events.recorded import Event as Event
from ledger.events.recorded import RecordedEvent as RecordedEvent
from ledger.events.recorded import StreamKind as StreamKind
