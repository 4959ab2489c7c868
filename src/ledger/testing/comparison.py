"""The witness: a ledger under test and the referee side by side, which hear the same calls and questions."""

import inspect
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, NoReturn

import attrs

from ledger.errors import InvalidArgument
from ledger.errors.excerpt import sentence
from ledger.testing import checks, port
from ledger.testing.calls import Call
from ledger.testing.checks import CHECKS, Change, Check
from ledger.testing.referee import Referee, Verdict

TIMEOUT = 10.0
"""Seconds that a call may take."""

_HUNG = 20
"""After a call that hung, a call hangs that takes so many times as long as the slowest that was answered."""


_REMEMBERED = 24
"""Answers that are compared with later ones, at most."""

_METHODS = {"close", "cancel", "reinstate", "overdue", "balances", "rebuild", "restart"}
"""Capabilities that are methods."""

Asked = tuple[str, str | None, date, datetime | None]
"""A question: its name, its plan where it has one, as of when, and as known at when."""


@attrs.frozen
class Fault:
    """A call that was not answered as calls are: an error of another kind, silence, or nonsense."""

    words: str


class LedgerDiffers(AssertionError):
    """A check failed: the call or question, what was expected and found, and the calls that led there.

    `check` is the name of the check, `calls` the calls as code, oldest first.
    """

    def __init__(self, check: Check, call: Call, expected: str, found: str, story: Sequence["Told"]) -> None:
        self.check, self.call, self.expected, self.found = check.name, call, expected, found
        self.calls = [str(told.call) for told in story]
        lines = [
            f"{check.name}: {check.sentence} ({check.rule}).",
            "",
            f"  call      {call}",
            f"  expected  {expected}",
            f"  found     {found}",
            "",
            "after these calls of the port:",
            "",
            *(f"  {told.call}\n      {told.became}" for told in story),
        ]
        for told in story:
            if told.call.name == "open":
                lines += ["", f"terms of {told.call.plan_id}: {told.call.arguments['terms']}"]
        super().__init__("\n".join(lines))


@attrs.frozen
class Told:
    """A call that was made, and in words what the ledger under test said to it."""

    call: Call
    became: str


class _TooLong(BaseException):
    """A call has taken longer than it may: no `except Exception` of an adapter holds it up."""


class Clockwork:
    """The time that calls may take, over all examples of a run: once one has hung, patience is short."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._slowest = 0.01

    @contextmanager
    def limit(self) -> Iterator[None]:
        """Interrupt the block after the timeout. Elsewhere than in the main thread of a process nothing is limited."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        begun = time.monotonic()
        handler = signal.signal(signal.SIGALRM, self._ring)
        left, interval = signal.setitimer(
            signal.ITIMER_REAL, self.timeout, 1
        )  # again, if it rings where none can raise
        try:
            yield
            self._slowest = max(self._slowest, time.monotonic() - begun)
        except _TooLong:
            self.timeout = min(self.timeout, max(_HUNG * self._slowest, 1))
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
            if left:  # somebody else's alarm, such as that of a test runner
                signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - begun), 0.001), interval)

    @staticmethod
    def _ring(*_: object) -> None:
        raise _TooLong


