"""Packs: a ledger in one zip that an auditor takes home, verifies without this library, and restores."""
