"""Progress of long work, and traces and metrics for OpenTelemetry where its API is installed.

Spans: `ledger.command`, `ledger.append`, `ledger.catch_up`. A histogram: `ledger.events_replayed`, per command.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, NamedTuple

Progress = Callable[[int, int], None]
"""Called with the amount of work done and the total amount known so far."""


class _Instruments(NamedTuple):
    listening: Callable[[], bool]
    span: Callable[..., AbstractContextManager[Any]]
    replayed: Callable[[int], None]


@cache
def _instruments() -> _Instruments | None:
    try:
        from opentelemetry import metrics, trace
    except ImportError:
        return None
    tracer = trace.get_tracer("ledger")
    histogram = metrics.get_meter("ledger").create_histogram(
        "ledger.events_replayed", unit="{event}", description="Events read to decide on a command"
    )

    def listening() -> bool:  # a span without a listener costs more than this check
        return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)

    return _Instruments(listening, tracer.start_as_current_span, histogram.record)


def span(name: str, **attributes: str | int) -> AbstractContextManager[Any]:
    """Return a span as a context manager; the names of its attributes get the prefix `ledger.`."""
    instruments = _instruments()
    if instruments is None or not instruments.listening():
        return nullcontext()
    return instruments.span(name, attributes={f"ledger.{key}": value for key, value in attributes.items()})


def replayed(events: int) -> None:
    """Record the number of events read to decide on a command."""
    instruments = _instruments()
    if instruments is not None:
        instruments.replayed(events)
