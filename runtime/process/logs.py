"""The log: one JSON line for each event, on stderr.

While an event loop runs, the lines of a tenth of a second are written together. One system call for each
request would let granian's threads take the interpreter in the middle of every request.
"""

import asyncio
import logging
import sys
from typing import BinaryIO

import msgspec
import structlog

FLUSH_S = 0.1
MAX_BUFFERED_BYTES = 64 * 1024


class LineBuffer:
    """The buffer that structlog writes lines to. Each process has one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def msg(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._size > MAX_BUFFERED_BYTES:
            self.flush()
        elif self._timer is None:
            try:
                self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
            except RuntimeError:  # no event loop runs: this is a command, or the process is ending
                self.flush()

    debug = info = warning = error = critical = msg

    def flush(self) -> None:
        """Write the lines that wait. Lines that can't be written are lost, and raise nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines, self._size = self._lines, [], 0
        if lines:
            try:
                self._file.write(b"\n".join(lines) + b"\n")
                self._file.flush()
            except OSError:
                pass


def set_up_logs() -> LineBuffer:
    """Set up the logs of a process, once, before anything is logged. The result must be flushed before the
    process ends. The standard library's loggers write JSON lines to stderr too."""
    buffer = LineBuffer(sys.stderr.buffer)
    shared: list[structlog.types.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=lambda event, **_: msgspec.json.encode(event)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: buffer,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    return buffer
