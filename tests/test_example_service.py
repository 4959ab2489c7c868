"""The example of a service, tested as a team would test theirs: over HTTP, by the machine, with every check."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings

from examples.service.client import HttpLedger, Service
from ledger.testing import LedgerMachine, checks
from tests.examples import TERMS
from ledger import to_dict

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SETTINGS = settings(
    max_examples=100 if LONG else 3,
    stateful_step_count=20 if LONG else 12,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
)


@pytest.fixture
def service(shared_url: str) -> Iterator[Service]:
    """The service over SQLite and over PostgreSQL, in a process of its own."""
    running = Service(shared_url)
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
    message = {"type": "paid", "id": "bank-1", "plan": "P-1", "at": "2023-04-10", "kind": "regular"}
    answers = [
        service.call("POST", f"/{name}/webhooks/bank", {**message, **change, "amount": {"minor": minor, "currency": "USD"}})
        for change, minor in [({}, 15_000), ({}, 15_000), ({}, 9_000), ({"id": "bank-2"}, 900_000)]
    ]
    assert [answer["undecided"] for answer in answers] == [None, None, "reference_conflict", "overpayment"]
    assert service.call("GET", f"/{name}/outbox") == ["Thank you for bank-1."]
