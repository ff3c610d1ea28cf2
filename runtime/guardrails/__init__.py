"""Guardrails: services that are asked about calls."""
