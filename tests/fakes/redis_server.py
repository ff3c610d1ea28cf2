"""A real Redis of the tests' own, on this machine."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from models_registry.config.redis_place import RedisPlace
from schema.secret import Secret
from tests.fakes.hostile_upstream import closed_port

READY_S = 60.0


@contextmanager
def running_redis(
    folder: Path, password: Secret | None
) -> Iterator[tuple[RedisPlace, "subprocess.Popen[bytes]"]]:
    """Where it stands, and its process. The test is skipped where no Redis is installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    place = RedisPlace(host="127.0.0.1", port=closed_port(), password=password)
    process = _started(program, place, folder)
    try:
        yield place, process
    finally:
        process.kill()
        process.wait()


def _started(program: str, place: RedisPlace, folder: Path) -> "subprocess.Popen[bytes]":
    """Start a Redis, and wait until it takes connections."""
    options = {"port": place.port, "bind": place.host, "save": "", "appendonly": "no", "dir": folder}
    if place.password is not None:
        options["requirepass"] = place.password.reveal()
    given = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    process = subprocess.Popen([program, *given], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until_mono = time.monotonic() + READY_S
    while time.monotonic() < until_mono and process.poll() is None:
        with suppress(OSError), socket.create_connection((place.host, place.port), timeout=1):
            return process
        time.sleep(0.02)
    process.kill()
    raise AssertionError("redis-server did not start")
