"""The child process of `runtime/local/model.py`: a llama.cpp server that ends with its parent.

The child reads one JSON line (`ModelSettings`) from stdin, so that the key is in no argument list. It writes
one JSON line (`Started` or `Failed`) to stdout, and serves until stdin ends. What llama.cpp prints goes to
the log file. On Linux the kernel kills the child when its parent ends, also by `kill -9`. On other systems
the end of stdin ends it.
"""

import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from runtime.process.parent import end_with_parent

TEMPLATE = Path(__file__).with_name("model.jinja")
MAX_ANSWER_TOKENS = 1024
"""The limit for a call without one: such a small model may never end its answer."""


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the server. Where `log_path` is None, its output is dropped."""

    model_path: str
    alias: str
    key: str
    context_tokens: int
    slots: int
    threads: int
    log_path: str | None = None


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    url: str


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    reason: str


Report = Started | Failed


def keep_quiet(log_path: str | None) -> BinaryIO:
    """Send stdout and stderr to the log, also those of C code. Gives the real stdout, for the report."""
    report = os.fdopen(os.dup(1), "wb")
    log = os.open(log_path or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    return report


def start_server(settings: ModelSettings) -> tuple[object, Report]:
    """Load the model and listen on a free port. Gives the server and the report. The server runs as long as
    its object lives."""
    try:
        import xllamacpp
    except ImportError as exc:
        return None, Failed(reason=f"xllamacpp can't be imported: {exc}")
    params = xllamacpp.CommonParams()
    params.model.path = settings.model_path
    params.model_alias = {settings.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [settings.key]
    params.chat_template = TEMPLATE.read_text()
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    params.n_ctx = settings.context_tokens
    params.n_predict = MAX_ANSWER_TOKENS
    params.n_parallel = settings.slots
    params.kv_unified = True  # slots share the context window, so that one call can use all of it
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.cache_ram_mib = 0  # no cache of old prompts beside the slots; the default is 8 GiB
    params.fit_params = False  # the sizes are given here; fitting them would load the model twice
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1
    try:
        server = xllamacpp.Server(params)
    except (RuntimeError, ValueError, OSError) as exc:
        return None, Failed(reason=f"llama.cpp could not load {Path(settings.model_path).name}: {exc}")
    return server, Started(url=server.listening_address)


def main() -> None:
    end_with_parent(int(sys.argv[1]), signal.SIGKILL)
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=ModelSettings)
    report = keep_quiet(settings.log_path)
    server, said = start_server(settings)
    report.write(msgspec.json.encode(said) + b"\n")
    report.close()
    if isinstance(said, Started):
        while sys.stdin.buffer.read(65536):
            pass
    # An exit in the usual way would wait for the clients of llama.cpp.
    os._exit(0 if server is not None else 1)


if __name__ == "__main__":
    main()
