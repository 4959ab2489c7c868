"""The tests: properties over random histories, stories with named examples, the model in `ledger.audit.verify`."""
