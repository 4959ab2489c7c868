"""The error of a seal: nothing was written, or a proof does not hold."""

from typing import ClassVar

import attrs

from ledger.errors import LedgerError
from ledger.errors.excerpt import named, sentence


@attrs.define(kw_only=True)
class SealRefused(LedgerError):
    """A seal that cannot be made, extended or proved from; `subject` is its folder or file, and nothing was written.

    Where an event is the cause, `plan_id` or `receipt` and `version` are its place, and `index` is that of its leaf.
    """

    code: ClassVar[str] = "seal_refused"

    subject: str
    reason: str
    remedy: str
    plan_id: str | None = None
    receipt: str | None = None
    version: int | None = None
    sequence: int | None = None
    index: int | None = None

    def __str__(self) -> str:
        return f"{named(self.subject)}: {sentence(self.reason)}; {self.remedy}."
