"""A process and its machine: its parent, locks, logs and memory."""
