"""Benchmarks: this library against the stock way of the library below it, and against the floor under both.

`python -m benchmarks` measures five steps. In each, three sides do the same work in one run, taking turns round by
round (ours, stock, floor, ours, stock, floor, …); the median round counts. Machines are shared, so only the ratios of a
run mean anything. Where other processes keep the cores busy, waits for the scheduler join those for the disk and the
server, and the ratios of payments scatter: a quiet machine tells more.

* **ours**: the `Ledger` as its users call it, and the functions behind it.
* **stock**: `eventsourcing` as its documentation teaches: an `Application` with an `Aggregate` whose `@event` methods
  do the same job (`stock_plan.py`), its own JSON transcoder and recorders, every setting at its default. The two
  settings that could replace this work instead of speeding it up stay off, as they are by default: the cache of
  aggregates skips the loading, and database functions in PostgreSQL lose events for readers that tail the log.
  Snapshots would add rows, and pay off on streams longer than these. Plans are read as its documentation reads them, by
  the repository.
* **floor**: what the database and the driver cost by themselves: the same rows, of the same bytes as ours, selected,
  inserted and committed by hand; nothing is decoded and nothing decided.

What makes it fair:

* The work is equal, and checked to be. Before anything is timed, `equal_work.py` leads ours and stock through the same
  histories (in time, late, double, early, cancelled, refused) and compares every event, share and refusal. In a step,
  every payment must write as many rows on all three sides, and every reader must read as many; after it, ours and stock
  must have credited the same shares. A difference ends the run.
* Durability is equal: SQLite with a write-ahead log and `synchronous=FULL`, PostgreSQL with `fsync` and
  `synchronous_commit` on, one commit per payment on every side, all on the same disk and in the same server.
* Every side has a file (SQLite) or tables (PostgreSQL) of its own, filled month by month, so that the plans' events lie
  interleaved in the log, as in a year of business. What the filling left to do is done before the first round.
* Stock is spared what this job does not need of it: it takes payments in the order of their dates, knows no reversals
  or reinstatements, stacks bonuses additively only, and trusts what it loads. Ours does all of that in every payment.
"""
