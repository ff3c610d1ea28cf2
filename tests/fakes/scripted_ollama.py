"""An Ollama of a few endpoints in a thread, over real sockets. Several of them may share their files, as a
serving and a pulling one do.

    with scripted_ollama(files) as serving, scripted_ollama(files) as pulling: ...
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.in_thread import answering

GIB = 1024**3
INFO = {
    "general.architecture": "llama",
    "llama.block_count": 32,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
    "llama.embedding_length": 4096,
    "tokenizer.ggml.tokens": ["a"] * 10,
}
"""Of an 8B model: 128 KiB for each token of the context."""


class ScriptedOllama:
    """What it was asked, and what it has."""

    def __init__(self, files: dict[str, int]) -> None:
        self.files = files
        """Models with their sizes in bytes. Servers that share the dictionary share their files."""
        self.library: dict[str, int] = {}
        """Models that can be pulled, with their sizes."""
        self.loaded: dict[str, int] = {}
        """Models that are loaded, each with its context."""
        self.keeps_s = 300.0
        self.version = "0.12.3"
        self.asked: list[tuple[str, str, Any]] = []
        self.url = ""
        self.broken_pull = False
        self.endless = False
        """Whether a pull tells of steps, and of no size, until its reader leaves."""
        self.layer_pause_s = 0.0
        self.remote: set[str] = set()

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked]

    def said(self, path: str) -> list[Any]:
        return [body for _, asked, body in self.asked if asked == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: ScriptedOllama

    def _answer(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(size)
        body = json.loads(raw) if raw else None
        self.host.asked.append((self.command, self.path, body))
        if self.path == "/api/pull":
            self._pull(body)
            return
        status, told = self._told(body)
        self._send(status, told)

    do_GET = do_POST = do_DELETE = _answer

    def _told(self, body: Any) -> tuple[int, Any]:
        host = self.host
        name = _tagged(body["model"]) if body and "model" in body else ""
        if name and name not in host.files:
            return 404, {"error": f"model '{name}' not found"}
        match self.path:
            case "/api/version":
                return 200, {"version": host.version}
            case "/api/tags":
                return 200, {"models": [self._file(each) for each in host.files]}
            case "/api/ps":
                ends = (datetime.now(UTC) + timedelta(seconds=host.keeps_s)).isoformat() + "123"
                ends = ends.replace("+00:00123", "123+00:00")
                return 200, {
                    "models": [
                        {**self._file(each), "context_length": context, "expires_at": ends, "size_vram": 5}
                        for each, context in host.loaded.items()
                    ]
                }
            case "/api/show":
                told: dict[str, Any] = {"model_info": INFO, "capabilities": ["completion"], "details": {}}
                return 200, told | ({"remote_host": "https://ollama.com"} if name in host.remote else {})
            case "/api/generate":
                if body.get("keep_alive") == 0:
                    host.loaded.pop(name, None)
                else:
                    host.loaded[name] = body["options"]["num_ctx"]
                return 200, {"done": True}
            case "/api/chat":
                host.loaded.setdefault(name, body.get("options", {}).get("num_ctx", 4096))
                answer = {"role": "assistant", "content": "Hello from " + name}
                done = {"done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2}
                return 200, {"model": name, "created_at": "2026-11-30T00:00:00Z", "message": answer} | done
            case "/api/delete":
                del host.files[name]
                return 200, {}
        return 404, {"error": "not found"}

    def _file(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = {"name": name, "model": name, "size": self.host.files[name]}
        return told | ({"remote_host": "https://ollama.com"} if name in self.host.remote else {})

    def _pull(self, body: Any) -> None:
        host, name = self.host, _tagged(body["model"])
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        self._line({"status": "pulling manifest"})
        if name not in host.library:
            self._line({"error": "pull model manifest: file does not exist"})
            return
        while host.endless:
            try:
                self._line({"status": "pulling manifest"})
            except OSError:
                return
        size = host.library[name]
        for done in (0, size // 2, size):
            self._line({"status": "pulling aabb", "digest": "sha256:aabb", "total": size, "completed": done})
            time.sleep(host.layer_pause_s)
            if host.broken_pull and done:
                return
        self._line({"status": "pulling ccdd", "digest": "sha256:ccdd", "total": 500, "completed": 500})
        host.files[name] = size
        self._line({"status": "success"})

    def _line(self, told: Any) -> None:
        self.wfile.write(json.dumps(told).encode() + b"\n")
        self.wfile.flush()

    def _send(self, status: int, told: Any) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """It says nothing."""


@contextmanager
def scripted_ollama(files: dict[str, int] | None = None) -> Iterator[ScriptedOllama]:
    host = ScriptedOllama({} if files is None else files)
    handler = type("Handler", (_Handler,), {"host": host})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    host.url = f"http://127.0.0.1:{server.server_port}"
    with answering(server):
        yield host


def _tagged(model: str) -> str:
    return model if ":" in model else model + ":latest"
