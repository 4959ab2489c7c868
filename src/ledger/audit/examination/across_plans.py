"""What is usual in a ledger: the terms that most plans have, and references that name payments of one plan only.

Both can be told when every partition has been read. So a partition hands on a line of text for each opening and each
payment, which are kept in a temporary file until the end: memory does not grow with the ledger.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import reduce
from tempfile import TemporaryFile
from typing import Any, NamedTuple
from zlib import crc32

import attrs

from ledger.books.external_sort import temporary_files
from ledger.events import PlanOpened

BUCKETS = 64
"""Parts into which references are divided, so that one part at a time fits into memory."""

_WRITTEN_TOGETHER = 32
"""Partitions whose usage is written at once, so that few places of each profile have to be kept."""

_PLANS_NAMED = 5
"""Plans that are named of those that share a reference."""


class Profile(NamedTuple):
    """The terms of a plan that are compared with those of others, in words; `package` is what makes plans alike."""

    grace: str
    reinstatement: str
    package: str
    release: str


def profile(opened: PlanOpened) -> Profile:
    """Return the profile of a plan's terms."""
    terms = opened.terms
    return Profile(
        grace=f"{terms.grace_days} days of grace",
        reinstatement=f"reinstatement {_words(terms.reinstatement)}",
        package=f"{terms.price} for {terms.shares} shares in {terms.installments}",
        release=f"release {_words(terms.release)}",
    )


def _words(part: object) -> str:
    shape: Any = type(part)
    fields = [field.name for field in attrs.fields(shape)]
    return " ".join(_word(getattr(part, name)) for name in sorted(fields, key=lambda name: name != "kind"))


