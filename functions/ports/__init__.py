"""What a function is given: contexts, and the ports in them, by family."""
