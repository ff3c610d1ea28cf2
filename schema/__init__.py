"""The vocabulary: wire formats, errors, records and tables. Imports nothing of ours above it."""
