"""A provider's bill beside the ledger: it is read and matched, and each difference gets its likely causes."""
