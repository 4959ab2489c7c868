"""The example of a service, tested as a team would test theirs: over HTTP, by the machine, with every check."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from examples.service.client import HttpLedger, Service
from hypothesis import HealthCheck, Phase, settings

from ledger import to_dict
from ledger.testing import LedgerMachine, checks
from tests.conftest import STORES
from tests.examples import TERMS, usd

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SETTINGS = settings(
    max_examples=100 if LONG else 2,
    stateful_step_count=20 if LONG else 10,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
)


@pytest.fixture(scope="module", params=STORES[1:])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service over SQLite and over PostgreSQL, in a process of its own."""
    url = f"sqlite:///{tmp_path_factory.mktemp('service')}/books.db"
    running = Service(str(request.getfixturevalue("postgres_url")) if request.param == "postgres" else url)
    yield running
    running.kill()


def test_the_service_passes_every_check(service: Service, name: str) -> None:
    """Over HTTP, with messages delivered twice, a killed server and read models built again, every answer is right."""
    numbers = count()

    @contextmanager
    def book() -> Iterator[HttpLedger]:
        yield HttpLedger(service, f"{name}_{next(numbers)}")

    report = LedgerMachine.check(book, settings=SETTINGS, timeout=60)
    assert report.not_run == {}
    assert set(report.judged) == set(checks.CHECKS)


def test_a_message_that_comes_twice_is_thanked_for_once(service: Service, name: str) -> None:
    """The payment and its mail are committed together, once; what is refused is kept, and nobody is thanked for it."""
    ledger = HttpLedger(service, name)
    opening = {"investor": "I-7", "partner": None, "opened_on": "2023-04-10", "terms": to_dict(TERMS)}
    ledger.open("P-1", **opening)
    message = {"type": "paid", "plan": "P-1", "at": "2023-04-10", "kind": "regular"}
    answers = [
        service.call("POST", f"/{name}/webhooks/bank", message | {"id": reference, "amount": to_dict(usd(amount))})
        for reference, amount in [("bank-1", "150.00")] * 2 + [("bank-1", "90.00"), ("bank-2", "9000.00")]
    ]
    assert [answer["undecided"] for answer in answers] == [None, None, "reference_conflict", "overpayment"]
    assert service.call("GET", f"/{name}/outbox") == ["Thank you for bank-1."]
