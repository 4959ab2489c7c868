"""Audit: every event checked, every outcome derived again, every number explained; nothing is taken on trust.

Nothing here changes a byte of the ledger that it looks at.
"""

from ledger.audit.finding import KINDS as KINDS
from ledger.audit.finding import Finding as Finding
