"""The golden vectors: cases of the rules as plain data, for implementations in any language."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ledger.errors import InvalidArgument

FORMAT = "installment-ledger-vectors/1"
FILE = Path(__file__).with_name("vectors.json")
SCHEMA = Path(__file__).with_name("vectors.schema.json")
CHECKER = Path(__file__).with_name("check_vectors.py")


def vectors(*, section: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the cases, each as plain data; with `section`, those that show this section of the rules.

    A case has `name`, `section`, `shows`, `terms`, `opened_on`, `schedule`, `facts` (each with both of its times),
    `without_effect` (commands that change no answer: closings, repetitions), `refused` (commands, with the code of
    their error) and `answers`: for a day `as_of` and an instant `known_at` (None: all facts) the whole `position`, the
    row `overdue` or None, and the `outcomes` that hold. Money is in minor units.
    Raises `InvalidArgument` for a section of which there is no case.
    """
    cases = json.loads(FILE.read_text(encoding="utf-8"))["cases"]
    shown = sorted({int(case["section"]) for case in cases})
    if section is not None and section not in shown:
        raise InvalidArgument(argument="section", given=section, expected=f"one of {', '.join(map(str, shown))}")
    yield from (case for case in cases if section is None or int(case["section"]) == section)
