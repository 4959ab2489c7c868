"""The tests: properties over random histories, stories with named examples, and a reference model of its own."""
