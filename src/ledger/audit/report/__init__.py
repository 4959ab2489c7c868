"""The report for people: one self-contained page of a ledger on a date, each number linked to the rows behind it."""
