"""Gateways that are killed, starved and kept waiting. They cost minutes of both cores, and run in the system
lane."""
