"""A finding: one thing that is wrong in a ledger, with its place, the rule, and both values."""

from collections.abc import Mapping

import attrs

KINDS: Mapping[str, str] = {}
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
