"""A finding: one thing that is wrong in a ledger, with its place, the rule, and both values."""

from collections.abc import Mapping

import attrs

KINDS: Mapping[str, str] = {
    "event_unreadable": "The stored bytes are no event of their tag.",
    "event_not_canonical": "The stored bytes say what an event says, in another form than the ledger writes.",
    "event_of_newer_version": "The event, or a part of its terms, is unknown to this version of the library.",
    "stream_unknown": "Events stand in a stream that is neither a plan nor a receipt, "
    "or has an id that neither can have.",
    "key_mismatch": "The idempotency key is not that of the event's content, or of its command.",
    "command_split": "Events of one command differ in instant, actor or correlation.",
    "version_gap": "A version of the stream is missing.",
    "opening_misplaced": "A stream begins without its opening or reception, or holds an event that is not its own.",
    "time_decreasing": "An event was recorded before the one that precedes it in its stream.",
    "sequence_order": "An event has a lower sequence than the one that precedes it in its stream.",
    "sequence_counter": "The last sequence is not the last one that the database has given out.",
    "sequence_gap": "Sequences are missing in a database that leaves none out.",
    "dated_ahead": "A fact or a closing is dated after the day of its recording.",
    "dated_before_opening": "An event is effective before the opening of its plan, or the reception of its money.",
    "date_mismatch": "The date of a fact is not the day of its instant in the time zone of the plan, "
    "or an instant has no day there.",
    "zone_unknown": "The time zone is not in this machine's database, so dates cannot be checked.",
    "schedule_mismatch": "The due dates or amounts of the schedule do not follow from the terms.",
    "release_mismatch": "The shares that installments release do not follow from the terms.",
    "reference_taken": "A reference is used twice in one stream.",
    "reversal_unfounded": "A reversal takes back no payment that stands, or is on another date than the rules say.",
    "currency_mismatch": "Money is in another currency than its plan or receipt.",
    "overpayment": "With a payment more money stood than the price.",
    "fact_on_cancelled_plan": "A payment or request was recorded on a plan that was cancelled by then.",
    "fact_on_completed_plan": "A payment or request was recorded on a plan that was completed by then.",
    "reinstatement_forbidden": "A reinstatement was recorded that the policy or the plan does not allow.",
    "approver_is_actor": "Whoever recorded a reinstatement has approved it.",
    "outcome_missing": "An outcome follows from the facts and is not recorded.",
    "outcome_unfounded": "A recorded outcome does not follow from the facts.",
    "outcome_differs": "A recorded outcome follows from the facts with other content.",
    "voiding_missing": "An outcome no longer holds, and no voiding says so.",
    "voiding_unfounded": "A voiding takes back what holds, or names no outcome.",
    "voiding_differs": "A voiding is owed with another date, other shares, or another cause.",
    "order_in_command": "The events of a command are not in their order: fact, voidings, outcomes as they took effect.",
    "package_not_conserved": "On a date, credited, promised and forfeited shares are not the package.",
    "money_not_conserved": "On a date, the money that stands exceeds the price, or is less than what it settled.",
    "receipt_overspent": "More of a receipt is allocated and returned than was received.",
    "allocation_unfounded": "An allocation is no payment of its plan, or was reversed without its payment.",
    "read_model_differs": "A row of a read model is not that of a replay.",
    "read_model_ahead": "A read model has read further than the ledger goes.",
    "sealed_event_changed": "A stored event has other bytes, or another tag, than when it was sealed.",
    "sealed_event_missing": "An event that was sealed is no longer stored.",
    "sealed_event_inserted": "An event that was not sealed lies before one that was.",
    "sealed_event_moved": "An event that was sealed lies elsewhere in the order of sequence.",
    "seal_tile": "A tile does not hold the hashes that the root proves.",
    "seal_index": "The index does not name the event of a leaf.",
    "seal_checkpoint": "A checkpoint is missing, or is none.",
    "seal_signature": "The signature of a checkpoint does not verify.",
    "seal_key": "A checkpoint is of another key or origin, or the key in the folder is another.",
    "seal_inconsistent": "A checkpoint is of another tree: what was sealed by then was sealed anew.",
    "seal_truncated": "A checkpoint of more leaves than the latest is known.",
    "pack_line_unreadable": "A line of a pack is no event, or is written in another form.",
    "pack_contents_differ": "A pack says of itself what it does not hold.",
}
"""Every kind of finding, with its meaning in a sentence."""


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that is wrong.

    `kind` is one of `KINDS`. `plan_id`, `version` and `sequence` are its place, each None where it has none; a finding
    in the stream of a receipt has the reference of the money as `receipt` and no plan. `rule` is the section of the
    rules or of the documentation that it violates: "RULES.md section 10". `expected` and `found` are in words.
    """

    kind: str
    plan_id: str | None = None
    receipt: str | None = None
    version: int | None = None
    sequence: int | None = None
    rule: str
    expected: str
    found: str
