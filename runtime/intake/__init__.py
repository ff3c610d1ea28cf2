"""How much a worker takes in at once: bodies of requests, the decoding of bodies, searches."""
