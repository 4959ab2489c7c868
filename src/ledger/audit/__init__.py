"""Audit: every event checked, every outcome derived again, every number explained; nothing is taken on trust.

Nothing here changes a byte of the ledger that it looks at.
"""

from ledger.audit.examination.across_plans import SharedReference as SharedReference
from ledger.audit.examination.discretion import ACTS as ACTS
from ledger.audit.examination.discretion import DiscretionaryAct as DiscretionaryAct
from ledger.audit.examination.discretion import Effect as Effect
from ledger.audit.examination.run import Audit as Audit
from ledger.audit.examination.run import Summary as Summary
from ledger.audit.examination.run import audit as audit
from ledger.audit.examination.run import examine as examine
from ledger.audit.finding import KINDS as KINDS
from ledger.audit.finding import Finding as Finding
