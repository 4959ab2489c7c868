"""The section that each kind of finding violates, and the making of findings in a stream."""

from collections.abc import Mapping

from ledger.audit.finding import Finding
from ledger.events import PLAN
from ledger.events.recorded import Stream

_1, _2, _3, _4, _5, _6, _8, _9, _10 = (f"RULES.md section {number}" for number in (1, 2, 3, 4, 5, 6, 8, 9, 10))
_STORED, _KEYS = "docs/versioning.md, Stored events", "docs/services.md, Idempotency and retries"
_RECEIPTS, _READ_MODELS = "docs/services.md, Money that no plan takes", "docs/operations.md, Verify and rebuild"

SECTIONS: Mapping[str, str] = {
    "event_unreadable": _STORED,
    "event_not_canonical": _STORED,
    "event_of_newer_version": _STORED,
    "stream_unknown": _STORED,
    "key_mismatch": _KEYS,
    "command_split": _1,
    "version_gap": _1,
    "opening_misplaced": _1,
    "time_decreasing": _1,
    "sequence_order": _1,
    "sequence_counter": _1,
    "sequence_gap": _1,
    "dated_ahead": _1,
    "dated_before_opening": _5,
    "date_mismatch": _1,
    "zone_unknown": _2,
    "schedule_mismatch": _3,
    "release_mismatch": _4,
    "reference_taken": _5,
    "reversal_unfounded": _10,
    "currency_mismatch": _2,
    "overpayment": _5,
    "fact_on_cancelled_plan": _6,
    "fact_on_completed_plan": _5,
    "reinstatement_forbidden": _9,
    "approver_is_actor": _9,
    "outcome_missing": _1,
    "outcome_unfounded": _1,
    "outcome_differs": _1,
    "voiding_missing": _1,
    "voiding_unfounded": _1,
    "voiding_differs": _1,
    "order_in_command": _1,
    "package_not_conserved": _8,
    "money_not_conserved": _8,
    "receipt_overspent": _RECEIPTS,
    "allocation_unfounded": _RECEIPTS,
    "read_model_differs": _READ_MODELS,
    "read_model_ahead": _READ_MODELS,
}
"""By kind of finding, the section of the rules or the page of the documentation."""


class Findings:
    """The findings of one stream, in the order in which they were found."""

    def __init__(self, stream: Stream) -> None:
        self.found: list[Finding] = []
        self._plan_id = stream.id if stream.kind == PLAN else None
        self._receipt = None if stream.kind == PLAN else stream.id

    def add(self, kind: str, *, version: int | None, sequence: int | None, expected: str, found: str) -> None:
        """Add a finding at an event of the stream, or, without a version, about the whole of it."""
        self.found.append(
            Finding(
                kind=kind,
                plan_id=self._plan_id,
                receipt=self._receipt,
                version=version,
                sequence=sequence or None,
                rule=SECTIONS[kind],
                expected=expected,
                found=found,
            )
        )
