"""What proves to a provider who calls, where that is no fixed key: signatures and tokens."""
