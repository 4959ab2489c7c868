"""Reconciliation: the bank's statement against the money in the ledger, row by row and day by day."""

from ledger.audit.reconcile.bank import BankRow as BankRow
from ledger.audit.reconcile.bank import Mapping as Mapping
from ledger.audit.reconcile.bank import read_statement as read_statement
from ledger.audit.reconcile.ledger_side import Booked as Booked
from ledger.audit.reconcile.matching import Matched as Matched
from ledger.audit.reconcile.matching import match as match
from ledger.audit.reconcile.report import Reconciliation as Reconciliation
from ledger.audit.reconcile.report import reconcile as reconcile
