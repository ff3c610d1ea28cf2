"""What the gateway does: one endpoint family a file, plain async functions of (request, ctx)."""
