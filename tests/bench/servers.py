"""The processes of a bench: the canned provider, the floor app, and the gateway as a user starts it."""

import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import psutil

ROOT = Path(__file__).parents[2]
READY_S = 60.0
STOP_S = 60.0
REST_S = 10.0
CONFIG = """\
model_list:
  - model_name: canned
    litellm_params:
      model: openai/canned
      api_base: {upstream}
      api_key: sk-upstream
      input_cost_per_token: 0.0000025
      output_cost_per_token: 0.00001
    model_info:
      max_output_tokens: 16384
"""
BUDGET: dict[str, object] = {"max_budget": 1_000_000, "budget_duration": "30d"}
AMPLE = BUDGET | {"rpm_limit": 100_000_000}
"""Limits that no call reaches, but that are checked for every call."""


def _cores() -> tuple[list[int], list[int]]:
    """The core of the server under test, and those of everything else; none where there is only one."""
    if not hasattr(os, "sched_getaffinity"):
        return [], []
    cores = sorted(os.sched_getaffinity(0))
    return (cores[:1], cores[1:]) if len(cores) > 1 else ([], [])


SERVER_CORES, LOAD_CORES = _cores()


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A server under test. `ready_s` is from its spawn to the first 200 on readiness."""

    name: str
    url: str
    key: str
    pid: int
    ready_s: float
    budgeted_key: str = ""
    """A key under a budget, in a team under a budget."""
    governed_key: str = ""
    """A key under limits as well, in a team under limits."""

    def cpu_s(self) -> "CpuSeconds":
        """CPU time so far, of all threads and of what they called in the kernel."""
        served, postgres = 0.0, 0.0
        root = psutil.Process(self.pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                if _is_postgres(process):
                    postgres += times.user + times.system
                else:
                    served += times.user + times.system
        return CpuSeconds(served=served, postgres=postgres)

    def rest(self) -> None:
        """Wait until what follows the calls is done, such as booking them."""
        ends_at, before = time.monotonic() + REST_S, self.cpu_s()
        while time.monotonic() < ends_at:
            time.sleep(0.5)
            now = self.cpu_s()
            if now.served - before.served < 0.02:
                return
            before = now

    def pin_postgres(self) -> None:
        """Move the embedded Postgres to the core of the load: it is measured apart."""
        for process in psutil.Process(self.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if LOAD_CORES and _is_postgres(process):
                    process.cpu_affinity(LOAD_CORES)

    def rss_mb(self) -> float:
        """Resident memory of the process and all below it but Postgres, in MB."""
        return sum(process.memory_info().rss for process in self._tree()) / 1e6

    def worker_rss_mb(self) -> float:
        """The resident memory of the largest process in MB. That is the worker, since there is only one."""
        return max(process.memory_info().rss for process in self._tree()) / 1e6

    def postgres_mb(self) -> float:
        """The memory of the embedded Postgres in MB, with each shared page counted once. 0: there is no
        embedded Postgres."""
        tree = psutil.Process(self.pid).children(recursive=True)
        return sum(process.memory_full_info().pss for process in tree if _is_postgres(process)) / 1e6

    def _tree(self) -> list[psutil.Process]:
        root = psutil.Process(self.pid)
        return [process for process in (root, *root.children(recursive=True)) if not _is_postgres(process)]


class CpuSeconds(NamedTuple):
    """CPU time of a tree of processes, Postgres apart."""

    served: float
    postgres: float


def pin_load() -> None:
    """Keep this process and what it starts off the server's core, where there are two."""
    if LOAD_CORES:
        psutil.Process().cpu_affinity(LOAD_CORES)


def _is_postgres(process: psutil.Process) -> bool:
    return process.name().startswith("postgres")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def canned() -> Iterator[str]:
    """Run the canned provider, and give its API base."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.canned"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.stdin.close()
        process.wait(STOP_S)


@contextmanager
def floor(upstream: str) -> Iterator[Running]:
    key = f"sk-{secrets.token_urlsafe(32)}"
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.floor", str(port), upstream, key]
    with _served("floor", command, port, key, dict(os.environ)) as running:
        yield running


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Another gateway, and how it is started and asked. It has to be told of the canned provider's address:
    `{upstream}` in its command stands for that, and its environment has it as OPENAI_BASE_URL."""

    command: str
    url: str
    """Without `/v1`: `http://127.0.0.1:8080`."""
    key: str
    ready: str
    """The path that answers 200 when it serves: `/health`."""


