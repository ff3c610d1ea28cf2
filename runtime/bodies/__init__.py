"""The stored prompts and answers: how they are copied, redacted, written and read."""
