"""The command that hands the books to other programs: export."""

from pathlib import Path

from ledger import exports
from ledger.cli import rendering
from ledger.cli.options import AsJson, KnownAt, LedgerLocation, Location, known, progress_bar
from ledger.cli.rendering import counted
from ledger.store import Store, open_store

