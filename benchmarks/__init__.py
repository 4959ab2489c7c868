"""Benchmarks: this library against the stock way of the library below it, and against the floor under both.

`python -m benchmarks` measures every step. In each, three sides do the same work in one run, taking turns round by
round (ours, stock, floor, ours, stock, floor, …); the median round counts. Machines are shared, so only the ratios of a
run mean anything. Where other processes keep the cores busy, waits for the scheduler join those for the disk and the
server, and the ratios of payments scatter: a quiet machine tells more. `--quick` measures less and takes about a
minute; all of it takes half an hour and some gigabytes in the folder for temporary files. `--out FILE` keeps a run, and
`--picture SVG FILE` draws it.

| step | what one operation is |
|---|---|
| `pay/…` | a payment: loaded, decided, durably saved, by one process or, `/4`, by four at once |
| `import/…` | a stored event of whole histories that are recorded in bulk, month by month over all plans |
| `derive` | a plan of 20 payments, derived from its facts |
| `read/…` | a stored event, read into the state of its plan |
| `catchup/…` | a stored event, taken into lists and totals exactly once, beginning with nothing |
| `overdue`, `balance`, `portfolio` | a question to a book of so many plans: of one partner, of one investor, of all |
| `close/…` | a plan closed, where a thousand of a book of so many plans have something due |

The last two rows have neither stock nor floor: there is no stock way to do them, and what they have to show is that
they do not depend on the size of the book. `generated_book.py` makes these books from a seed.

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
  `synchronous_commit` on, one commit per payment on every side, all on the same disk and in the same server. An import
  commits every 2,000 commands; stock in PostgreSQL more often, because its pipeline hangs on half a megabyte.
* Bulk work is done as each side does it best: a projection of stock keeps its plans in memory, and its import keeps its
  aggregates there and saves as many together as the driver takes. The floor of an import has its rows ready.
* Every side has a file (SQLite) or tables (PostgreSQL) of its own, filled month by month, so that the plans' events lie
  interleaved in the log, as in a year of business. What the filling left to do is done before the first round.
* Stock is spared what this job does not need of it: it takes payments in the order of their dates, knows no reversals
  or reinstatements, stacks bonuses additively only, and trusts what it loads. Ours does all of that in every payment.
"""
