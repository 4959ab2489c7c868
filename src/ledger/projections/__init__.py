"""Projections: what the events come to, for reading: overdue list, balances, portfolio, statement."""
