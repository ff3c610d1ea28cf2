"""A server of the standard library that answers from a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

POLL_S = 0.02
"""How often it looks whether it is to stop. The default is twice a second, for which each test would wait."""


@contextmanager
def answering(server: ThreadingHTTPServer) -> Iterator[None]:
    """The server answers until the block ends. It is closed then."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
