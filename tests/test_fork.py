"""A process that is forked from one with an open ledger: it is refused, and the parent goes on."""

import os
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ledger import Ledger, LedgerError, StoreUnavailable
from ledger.events.codec import StoredRow
from tests.examples import OPENED_ON, open_plan, pay


def _in_child(call: Callable[[], Any]) -> Any:
    """Return the result of a call in a forked process, or its error."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: threads of the test runner are not forked
        pid = os.fork()
    if pid == 0:
        try:
            result = call()
        except LedgerError as error:
            result = error
        except BaseException as error:  # noqa: BLE001 - it is compared in the parent
            result = repr(error)
        os.write(write, pickle.dumps(result))
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        result = pickle.load(pipe)
    assert os.waitpid(pid, 0)[1] == 0
    return result


CALLS: dict[str, Callable[[Ledger], Any]] = {
    "history": lambda ledger: len(ledger.history("P-1")),
    "pay": lambda ledger: len(pay(ledger, OPENED_ON, "bank-1")),
    "overdue": lambda ledger: len(ledger.overdue(as_of=OPENED_ON)),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_ledger_is_refused_in_a_forked_process(ledger: Ledger, call: str) -> None:
    """The child is told to open it after the fork; it may close it, and the parent's connections stay whole."""
    open_plan(ledger)
    ledger.overdue(as_of=OPENED_ON)
    refused = _in_child(lambda: CALLS[call](ledger))
    assert isinstance(refused, StoreUnavailable), refused
    assert "open it after the fork" in str(refused)
    assert _in_child(ledger.close) is None
    assert (len(ledger.history("P-1")), len(ledger.portfolio(as_of=OPENED_ON))) == (1, 1)
    assert pay(ledger, OPENED_ON, "bank-1")


def test_a_forked_process_opens_the_ledger_itself(shared_url: str, name: str) -> None:
    """Opened after the fork it works, beside the parent."""
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)

        def open_and_pay() -> int:
            with Ledger.open(shared_url, name=name) as again:
                return len(pay(again, OPENED_ON, "bank-1"))

        assert _in_child(open_and_pay) > 0
        assert len(ledger.history("P-1")) > 1


@contextmanager
def _answering(ledger: Ledger, row: StoredRow, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the recorder answer with a row of another stream, as a connection that two processes share does."""
    recorder: Any = ledger._store._recorder  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(recorder, "stream", lambda *_, **__: [row])
        patch.setattr(recorder, "streams", lambda *_, **__: [row])
        yield


def test_rows_of_another_plan_are_no_answer(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row that is read is checked to be of the stream that was asked for."""
    for plan_id in ("P-1", "P-2"):
        open_plan(ledger, plan_id)
    (row,) = ledger._store.raw_histories(["P-2"])["P-2"]
    with _answering(ledger, row, monkeypatch):
        with pytest.raises(StoreUnavailable, match="asked for plan P-1, it answered with plan P-2"):
            ledger.history("P-1")
        with pytest.raises(StoreUnavailable, match="asked for plan P-1"):
            ledger._store.histories(["P-1", "P-3"])