def _word(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@attrs.frozen(kw_only=True)
class SharedReference:
    """A reference that payments of several plans have: allowed, since it is unique in each; `plan_ids` names some."""

    reference: str
    plans: int
    plan_ids: tuple[str, ...]


class Unusual(NamedTuple):
    """A plan with terms of its own, in words, and for each, by its field, a plan with the usual one."""

    plan_id: str
    own: tuple[str, ...]
    usual: Mapping[str, str]


@attrs.frozen
class Usage:
    """The profiles of plans, and the references of payments by bucket, as lines of text: of partitions, to be added."""

    profiles: Mapping[Profile, str]
    references: tuple[str, ...]

    def __add__(self, other: "Usage") -> "Usage":
        profiles = {**self.profiles}
        for key, plan_ids in other.profiles.items():
            profiles[key] = profiles.get(key, "") + plan_ids
        pairs = zip(self.references, other.references, strict=True)
        return Usage(profiles, tuple(mine + theirs for mine, theirs in pairs))


class UsageOf:
    """Collects the usage of a partition."""

    def __init__(self) -> None:
        self._profiles: dict[Profile, list[str]] = defaultdict(list)
        self._references: list[list[str]] = [[] for _ in range(BUCKETS)]

    def add(self, plan_id: str, opened: PlanOpened | None, references: Iterable[str]) -> None:
        """Add a plan. One whose id has several lines, or columns, is reported as no plan, and left out."""
        if "\n" in plan_id or "\t" in plan_id:
            return
        if opened is not None:
            self._profiles[profile(opened)].append(f"{plan_id}\n")
        for reference in references:
            self._references[crc32(reference.encode()) % BUCKETS].append(f"{reference}\t{plan_id}\n")

    def usage(self) -> Usage:
        """Return what was added."""
        profiles = {key: "".join(plan_ids) for key, plan_ids in self._profiles.items()}
        return Usage(profiles, tuple("".join(lines) for lines in self._references))


NOTHING = UsageOf().usage()


class _Plans:
    """The plans that have a reference, in the order of their ids: their number, and the first few."""

    __slots__ = ("_last", "count", "named")

    def __init__(self, plan_id: str) -> None:
        self.count, self.named, self._last = 1, [plan_id], plan_id

    def add(self, plan_id: str) -> None:
        if plan_id != self._last:
            self.count, self._last = self.count + 1, plan_id
            if len(self.named) < _PLANS_NAMED:
                self.named.append(plan_id)


class UsageInFile:
    """The usage of any number of plans, in a temporary file."""

    def __init__(self) -> None:
        with temporary_files():
            self._file = TemporaryFile()  # noqa: SIM115 - open as long as this
        self._profiles: dict[Profile, list[tuple[int, int]]] = defaultdict(list)
        self._buckets: list[list[tuple[int, int]]] = [[] for _ in range(BUCKETS)]
        self._counts: Counter[Profile] = Counter()
        self._waiting: list[Usage] = []

    def add(self, usage: Usage) -> None:
        """Add the usage of a partition."""
        self._waiting.append(usage)
        if len(self._waiting) == _WRITTEN_TOGETHER:
            self._write_waiting()

    def _write_waiting(self) -> None:
        usage = reduce(Usage.__add__, self._waiting, NOTHING)
        self._waiting.clear()
        for key, plan_ids in usage.profiles.items():
            self._profiles[key].append(self._write(plan_ids))
            self._counts[key] += plan_ids.count("\n")
        for bucket, lines in zip(self._buckets, usage.references, strict=True):
            if lines:
                bucket.append(self._write(lines))

    def _write(self, text: str) -> tuple[int, int]:
        data = text.encode()
        with temporary_files():
            at = self._file.seek(0, 2)
            self._file.write(data)
            self._file.flush()
        return at, len(data)

    def _lines(self, places: Sequence[tuple[int, int]]) -> Iterator[str]:
        for at, length in places:
            self._file.seek(at)
            yield from self._file.read(length).decode().split("\n")[:-1]

    def unusual(self) -> Iterator["Unusual"]:
        """Yield the plans with terms of their own: those of the same terms together."""
        self._write_waiting()
        usual = Usual.of(self._counts)
        for key in sorted(self._profiles):
            names = usual.departures(key)
            if names:
                own = tuple(f"{getattr(key, name)} instead of {usual.of_package(key)[name]}" for name in names)
                examples = {name: self._example(name, usual.of_package(key)[name], key.package) for name in names}
                for plan_id in self._lines(self._profiles[key]):
                    yield Unusual(plan_id, own, examples)

    def _example(self, name: str, words: str, package: str) -> str:
        """Return a plan that has a term; of a release, one of the same package."""
        fitting = (
            key
            for key in sorted(self._profiles)
            if getattr(key, name) == words and (name != "release" or key.package == package)
        )
        return next(self._lines(self._profiles[next(fitting)]))

    def shared(self) -> Iterator[SharedReference]:
        """Yield the references that payments of several plans have."""
        self._write_waiting()
        for bucket in self._buckets:
            found: dict[str, _Plans] = {}
            for line in self._lines(bucket):
                reference, _, plan_id = line.partition("\t")
                if reference in found:
                    found[reference].add(plan_id)
                else:
                    found[reference] = _Plans(plan_id)
            for reference in sorted(found):
                plans = found[reference]
                if plans.count > 1:
                    yield SharedReference(reference=reference, plans=plans.count, plan_ids=tuple(plans.named))

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # a full folder: what could not be written goes with the file
            self._file.close()


@attrs.frozen
class Usual:
    """The most frequent terms: of all plans, and the release of each package. Of equally frequent ones the first."""

    grace: str
    reinstatement: str
    release: Mapping[str, str]

    @classmethod
    def of(cls, counts: Mapping[Profile, int]) -> "Usual":
        """Return the usual terms of plans, counted by profile."""
        grace: Counter[str] = Counter()
        reinstatement: Counter[str] = Counter()
        releases: dict[str, Counter[str]] = defaultdict(Counter)
        for key, count in counts.items():
            grace[key.grace] += count
            reinstatement[key.reinstatement] += count
            releases[key.package][key.release] += count
        release = {package: _most_frequent(counted) for package, counted in releases.items()}
        return cls(_most_frequent(grace), _most_frequent(reinstatement), release)

    def of_package(self, key: Profile) -> dict[str, str]:
        """Return the usual terms of a plan with this profile, in words, by the field of the profile."""
        release = self.release.get(key.package, key.release)
        return {"grace": self.grace, "reinstatement": self.reinstatement, "release": release}

    def departures(self, key: Profile) -> list[str]:
        """Return the fields of a profile that are not usual."""
        return [name for name, words in self.of_package(key).items() if getattr(key, name) != words]


def _most_frequent(counted: Mapping[str, int]) -> str:
    return min(counted, key=lambda words: (-counted[words], words), default="")
