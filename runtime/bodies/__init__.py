"""Prompts and answers that are kept: copied, redacted, written, read."""
