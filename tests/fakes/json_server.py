"""A small HTTP server in a thread, for what is asked over httpx: tokens, keys and metadata."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from tests.fakes.in_thread import answering


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    """Lower-case names."""
    body: bytes


Answers = Callable[[Asked], tuple[int, bytes]]


class JsonServer:
    """What it was asked, in order."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []


@contextmanager
def json_server(answers: Answers) -> Iterator[JsonServer]:
    """`answers` gives the status and the body."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(size))
            found.asked.append(asked)
            status, body = answers(asked)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, *_: object) -> None:
            """It says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = JsonServer(f"http://127.0.0.1:{server.server_port}")
    with answering(server):
        yield found
