"""The service behind `LedgerPort`: an adapter over HTTP, and the process that it talks to.

Every message of the bank is delivered twice, as banks do.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date, datetime
from http.client import HTTPConnection
from socket import socket
from typing import Any
from urllib.parse import urlencode

from ledger.testing import Answer, LedgerPort, Refused
from ledger.testing.port import CAPABILITIES

OK = 200
SERVER_ERROR = 500


class Service:
    """A running service, in a process of its own."""

    def __init__(self, url: str) -> None:
        """Start the service over the database at a URL."""
        with socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._url = url
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "uvicorn", "examples.service.app:app", "--port", str(self.port)]
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [*command, "--log-level", "warning"], env={**os.environ, "LEDGER_URL": self._url}
        )
        self._connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        while self._process.poll() is None:
            try:
                self.call("GET", "/health")
            except OSError:
                self._connection.close()
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"the service ended with exit code {self._process.returncode}")

    def kill(self) -> None:
        """Kill it, which is not asked."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer to a request. Raises `Refused` for a status of 4xx."""
        content = None if body is None else json.dumps(body, default=str)
        self._connection.request(method, path, content, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        answer = json.loads(response.read() or b"null")
        if OK <= response.status < OK + 100:
            return answer
        if response.status >= SERVER_ERROR:
            raise RuntimeError(f"{response.status}: {answer}")
        raise Refused(answer["code"], answer["message"])


class HttpLedger(LedgerPort):
    """A book of the service as a ledger under test."""

    capabilities = frozenset(CAPABILITIES)

    def __init__(self, service: Service, book: str) -> None:
        self.service = service
        self.book = book

    def open(self, plan_id: str, **opening: Any) -> None:
        self.service.call("PUT", f"/{self.book}/plans/{plan_id}", opening)

    def pay(self, plan_id: str, *, reference: str, paid_at: date | datetime, **payment: Any) -> None:
        when = paid_at.isoformat()
        self._deliver({"type": "paid", "id": reference, "plan": plan_id, "at": when, **payment})

    def reverse(self, plan_id: str, *, reference: str, cause: str, **given: Any) -> None:
        self._deliver({"type": cause, "id": reference, "plan": plan_id, **given})

    def _deliver(self, message: dict[str, Any]) -> None:
        for _ in range(2):
            answer = self.service.call("POST", f"/{self.book}/webhooks/bank", message)
        if answer["undecided"] is not None:
            raise Refused(answer["undecided"])

    def cancel(self, plan_id: str, **request: Any) -> None:
        self.service.call("POST", f"/{self.book}/plans/{plan_id}/cancellation", request)

    def reinstate(self, plan_id: str, **decision: Any) -> None:
        self.service.call("POST", f"/{self.book}/plans/{plan_id}/reinstatement", decision)

    def close(self, **closing: Any) -> None:
        self.service.call("POST", f"/{self.book}/closings", closing)

    def position(self, plan_id: str, **asked: Any) -> Any:
        return self._ask(f"plans/{plan_id}", asked)

    def overdue(self, **asked: Any) -> Sequence[Answer]:
        return self._ask("overdue", asked)  # type: ignore[no-any-return]  # JSON

    def balances(self, **asked: Any) -> Sequence[Answer]:
        return self._ask("balances", asked)  # type: ignore[no-any-return]  # JSON

    def _ask(self, path: str, asked: dict[str, Any]) -> Any:
        query = urlencode({name: value.isoformat() for name, value in asked.items() if value is not None})
        return self.service.call("GET", f"/{self.book}/{path}?{query}")

    def rebuild(self) -> None:
        """Derive the read model again."""
        self.service.call("POST", f"/{self.book}/rebuild", {})

    def restart(self) -> None:
        """Kill the service and start it again."""
        self.service.kill()
        self.service.start()
