"""The comparison of the sealed leaves with the stored events: each that was changed, removed, inserted or moved."""

from collections import Counter
from collections.abc import Iterable, Iterator

from ledger.audit.finding import Finding
from ledger.audit.seal.alignment import Ahead, Found, Gap, Leaf, Match, align
from ledger.audit.seal.hashing import event_hash
from ledger.audit.seal.index import LINES, Index, Name, index_path, line
from ledger.audit.seal.merkle import SIZE
from ledger.audit.seal.tiles import WIDTH, Tile
from ledger.audit.seal.trusted import TrustedTiles
from ledger.events import PLAN
from ledger.store import LAST, EventReader
from ledger.telemetry import Progress

_PAGE = 5_000
"""Events read at a time."""

_STARTS = 8
"""Places at which the events of a changed tile are looked for."""

FIRST = -LAST
"""Before every sequence: one below 1 was written by hand, and lies before all others."""

LEAVES = "seal.md section 2"
INDEX = "seal.md section 5"


def stored_events(reader: EventReader) -> Iterator[Found]:
    """Yield the stored events, each with the hash of its leaf."""
    after = FIRST
    while page := reader.raw_events(after=after, limit=_PAGE):
        for event in page:
            name = Name(event.kind, event.stream_id, event.version)
            yield Found(event_hash(event), event.sequence, name, event.tag)
        after = page[-1].sequence


