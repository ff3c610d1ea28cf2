"""The most that a call can use, judged from its request alone."""
