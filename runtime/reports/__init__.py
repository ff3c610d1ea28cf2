"""Reads of the ledger: rows by page, all rows for a file, and sums from the rollups."""
