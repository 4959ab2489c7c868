"""Books: folders of CSV files with plans, payments, reversals, cancellations, reinstatements and partners."""
