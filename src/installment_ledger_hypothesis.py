"""The entry point of Hypothesis: `st.from_type(PlanTerms)` finds the strategies of `ledger.testing`.

It lies beside the package `ledger`, for Hypothesis runs it when it is imported itself: nothing of the ledger is loaded
then. The classes are registered once somebody imports `ledger`, the strategies are loaded when one is resolved.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

CLASSES = {
    "ledger.money": ("Money",),
    "ledger.terms": (
        *("PlanTerms", "Schedule", "Monthly", "EveryDays", "ExplicitSchedule"),
        *("Release", "PerUnit", "Portion", "ExplicitRelease"),
        *("Promo", "OnTimeBonus", "PackageBonus", "EarnedPromo", "DoublePayment", "EarlyRepayment"),
        *("Reinstatement", "Closed", "FullCover", "PartialCover"),
    ),
    "ledger.terms.schedule": ("Installment",),
    "ledger.state.position": ("Position",),
    "ledger.commands": (
        *("OpenPlan", "RecordPayment", "ReversePayment", "CancelPlan", "ReinstatePlan", "ClosePlan"),
        *("Command", "Change", "Metadata"),
    ),
    "ledger.events": (
        *("PlanOpened", "PaymentMade", "PaymentReversed", "CancellationRequested", "PlanReinstated"),
        *("InstallmentSettled", "PaymentMissed", "PromoApplied", "PlanCancelled", "PlanCompleted"),
        *("ScheduleRevised", "RevisedLine", "OutcomeVoided", "RecordedEvent"),
    ),
}
"""The classes that `st.from_type` resolves, by their modules, all of which `import ledger` loads."""


def register() -> None:
    """Register the classes of the ledger: now if it is imported already, else as soon as it is."""
    if "ledger" in sys.modules:
        _register(sys.modules["ledger"])
    else:
        sys.meta_path.insert(0, _AfterImport())


def _register(package: ModuleType) -> None:
    if not hasattr(package, "PlanTerms"):
        return  # another distribution's package of this name
    from hypothesis import strategies as st  # noqa: PLC0415 - it is imported already, or this would not run

    for module, names in CLASSES.items():
        for name in names:
            st.register_type_strategy(getattr(sys.modules[module], name), _resolve)


def _resolve(kind: type[Any]) -> Any:
    from ledger.testing.strategies.type_registration import strategy_of  # noqa: PLC0415 - loaded when first needed

    return strategy_of(kind)


class _AfterImport(MetaPathFinder):
    """Waits for the import of `ledger`, once."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "ledger":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Registering(spec.loader)
        return spec


class _Registering(Loader):
    """A loader of `ledger` that registers its classes as soon as they are there."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _register(module)
