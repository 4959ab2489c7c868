"""Benchmarks: this library against the stock way of the library below it, and against the floor under both.

`python -m benchmarks` measures every step. In each, three sides do the same work in one run, taking turns round by
round (ours, stock, floor, ours, stock, floor, …); the median round counts. Machines are shared, so only the ratios of a
run mean anything. On a busy machine the ratios of payments scatter, as waits for the scheduler add to those for the
disk and the server. `--quick` takes about two minutes; a full run takes twenty minutes and some gigabytes of temporary
files. `--out FILE` keeps a run, and `--picture SVG FILE` draws it.

| step | one operation |
|---|---|
| `pay/…` | a payment: loaded, decided, durably saved, by one process or, `/4`, by four at once |
| `import/…` | a stored event of whole histories, recorded in bulk, month by month over all plans |
| `derive` | a plan of 20 payments, derived from its facts; `/late`: each payment is five days late |
| `read/…` | a stored event, read into the state of its plan |
| `catchup/…` | a stored event, processed by the projection exactly once, from an empty read model; `/late` as above |
| `seal/…` | a stored event, sealed: read, hashed into the tree, on the disk in tiles under a signed checkpoint |
| `pack/…` | a stored event, packed: read, hashed, a line in the zip file on the disk |
| `export/parquet` | a stored event, a row of Parquet; `columns`: such a row, read into the balances of a date |
| `check/…` | a stored event, audited by the command; in place of stock, that program checks the exported books |
| `mixed/…` | a payment or an overdue list, by forty threads at once, half of them for each |
| `overdue`, `balance`, `portfolio` | a query of a book of that many plans: of one partner, of one investor, of all |
| `close/…` | a plan closed, where a thousand plans of a book of that size, half of them paid late, have outcomes due |

The last two rows have neither stock nor floor: there is no stock way to do them, and they only have to show that they
do not depend on the size of the book. `generated_book.py` makes these books from a seed. `mixed` has no stock either,
and instead of a floor the mean of the rates of payments and of lists when each has all threads, weighted by the
operations of both kinds. `seal`, `pack` and `export` have no stock, and their floor reads the same rows. A step whose
program is not installed says so instead, and is not run.

* **ours**: the `Ledger` as its users call it, and the functions behind it.
* **stock**: `eventsourcing` as its documentation teaches: an `Application` with an `Aggregate` whose `@event` methods
  do the same job (`stock_plan.py`), its own JSON transcoder and recorders, every setting at its default. The two
  settings that could replace this work instead of speeding it up stay off, as they are by default: the cache of
  aggregates skips the loading, and database functions in PostgreSQL lose events for readers that tail the log.
  Snapshots would add rows, and pay off on streams longer than these. Plans are read as its documentation reads them, by
  the repository.
* **floor**: the cost of the database and the driver: the same rows, of the same bytes as ours, selected, inserted and
  committed by hand; nothing is decoded and nothing decided.

The comparison is fair:

* The work is equal, and this is checked. Before anything is timed, `equal_work.py` runs ours and stock through the same
  histories (in time, late, double, early, cancelled, refused) and compares every event, share and refusal. In a step,
  every payment must write as many rows on all three sides, and every reader must read as many; after it, ours and stock
  must have credited the same shares. A difference ends the run.
* Durability is equal: SQLite with a write-ahead log and `synchronous=FULL`, PostgreSQL with `fsync` and
  `synchronous_commit` on, one commit per payment on every side, all on the same disk and in the same server. An import
  commits every 2,000 commands; stock in PostgreSQL more often, because its pipeline hangs on half a megabyte.
* Bulk work is done as each side does it best: a projection of stock keeps its plans in memory, and its import keeps its
  aggregates there and saves as many together as the driver takes. The floor of an import has its rows ready.
* Every side has a file (SQLite) or tables (PostgreSQL) of its own, filled month by month, so that the plans' events are
  interleaved in the log, as in a year of business. Deferred maintenance of the databases precedes the first round.
* Stock does only as much as this job needs: it takes payments in the order of their dates, knows no reversals or
  reinstatements, stacks bonuses additively only, and trusts the events that it loads. Ours does all of that in every
  payment.
"""
