"""The examination of a ledger: its streams part by part, each event checked and each outcome derived again."""
