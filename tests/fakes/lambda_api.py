"""The Runtime API of AWS Lambda, as its own runtime clients speak to it:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import queue
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.in_thread import answering

WAIT_S = 60.0


class LambdaApi:
    """Hands events to the one process that asks for them, and takes its answers. `address` is what
    `AWS_LAMBDA_RUNTIME_API` names."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self.events: queue.Queue[tuple[str, int, object] | None] = queue.Queue()
        self.answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        """The end of the path that an answer came by (`response` or `error`), and the answer."""

    def begin(self, event: object, *, time_s: float = WAIT_S) -> None:
        """Give an event to the function."""
        self.events.put((str(uuid.uuid4()), int((time.time() + time_s) * 1000), event))

    def call(self, event: object, *, time_s: float = WAIT_S) -> Any:
        """Give an event to the function, and wait for its answer. `time_s` is the function's time for it."""
        self.begin(event, time_s=time_s)
        kind, answer = self.answers.get(timeout=WAIT_S)
        assert kind == "response", answer
        return answer


@contextmanager
def lambda_api() -> Iterator[LambdaApi]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.path == "/2018-06-01/runtime/invocation/next", self.path
            found = api.events.get()
            if found is None:  # it is over
                self.close_connection = True
                return
            request_id, deadline_ms, event = found
            headers = {
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:function:x",
            }
            self._send(200, json.dumps(event).encode(), headers)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            api.answers.put((self.path.rpartition("/")[2], json.loads(body)))
            self._send(202, b"{}", {})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle(self) -> None:
            with suppress(ConnectionError):  # a function that is killed
                super().handle()

        def log_message(self, *_: object) -> None:
            """It says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api = LambdaApi(server.server_port)
    with answering(server):
        try:
            yield api
        finally:
            api.events.put(None)
