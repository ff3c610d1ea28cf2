"""The gateway as its user starts it: a process, a port, a log file, a database."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import msgspec
import psutil

ROOT = Path(__file__).parents[2]
MASTER_KEY = "sk-master-key-of-the-end-to-end-tests"
READY_S = 60.0
STOP_S = 60.0
POLL_S = 0.02
SWITCHGEAR = (sys.executable, "-m", "runtime")
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
"""The only variables of the machine's environment that a gateway gets: a key in the others would change what
a test finds."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a spend row that tests look at. `spend` is the exact dollars, as text."""

    request_id: str
    litellm_call_id: str
    call_type: str
    api_key: str
    key_alias: str | None
    model_group: str
    model: str
    outcome: str
    status: str
    http_status: int
    error_class: str | None
    error_message: str | None
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    streamed: bool
    spend: str
    ttft_ms: int | None
    request_duration_ms: int


ROWS = f"""
    SELECT {", ".join(f"{name}::text" if name == "spend" else name for name in Row.__struct_fields__)}
    FROM "LiteLLM_SpendLogs" WHERE $1::text IS NULL OR litellm_call_id = $1 ORDER BY "startTime"
"""


class Process:
    """A command of ours under way, with its output in `log_path`. It leads a process group of its own.
    `program` runs the command: Python's `-m runtime`, or `just`."""

    def __init__(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        log_path: Path,
        *,
        program: Sequence[str] = SWITCHGEAR,
    ) -> None:
        self.log_path = log_path
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [*program, *arguments],
                cwd=ROOT,
                env=clean_environment(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def family(self) -> list[psutil.Process]:
        """The process and all below it."""
        root = psutil.Process(self.pid)
        return [root, *root.children(recursive=True)]

    def workers(self) -> list[psutil.Process]:
        """The workers of granian, which are forks of the process that they serve for."""
        return [child for child in psutil.Process(self.pid).children() if _is_worker(child)]

    def bookkeeper(self) -> psutil.Process:
        (found,) = (child for child in psutil.Process(self.pid).children() if child.name() == "books")
        return found

    def rss_mb(self) -> float:
        return sum(process.memory_info().rss for process in self.workers()) / 1e6

    def send(self, sign: signal.Signals) -> None:
        self._process.send_signal(sign)

    def wait(self, timeout_s: float = STOP_S) -> int:
        """Wait for the process to end, and give its exit code. Raises subprocess.TimeoutExpired."""
        return self._process.wait(timeout_s)

    def stop(self, sign: signal.Signals = signal.SIGTERM, *, to_group: bool = False) -> int:
        """Ask the process to end, check that nothing of it is left, and give its exit code."""
        family = self.family() if self.exit_code is None else []
        if to_group and self.exit_code is None:
            os.killpg(self.pid, sign)
        else:
            self.send(sign)
        code = self.wait()
        _, left = psutil.wait_procs(family, timeout=5.0)
        assert left == [], f"left behind: {left}\n{self.log()[-4000:]}"
        return code

    def kill_all(self) -> None:
        """Kill whatever is left after a test that failed half-way."""
        with suppress(psutil.Error):
            for process in reversed(self.family()):
                with suppress(psutil.Error):
                    process.kill()
        self._process.wait(STOP_S)


class Gateway:
    """A serving gateway. `url` is without a path, `key` the master key."""

    def __init__(self, process: Process, *, url: str, key: str, dsn: str) -> None:
        self.process = process
        self.url = url
        self.key = key
        self.dsn = dsn

    def get(self, path: str, *, key: str | None = None) -> httpx.Response:
        return httpx.get(self.url + path, headers={"authorization": f"Bearer {key or self.key}"}, timeout=30)

    def post(self, path: str, *, key: str | None = None, **fields: object) -> httpx.Response:
        headers = {"authorization": f"Bearer {key or self.key}"}
        return httpx.post(self.url + path, json=fields, headers=headers, timeout=60)

    def virtual_key(self, alias: str, **fields: object) -> str:
        answer = self.post("/key/generate", key=self.key, key_alias=alias, **fields)
        assert answer.status_code == 200, answer.text
        key: str = answer.json()["key"]
        return key

    def rows(self, call_id: str | None = None, *, count: int = 1, timeout_s: float = 15.0) -> list[Row]:
        """The rows of one call, by the id that its client gave it, or all rows. Waits until there are
        `count`."""
        found = asyncio.run(_rows(self.dsn, call_id, count, timeout_s))
        assert len(found) >= count, f"{count} spend rows of {call_id} did not come within {timeout_s:g} s"
        return found

    def row(self, call_id: str) -> Row:
        """The one row of a call."""
        (row,) = self.rows(call_id)
        return row


async def _rows(dsn: str, call_id: str | None, count: int, timeout_s: float) -> list[Row]:
    """The rows of a call, when there are `count`, or those that are there after the time. One connection asks
    all the while."""
    ends_at = time.monotonic() + timeout_s
    connection = await asyncpg.connect(dsn)
    try:
        while True:
            found = [msgspec.convert(dict(row), Row) for row in await connection.fetch(ROWS, call_id)]
            if len(found) >= count or time.monotonic() > ends_at:
                return found
            await asyncio.sleep(POLL_S)
    finally:
        await connection.close()


async def query(dsn: str, sql: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
        return rows
    finally:
        await connection.close()


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ} | dict(more)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def until(
    condition: Callable[[], bool], timeout_s: float = 30.0, *, what: str = "it", pause_s: float = POLL_S
) -> None:
    """Wait until something is true that nothing announces. Fails the test if it does not come true."""
    ends_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_at, f"{what} did not come within {timeout_s:g} s"
        time.sleep(pause_s)


def early_in_a_minute(needed_s: float) -> None:
    """Wait for the next minute of the clock where less is left of this one: limits count by such minutes."""
    left_s = 60 - time.time() % 60
    if left_s < needed_s:
        time.sleep(left_s + 0.1)


def status_of(url: str) -> int:
    """The status of a GET. 0: nobody answers."""
    parts = urlsplit(url)
    try:
        # a client of httpx for each look at a server that starts would take part of its time
        socket.create_connection((parts.hostname or "", parts.port or 443), timeout=5.0).close()
    except OSError:
        return 0
    try:
        return httpx.get(url, timeout=5.0).status_code
    except httpx.TransportError:
        return 0


def launch(
    arguments: Sequence[str], env: Mapping[str, str], log_path: Path, *, url: str, program: Sequence[str]
) -> Process:
    """Start a command that serves, and wait until it is ready."""
    process = Process(arguments, env, log_path, program=program)
    try:
        until(
            lambda: process.exit_code is not None or status_of(f"{url}/health/readiness") == 200,
            READY_S,
            what="readiness",
        )
        assert process.exit_code is None, f"ended with {process.exit_code}:\n{process.log()[-4000:]}"
    except BaseException:
        process.kill_all()
        raise
    return process


@contextmanager
def serving(
    folder: Path,
    config: object,
    dsn: str,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    port: int | None = None,
    program: Sequence[str] = SWITCHGEAR,
) -> Iterator[Gateway]:
    """Run `serve` on a free port with a config. At the end SIGTERM stops it, and it must exit with 0 and
    leave nothing."""
    port = port or free_port()
    url, folder = f"http://127.0.0.1:{port}", folder.resolve()
    config_path = folder / f"config-{port}.yaml"
    config_path.write_bytes(msgspec.json.encode(config))  # JSON is YAML
    whole_env = {
        "DATABASE_URL": dsn,
        "SWITCHGEAR_MASTER_KEY": MASTER_KEY,
        "SWITCHGEAR_DATA": str(folder / "data"),
        **(env or {}),
    }
    command = ["serve", "--config", str(config_path), "--port", str(port), *arguments]
    process = launch(command, whole_env, folder / f"gateway-{port}.log", url=url, program=program)
    try:
        yield Gateway(process, url=url, key=MASTER_KEY, dsn=dsn)
        if process.exit_code is None:
            assert process.stop() == 0, process.log()[-4000:]
    except BaseException:
        process.kill_all()
        raise


def _is_worker(child: psutil.Process) -> bool:
    """Whether a process is a worker. A fork has its parent's command line, and a spawned process has that of
    multiprocessing. The bookkeeper's and the checks' processes have names of their own."""
    try:
        if child.name() in ("books", "checks"):
            return False
        words = child.cmdline()
    except psutil.Error:  # it is gone, or nearly
        return False
    return not {"runtime", "tests.e2e.faulty"}.isdisjoint(words) or any(
        "multiprocessing.spawn" in word for word in words
    )