class Comparison:
    """The comparison of one seal with one ledger."""

    def __init__(self, tiles: TrustedTiles, index: Index, events: Iterable[Found], progress: Progress | None) -> None:
        self._tiles = tiles
        self._index = index
        self._events = Ahead(events)
        self._leaves: Ahead[Leaf] = Ahead(self._sealed())
        self._progress = progress
        self._last = 0
        self._missing: dict[int, tuple[Leaf, Name | None, int]] = {}
        self._extra: list[Found] = []
        self._lost_lines: set[int] = set()

    # ---- the leaves

    def _sealed(self) -> Iterator[Leaf]:
        for tile in self._tiles.lowest():
            hashes = self._tiles.read(tile)
            if not self._tiles.is_proved(tile):
                events = self._hashes_of_events(tile, hashes)
                hashes = next((found for found in events if self._tiles.repair(tile, found)), hashes)
            for offset in range(tile.width):
                one = None if hashes is None else hashes[offset * SIZE : (offset + 1) * SIZE]
                yield Leaf(tile.number * WIDTH + offset, one)

    def _hashes_of_events(self, tile: Tile, hashes: bytes | None) -> Iterator[bytes]:
        """Yield the hashes of the events that a changed tile may have held: they lie around those that it does hold.

        Where most of those lie comes first, so that hashes that have changed places mislead nobody.
        """
        start = len(self._leaves.items)
        self._events.reach(start + 2 * tile.width)
        ahead = [event.hash for event in self._events.items]
        places = {one: place for place, one in enumerate(ahead)}
        starts: Counter[int] = Counter()
        for offset in range(tile.width if hashes is not None else 0):
            place = places.get(hashes[offset * SIZE : (offset + 1) * SIZE]) if hashes is not None else None
            if place is not None and place >= offset:
                starts[place - offset] += 1
        for begin in [one for one, _ in starts.most_common(_STARTS)] or [start]:
            yield b"".join(ahead[begin : begin + tile.width])

    # ---- the findings

    def findings(self) -> Iterator[Finding]:
        """Yield every difference, with its place."""
        for step in align(self._leaves, self._events):
            if isinstance(step, Match):
                self._last = step.event.sequence
                yield from self._check_line(step.leaf.number, step.event)
                if self._progress is not None and step.leaf.number % _PAGE == 0:
                    self._progress(step.leaf.number, self._tiles.size)
            else:
                yield from self._gap(step)
        yield from self._at_the_end()

    def _check_line(self, index: int, event: Found) -> Iterator[Finding]:
        """Check that the index has the name of the event of a leaf."""
        found = self._index.line(index)
        if found == line(*event.name):
            return
        if found is None:
            if index // LINES not in self._lost_lines:
                self._lost_lines.add(index // LINES)
                name = index_path(index // LINES)
                yield Finding(
                    kind="seal_index", rule=INDEX, expected=f"a line for leaf {index:,} in {name}", found="none"
                )
            return
        yield _finding(
            "seal_index",
            event.name,
            rule=INDEX,
            expected=f"line {index % LINES + 1:,} of {index_path(index // LINES)}: {line(*event.name).decode()}",
            found=found[:200].decode(errors="backslashreplace"),
            sequence=event.sequence,
        )

    def _gap(self, gap: Gap) -> Iterator[Finding]:
        """Yield the events of a gap that were changed where they stand; keep what may stand elsewhere."""
        events = {event.name: event for event in gap.events}
        together = len(gap.leaves) == len(gap.events)
        for place, one in enumerate(gap.leaves):
            name = self._index.name(one.number)
            event = events.get(name) if name is not None else gap.events[place] if together else None
            if event is None or events.pop(event.name, None) is None:
                self._missing[one.number] = one, name, self._last
            else:
                self._last = event.sequence
                if one.hash is not None:
                    yield self._changed(one, event)
        self._extra += events.values()

    def _at_the_end(self) -> Iterator[Finding]:
        """Yield what was moved, and, when nothing is left to look at, what was removed or inserted."""
        by_hash = {one.hash: one.number for one, _, _ in self._missing.values() if one.hash is not None}
        by_name = {name: one.number for one, name, _ in self._missing.values() if name is not None}
        end = self._last
        for event in self._extra_and_later():
            index = by_hash.get(event.hash, by_name.get(event.name))
            if index is not None and index in self._missing:
                one, _, _ = self._missing.pop(index)
                if one.hash is not None:
                    yield self._moved(one, event) if event.hash == one.hash else self._changed(one, event)
            elif event.sequence < end:
                yield self._inserted(event)
        for one, name, after in self._missing.values():
            yield self._removed(one, name, after)

    def _extra_and_later(self) -> Iterator[Found]:
        yield from self._extra
        while self._missing and self._events.reach(1):
            yield from self._events.take(1)

    def _changed(self, one: Leaf, event: Found) -> Finding:
        return _finding(
            "sealed_event_changed",
            event.name,
            expected=f"leaf {one.number:,} with the hash {(one.hash or b'').hex()}",
            found=f"{event.tag} with the hash {event.hash.hex()}",
            sequence=event.sequence,
        )

    def _moved(self, one: Leaf, event: Found) -> Finding:
        return _finding(
            "sealed_event_moved",
            event.name,
            expected=f"leaf {one.number:,} in the order of sequence",
            found=f"the event at sequence {event.sequence:,}, out of that order",
            sequence=event.sequence,
        )

    def _inserted(self, event: Found) -> Finding:
        return _finding(
            "sealed_event_inserted",
            event.name,
            expected=f"no event at sequence {event.sequence:,}: a later one is sealed, this one is not",
            found=event.tag,
            sequence=event.sequence,
        )

    def _removed(self, one: Leaf, name: Name | None, after: int) -> Finding:
        return _finding(
            "sealed_event_missing",
            name,
            expected=f"leaf {one.number:,}, after sequence {after:,}",
            found="no event",
            sequence=None,
        )


def _finding(
    kind: str, name: Name | None, *, expected: str, found: str, sequence: int | None, rule: str = LEAVES
) -> Finding:
    """Return a finding about an event; one without a name has no line in the index."""
    plan = name is not None and name.kind == PLAN
    return Finding(
        kind=kind,
        plan_id=name.stream_id if name is not None and plan else None,
        receipt=name.stream_id if name is not None and not plan else None,
        version=None if name is None else name.version,
        sequence=sequence,
        rule=rule,
        expected=expected,
        found=found,
    )
