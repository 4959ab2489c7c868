"""A finding: one thing that is wrong in a ledger, with its place, the rule, and both values."""

from collections.abc import Mapping

import attrs

KINDS: Mapping[str, str] = {
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
