"""A market, simulated: investors, banks, partners and outages that drive a ledger beside the referee, from a seed.

`simulate` drives and checks, `minimise` and `replay` shorten and repeat a failure, `write_book` writes the same market
as a book of CSV files.
"""

from ledger.testing.simulation.adapter import Factory as Factory
from ledger.testing.simulation.adapter import at as at
from ledger.testing.simulation.adapter import temporary as temporary
from ledger.testing.simulation.book import write_book as write_book
from ledger.testing.simulation.history import Failure as Failure
from ledger.testing.simulation.history import read_history as read_history
from ledger.testing.simulation.history import write_history as write_history
from ledger.testing.simulation.minimise import minimise as minimise
from ledger.testing.simulation.minimise import replay as replay
from ledger.testing.simulation.parameters import PACKAGED as PACKAGED
from ledger.testing.simulation.parameters import Market as Market
from ledger.testing.simulation.parameters import read_market as read_market
from ledger.testing.simulation.run import Report as Report
from ledger.testing.simulation.run import Simulated as Simulated
from ledger.testing.simulation.run import simulate as simulate
from ledger.testing.simulation.stream import Stream as Stream
