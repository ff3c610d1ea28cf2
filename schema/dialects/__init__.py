"""Providers' own wire formats: what the gateway sends them, and what it reads of their answers."""
