"""The pytest plugin: `pytest --ledger-store my_module:factory` runs the contract of stores, and nothing else.

A module beside the package, so that pytest imports no ledger where the option is not given.
"""

from collections import Counter
from importlib.util import find_spec
from typing import Any

import pytest

_OPTION = "--ledger-store"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    group = parser.getgroup("installment-ledger")
    group.addoption(_OPTION, metavar="MODULE:FACTORY", help="run the contract of stores on the store of this factory")


def pytest_configure(config: pytest.Config) -> None:
    """Collect the contract, and only that where no other test is named."""
    config.addinivalue_line("markers", "ledger_store(name): a test of the contract of stores")
    if config.getoption(_OPTION) is None:
        return
    spec = find_spec("ledger.testing.store_contract")
    assert spec is not None
    assert spec.origin is not None
    named = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
    config.args = [*named, spec.origin]
    config.pluginmanager.register(_Contract(str(config.getoption(_OPTION))), "ledger-store-contract")


class _Contract:
    """Provides the store, and reports by part of the contract."""

    def __init__(self, target: str) -> None:
        from ledger.errors import InvalidArgument
        from ledger.testing.store_contract import CAPABILITIES, StoreUnderTest

        self._parts = CAPABILITIES
        self._results: Counter[tuple[str, str]] = Counter()
        try:
            self._store = StoreUnderTest(target)
        except InvalidArgument as error:
            raise pytest.UsageError(str(error)) from None

    @pytest.fixture
    def ledger_store(self) -> Any:
        """The store under test."""
        return self._store

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        """Count the results of each part."""
        outcome = yield
        report = outcome.get_result()
        mark = item.get_closest_marker("ledger_store")
        if mark is not None and (report.when == "call" or report.outcome != "passed"):
            self._results[mark.args[0], report.outcome] += 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Report by part of the contract."""
        terminalreporter.section(f"contract of stores: {self._store.target}")
        for part, sentence in self._parts.items():
            failed, skipped = self._results[part, "failed"], self._results[part, "skipped"]
            said = "failed" if failed else "not run" if skipped else "passed" if self._results[part, "passed"] else "-"
            terminalreporter.line(f"{part:<11}{said:<9}{sentence}")
