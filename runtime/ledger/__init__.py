"""The worker's side of the ledger: holds, endings, and the journal that keeps them."""
