"""Fitness: whether a generation is that of this projection, this ledger and this past; the rule for whoever asks."""

from typing import Literal

import attrs

from ledger.projections.projection import Projection
from ledger.store import Generation, Head


@attrs.frozen
class Misfit:
    """Why a generation cannot answer, and the remedy."""

    cause: Literal["newer", "older", "tables", "ledger", "epoch", "checkpoint"]
    reason: str
    remedy: str

    @property
    def rebuilt(self) -> bool:
        """Whether the next catch-up replaces it."""
        return self.cause in ("older", "epoch")

    @property
    def of_another_past(self) -> bool:
        """Whether its checkpoint does not count the sequences of this ledger in this epoch."""
        return self.cause in ("ledger", "epoch", "checkpoint")


def misfit(generation: Generation, projection: Projection | None, head: Head) -> Misfit | None:
    """Return why a generation cannot answer, None if it can.

    `head` has the mark of the event at its sequence. `projection` is None where it is not known: only its past counts.
    """
    return (projection and _of_another_version(generation, projection)) or _of_another_past(generation, head)


def _of_another_version(generation: Generation, projection: Projection) -> Misfit | None:
    ours = projection.version
    if generation.version > ours:
        reason = f"its tables have version {generation.version}, and this library knows {ours}"
        return Misfit("newer", reason, "upgrade it on this machine")
    if generation.version < ours:
        reason = f"its tables have version {generation.version} of {ours}"
        return Misfit("older", reason, "the next catch-up rebuilds it")
    if generation.definition != projection.definition():
        reason = f"its tables are not those that version {ours} declares here"
        return Misfit("tables", reason, "raise its version, or rebuild it")
    return None


def _of_another_past(generation: Generation, head: Head) -> Misfit | None:
    if generation.ledger != head.ledger:
        reason = f"it was filled from another ledger, {generation.ledger[:8]}, and this one is {head.ledger[:8]}"
        return Misfit("ledger", reason, "name a database of its own for the views, or rebuild it")
    if generation.epoch != head.epoch:
        before = generation.epoch.partition("-")[0]
        reason = f"it was filled in epoch {before} of the ledger, which is in epoch {head.number}"
        return Misfit("epoch", reason, "the next catch-up rebuilds it")
    restored = "after a restore begin a new epoch with `installment-ledger migrate --new-epoch`, otherwise audit it"
    if generation.at > head.last:
        reason = f"it has read up to {generation.at}, and the ledger ends at {head.last}"
        return Misfit("checkpoint", reason, restored)
    if generation.mark != generation.marked(head.mark).mark and not _is_unreadable(generation, head):
        reason = f"its checkpoint {generation.at} does not fit the ledger's event {generation.at}"
        return Misfit("checkpoint", reason, restored)
    return None


def _is_unreadable(generation: Generation, head: Head) -> bool:
    """Return whether the event is the right one by its key, and cannot be read: that is the trouble of its plan."""
    return head.mark.endswith("@") and generation.mark.startswith(generation.marked(head.mark).mark)
