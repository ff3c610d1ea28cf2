"""The response cache: answers of providers, given again to the same request."""
