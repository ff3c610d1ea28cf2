"""Other people's clients, each in its own language and libraries: they are run, and not imported."""