@contextmanager
def peer(wanted: Peer, upstream: str) -> Iterator[Running]:
    command = [word.replace("{upstream}", upstream) for word in shlex.split(wanted.command)]
    env = {**os.environ, "OPENAI_BASE_URL": upstream, "OPENAI_API_KEY": "sk-upstream"}
    ready_url = wanted.url + wanted.ready
    with _served("peer", command, 0, wanted.key, env, url=wanted.url, ready_url=ready_url) as running:
        yield running


@contextmanager
def gateway(upstream: str) -> Iterator[Running]:
    """One worker on a database that exists already, called with a virtual key."""
    with tempfile.TemporaryDirectory(prefix="switchgear-bench-") as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(CONFIG.format(upstream=upstream))
        master = f"sk-{secrets.token_urlsafe(32)}"
        env = {
            **os.environ,
            "SWITCHGEAR_MASTER_KEY": master,
            "SWITCHGEAR_DATA": str(Path(folder) / "data"),
        }
        with _gateway_process(config, master, env):
            pass  # the first start makes the database
        with _gateway_process(config, master, env) as running:
            keys = {
                "key": _virtual_key(running),
                "budgeted_key": _key_in_team(running, "budgeted", BUDGET, BUDGET),
                "governed_key": _key_in_team(running, "governed", AMPLE, AMPLE | {"tpm_limit": 10**12}),
            }
            yield msgspec.structs.replace(running, **keys)


@contextmanager
def _gateway_process(config: Path, master: str, env: dict[str, str]) -> Iterator[Running]:
    port = free_port()
    command = [sys.executable, "-m", "runtime", "serve", "--config", str(config)]
    command += ["--port", str(port), "--workers", "1"]
    with _served("gateway", command, port, master, env) as running:
        yield running


def _virtual_key(running: Running) -> str:
    return str(_made(running, "/key/generate", key_alias="bench", models=["canned"])["key"])


def _key_in_team(
    running: Running, team_id: str, of_team: Mapping[str, object], of_key: Mapping[str, object]
) -> str:
    _made(running, "/team/new", team_id=team_id, **of_team)
    return str(_made(running, "/key/generate", team_id=team_id, **of_key)["key"])


def _made(running: Running, path: str, **body: object) -> dict[str, object]:
    headers = {"authorization": f"Bearer {running.key}"}
    answer = httpx.post(running.url + path, json=body, headers=headers, timeout=10)
    answer.raise_for_status()
    made: dict[str, object] = answer.json()
    return made


@contextmanager
def _served(
    name: str,
    command: list[str],
    port: int,
    key: str,
    env: dict[str, str],
    *,
    url: str | None = None,
    ready_url: str | None = None,
) -> Iterator[Running]:
    """Run a server. Its log goes to a file, as under any supervisor, since writing the log is part of its
    work."""
    url = url or f"http://127.0.0.1:{port}"
    with tempfile.NamedTemporaryFile(prefix=f"bench-{name}-", suffix=".log") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=log, stderr=log, preexec_fn=_pin_server, start_new_session=True
        )
        try:
            _wait_until_ready(process, ready_url or f"{url}/health/readiness", Path(log.name))
            ready_s = time.perf_counter() - began
            running = Running(name=name, url=url, key=key, pid=process.pid, ready_s=ready_s)
            running.pin_postgres()
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _pin_server() -> None:
    if SERVER_CORES:
        os.sched_setaffinity(0, SERVER_CORES)


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    with httpx.Client(timeout=1.0) as client:
        ends_at = time.monotonic() + READY_S
        while time.monotonic() < ends_at:
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with status {process.returncode}:\n{_tail(log)}")
            try:
                if client.get(url).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.01)
    raise RuntimeError(f"{url} was not ready within {READY_S:g} s:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])[-4000:]
