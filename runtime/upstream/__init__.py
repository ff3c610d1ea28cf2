"""The way out to model providers."""
