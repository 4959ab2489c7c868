"""A call of the port as data, and as the line of code that repeats it."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import attrs


@attrs.frozen
class Call:
    """One call: the method, its plan where it has one, and its other arguments in plain words."""

    name: str
    plan_id: str | None
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        """Return the call as code, without the terms, which are long, and the end of the call that is always there."""
        shown = [] if self.plan_id is None else [repr(self.plan_id)]
        for name, value in self.arguments.items():
            if not (name == "known_at" and value is None):
                shown.append(f"{name}={'…' if name == 'terms' else _shown(value)}")
        return f"{self.name}({', '.join(shown)})"

    def make(self, port: Any) -> Any:
        """Make the call."""
        method = getattr(port, self.name)
        return method(**self.arguments) if self.plan_id is None else method(self.plan_id, **self.arguments)


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping) and value.keys() == {"minor", "currency"}:
        return f"{value['minor']} {value['currency']}"
    return repr(value)
