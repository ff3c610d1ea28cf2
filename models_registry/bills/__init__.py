"""A provider's bill beside the ledger: read, matched, and the likely causes of what differs."""
