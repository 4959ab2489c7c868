"""Health: the state of a ledger and of its read models."""

from collections.abc import Sequence

import attrs

from ledger.dates import tzdata_version
from ledger.projections.projection import Projection
from ledger.readmodel.compatibility import misfit
from ledger.store import Generation, Quarantined, Store

_SHOWN = 100
"""Plans in quarantine that are named, per generation."""


@attrs.frozen(kw_only=True)
class ReadModelHealth:
    """A generation of a projection: `lag` is the ledger's last sequence less the one reached, gaps counted.

    The `live` one answers; another is being built, or will be when it is first asked. A lag below 0 is that of another
    ledger's read model. `quarantined` are the plans that it leaves out, up to a hundred.
    """

    name: str
    projection: str
    version: int
    live: bool
    reached: int
    lag: int
    quarantined: tuple[Quarantined, ...]


@attrs.frozen(kw_only=True)
class Health:
    """A ledger: its database in words, the version of its tables, its last sequence (0: it is empty), its read models.

    `identity` is the ledger's own, copies of it included. `epoch` changes, with its number before the dash, when events
    may have been taken away, as by a restore: sequences of another epoch say nothing about this one. `tzdata` is the
    version of the time zone database that decides the days of instants in this process.
    `problems` has a sentence for each thing that somebody should look at; none: it is healthy.
    """

    store: str
    schema: int
    identity: str
    epoch: str
    last_sequence: int
    tzdata: str
    read_models: tuple[ReadModelHealth, ...]
    problems: tuple[str, ...]


def health(
    store: Store, projections: Sequence[Projection], *, max_lag: int | None = None, optional: Sequence[str] = ()
) -> Health:
    """Examine a ledger. A projection whose read model lags by more than `max_lag` is a problem; None allows any lag.

    Those named in `optional` are left out until they have been asked for, or followed.
    """
    generations = store.views.generations()
    built = {one.projection for one in generations}
    for projection in projections:
        if projection.name not in built and projection.name not in optional:
            generations.append(Generation(projection.name, 1, projection.version, projection.definition()))
    head = store.head(0)  # afterwards: it is never behind a read model of this ledger
    last = head.last
    read_models = tuple(_read_model(store, generation, last) for generation in generations)
    answering = {one.projection for one in read_models if one.live}
    problems: list[str] = []
    for one in read_models:
        limit = max_lag if one.live or one.projection not in answering else None
        problems += _problems(one, limit)
    declared = {projection.name: projection for projection in projections}
    for generation in (one for one in generations if one.live):
        found = misfit(generation, declared.get(generation.projection), store.head(generation.at))
        if found is not None:
            problems.append(f"{generation.name}: {found.reason}; {found.remedy}.")
    return Health(
        store=store.label,
        schema=store.schema_version(),
        identity=head.ledger,
        epoch=head.epoch,
        last_sequence=last,
        tzdata=tzdata_version(),
        read_models=read_models,
        problems=tuple(problems),
    )


def _read_model(store: Store, generation: Generation, last: int) -> ReadModelHealth:
    return ReadModelHealth(
        name=generation.name,
        projection=generation.projection,
        version=generation.version,
        live=generation.live,
        reached=generation.reached,
        lag=last - generation.reached,
        quarantined=tuple(store.views.quarantine(generation, limit=_SHOWN)) if generation.quarantined else (),
    )


def _problems(one: ReadModelHealth, max_lag: int | None) -> list[str]:
    problems = [
        f"{one.name} leaves out plan {plan.plan_id}, version {plan.version} ({plan.event}): {plan.reason}."
        for plan in one.quarantined
    ]
    if max_lag is not None and one.lag > max_lag:
        problems.append(f"{one.name} lags by {one.lag}, more than {max_lag}: is a follower running?")
    return problems
