"""Programs of others that check the exported books, and what a test says where one is not installed."""

import csv
import io
import shutil
import subprocess
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest
from beancount.core.data import Transaction
from beancount.loader import load_string

HLEDGER = pytest.mark.skipif(shutil.which("hledger") is None, reason="not run: hledger is not installed")

Balances = Mapping[tuple[str, str], str]
"""Balances by account and commodity, as a program writes their numbers; those of zero are left out."""


def hledger(*arguments: str) -> str:
    """Run hledger and return what it prints. Fails with what it complains about."""
    run = subprocess.run(["hledger", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def hledger_balances(journal: Path, *, through: date) -> Balances:
    """Return the balance of each account at the end of a day, as hledger adds it up."""
    after = through + timedelta(days=1)
    printed = hledger("-f", str(journal), "bal", "-N", "--flat", "-e", f"{after}", "-O", "csv", "--layout=bare")
    rows = csv.DictReader(io.StringIO(printed))
    return {(row["account"], row["commodity"]): row["balance"] for row in rows if row["balance"] != "0"}


def beancount_balances(text: str, *, through: date) -> Balances:
    """Return the balance of each account at the end of a day, as beancount reads the file. Fails with its errors."""
    entries, errors, _ = load_string(text)
    assert not errors, errors[:3]
    sums: dict[tuple[str, str], object] = {}
    for entry in entries:
        if isinstance(entry, Transaction) and entry.date <= through:
            for posting in entry.postings:
                assert posting.units is not None
                key = posting.account, posting.units.currency
                sums[key] = sums.get(key, 0) + posting.units.number  # type: ignore[operator]  # decimals
    return {key: str(number) for key, number in sums.items() if number}