class Witness:
    """A ledger under test beside the referee; every check that can be run is judged as calls and questions pass."""

    def __init__(
        self,
        ledger: Any,
        *,
        chosen: Sequence[Check],
        clockwork: Clockwork | None = None,
        judged: Counter[str] | None = None,
    ) -> None:
        """Watch a ledger, an adapter of `LedgerPort`; `judged` counts how often each check was judged."""
        self.port = ledger
        self.can = capabilities(ledger)
        self.referee = Referee(states_instants="recorded_at" in self.can)
        self.story: list[Told] = []
        self.diverged = False
        self._clockwork = clockwork or Clockwork(TIMEOUT)
        self._judged: Counter[str] = Counter() if judged is None else judged
        self._checks = [check for check in chosen if not check.missing(self.can)]
        self._still = [check for check in self._checks if check.still is not None]
        self._remembered: dict[Asked, tuple[Call, Any]] = {}

    def has(self, name: str) -> bool:
        """Return whether a check is chosen and can be run."""
        return CHECKS[name] in self._checks

    # ---- calls

    def tell(self, call: Call, *, days: Callable[[], Collection[date]] = tuple) -> Verdict:
        """Make a call that may change the ledger; judge what becomes of it, and the answers on these days after it."""
        if self.diverged:
            return Verdict("refused")
        change = Change(call=call, verdict=self._verdict(call))
        said = self._make(call)
        words = said.words if isinstance(said, Fault) else "recorded, or known already"
        self.story.append(Told(call, str(said) if isinstance(said, Verdict) else words))
        if isinstance(said, Fault):
            self.differ(CHECKS["answers_every_call"], call, str(change.verdict), said.words)
        self._decided(change, said)
        if not self.diverged:
            self._stood_still(change)
            if change.verdict.kind == "recorded" and call.plan_id is not None:
                self._forget(call)
                for day in sorted(days()):
                    self.ask(question("position", call.plan_id, day))
        return change.verdict

    def _forget(self, call: Call) -> None:
        """Forget the answers that a recorded call may have changed."""
        self._remembered = {
            key: (asked, answer)
            for key, (asked, answer) in list(self._remembered.items())[-_REMEMBERED:]
            if asked.plan_id not in (None, call.plan_id)
            or ((known_at := asked.arguments["known_at"]) is not None and known_at < call.arguments["recorded_at"])
        }

    def _verdict(self, call: Call) -> Verdict:
        if call.name in ("rebuild", "restart"):
            return Verdict("recorded")
        return self.referee.judge(call)

    def _decided(self, change: Change, said: Any) -> None:
        expected, check = change.verdict, CHECKS["decides_as_the_rules"]
        found = said if isinstance(said, Verdict) else None
        refused = expected.kind == "refused"
        same = refused == (found is not None)
        if same and found is not None and "codes" in self.can:
            same = found.code == expected.code
        if not same and self.has(check.name):
            self.differ(
                check, change.call, str(expected), "recorded, or known already" if found is None else str(found)
            )
        self._judged[check.name] += 1
        self.diverged = self.diverged or not same

    def _stood_still(self, change: Change) -> None:
        for asked, before in list(self._remembered.values()):
            check = next((one for one in self._still if one.still is not None and one.still(change, asked)), None)
            if check is not None:
                self._compare(check, change.call, asked, before)

    def _compare(self, check: Check, call: Call, asked: Call, before: Any) -> None:
        after = self.fetch(asked)
        self._judged[check.name] += 1
        for expected, found in checks.differences(before, after):
            self.differ(check, asked, f"as before {call.name}: {expected}", found)

    # ---- questions

    def ask(self, asked: Call) -> Any:
        """Ask, judge the answer, remember it, and return it in canonical form."""
        if self.diverged:
            return None
        answer = self.fetch(asked)
        for check, expected, found in self.judged(asked, answer):
            self.differ(check, asked, expected, found)
        self._remembered[asked.name, asked.plan_id, asked.arguments["as_of"], asked.arguments["known_at"]] = (
            asked,
            answer,
        )
        return answer

    def judged(self, asked: Call, answer: Any) -> Iterator[tuple[Check, str, str]]:
        """Yield every difference that the checks find in an answer."""
        for check in self._checks:
            if check.judge is not None and asked.name in check.of:
                self._judged[check.name] += 1
                for expected, found in check.judge(self, asked, answer):
                    yield check, expected, found

    def fetch(self, question: Call) -> Any:
        """Return the answer in canonical form; a `Verdict` if it is refused. Raises `LedgerDiffers` for nonsense."""
        answer = self._make(question)
        if not isinstance(answer, (Fault, Verdict)):
            try:
                return port.read(question.name, answer)
            except port.Nonsense as error:
                answer = Fault(f"answered nonsense: {error}")
        if isinstance(answer, Fault):
            check = CHECKS["answers_every_call"]
            self.differ(check, question, _in_words(self.referee.answer(question)), answer.words)
        return answer

    def same(self, check: Check, asked: Call, found: Any, expected: Any) -> None:
        """Judge a check of calls: an answer must be the expected one."""
        self._judged[check.name] += 1
        for words, differing in checks.differences(expected, found):
            self.differ(check, asked, words, differing)

    # ---- the ledger under test

    def _make(self, call: Call) -> Any:
        """Make a call; return its answer, the `Verdict` of a refusal, or the `Fault`."""
        self._judged["answers_every_call"] += 1
        try:
            with self._clockwork.limit():
                return call.make(self.port)
        except port.Refused as refused:
            return Verdict("refused", refused.code)
        except _TooLong:
            seconds = f"{self._clockwork.timeout:.3g}"
            return Fault(f"no answer within {seconds} second{'s' if seconds != '1' else ''}")
        except Exception as error:  # noqa: BLE001 - whatever an adapter does is reported, and is its own
            return Fault(self._raised(error))

    def _raised(self, error: Exception) -> str:
        """Return an adapter's error in a sentence, with the innermost place in the adapter's own file."""
        frames = traceback.extract_tb(error.__traceback__)
        file = inspect.getsourcefile(type(self.port))
        place = next((frame for frame in reversed(frames) if frame.filename == file), frames[-1])
        where = f"in {place.name}, {Path(place.filename).name}:{place.lineno}"
        return f"raised {type(error).__name__}: {sentence(str(error))} ({where})"

    def differ(self, check: Check, call: Call, expected: str, found: str) -> NoReturn:
        """Raise `LedgerDiffers`: a check has failed."""
        __tracebackhide__ = True
        raise LedgerDiffers(check, call, expected, found, self.story)


def question(name: str, plan_id: str | None, as_of: date, known_at: datetime | None = None) -> Call:
    """Return a question as of a date."""
    return Call(name, plan_id, {"as_of": as_of, "known_at": known_at})


def capabilities(ledger: Any) -> frozenset[str]:
    """Return the capabilities that an adapter declares. Raises `InvalidArgument` for an unknown or a missing one."""
    declared = frozenset(getattr(ledger, "capabilities", port.STANDARD))
    for name in sorted(declared - port.CAPABILITIES.keys()):
        known = ", ".join(port.CAPABILITIES)
        raise InvalidArgument(argument="capabilities", given=name, expected=f"some of {known}")
    needed = {"open", "pay", "position"} | (
        declared & {"close", "cancel", "reinstate", "overdue", "balances", "rebuild", "restart"}
    )
    if declared & {"error", "chargeback"}:
        needed.add("reverse")
    for name in sorted(needed):
        if not callable(getattr(ledger, name, None)):
            expected = f"an adapter with a method {name!r}, or capabilities without it"
            raise InvalidArgument(argument="factory", given=type(ledger).__name__, expected=expected)
    if "known_at" in declared and "recorded_at" not in declared:
        raise InvalidArgument(argument="capabilities", given="known_at", expected="recorded_at with it")
    return declared


def _in_words(answer: Any) -> str:
    if isinstance(answer, Verdict):
        return str(answer)
    return str([checks.shown(row) for row in answer]) if isinstance(answer, list) else checks.shown(answer)
