"""Reads of the ledger: its rows by page and as a file, and sums out of the rollups."""
