"""Health: what state a ledger and its views are in."""

import attrs

from ledger.store import Store


@attrs.frozen(kw_only=True)
class ViewHealth:
    """A view: `lag` is the ledger's last sequence less the one reached (gaps counted), below 0 for another ledger's.

    The `live` view answers; another is being rebuilt, or was. `stopped_by` says what it could not take in, if anything.
    """

    name: str
    live: bool
    reached: int
    lag: int
    stopped_by: str | None


@attrs.frozen(kw_only=True)
class Health:
    """A ledger: its database in words, the version of its tables, its last sequence (0: it is empty), its views.

    `problems` has a sentence for each thing that somebody should look at; none: it is healthy.
    """

    store: str
    schema: int
    last_sequence: int
    views: tuple[ViewHealth, ...]
    problems: tuple[str, ...]


def health(store: Store, *, max_lag: int | None = None) -> Health:
    """Look at a ledger. A live view that lags by more than `max_lag` is a problem; None allows any lag."""
    found = store.tables.views()
    last = store.last_sequence()  # afterwards: it is never behind a view of this ledger
    views = tuple(
        ViewHealth(
            name=view.name, live=view.live, reached=view.reached, lag=last - view.reached, stopped_by=view.stopped_by
        )
        for view in found
    )
    problems: list[str] = []
    for view in views:
        if view.stopped_by is not None:
            problems.append(f"View {view.name} has stopped at {view.reached}: {view.stopped_by}")
        if view.lag < 0:
            problems.append(f"View {view.name} is {-view.lag} ahead of the ledger: it belongs to another; rebuild it.")
        if view.live and max_lag is not None and view.lag > max_lag:
            problems.append(f"View {view.name} lags by {view.lag}, more than {max_lag}: is a follower running?")
    return Health(
        store=store.label,
        schema=store.schema_version(),
        last_sequence=last,
        views=views,
        problems=tuple(problems),
    )
