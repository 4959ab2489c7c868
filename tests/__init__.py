"""The tests: properties over random histories, stories with named examples, and a referee of its own."""
