"""Testing: plans at random, stories with a calendar, machines against any ledger, and golden vectors.

For tests of whatever builds on the ledger: services, adapters, read models, offers. Strategies and machines need
Hypothesis (`pip install "installment-ledger[testing]"`), the rest the ledger only.
"""

from importlib import import_module
from typing import Any

from ledger.testing import checks as checks
from ledger.testing.comparison import LedgerDiffers as LedgerDiffers
from ledger.testing.golden_vectors import vectors as vectors
from ledger.testing.port import CAPABILITIES as CAPABILITIES
from ledger.testing.port import STANDARD as STANDARD
from ledger.testing.port import Answer as Answer
from ledger.testing.port import LedgerPort as LedgerPort
from ledger.testing.port import Refused as Refused
from ledger.testing.recorded_checks import findings as findings
from ledger.testing.story import Story as Story
from ledger.testing.story import given as given

_LAZY: dict[str, str] = {
    "LedgerMachine": "ledger.testing.machines",
    "PlanMachine": "ledger.testing.machines",
    "strategies": "ledger.testing.strategies",
}
"""Names whose modules need Hypothesis, which is imported when one of them is asked for: a module, or a name in it."""


def __getattr__(name: str) -> Any:
    """Import what needs Hypothesis. Raises `ImportError` that names the extra where it is missing."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LAZY[name])
    return module if module.__name__.rpartition(".")[2] == name else getattr(module, name)
