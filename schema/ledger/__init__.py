"""The ledger's records: what a worker's journal holds, the rows, and their sums."""
