"""How much a worker takes in at once: bodies of requests, their decoding, searches."""
