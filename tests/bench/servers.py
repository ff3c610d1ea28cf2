"""The processes of a bench: the canned provider, the floor app, and the gateway as a user starts it."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import psutil

ROOT = Path(__file__).parents[2]
READY_S = 60.0
STOP_S = 60.0
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
def _served(name: str, command: list[str], port: int, key: str, env: dict[str, str]) -> Iterator[Running]:
    """Run a server. Its log goes to a file, as under any supervisor, since writing the log is part of its
    work."""
    url = f"http://127.0.0.1:{port}"
    with tempfile.NamedTemporaryFile(prefix=f"bench-{name}-", suffix=".log") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
        try:
            _wait_until_ready(process, url, Path(log.name))
            ready_s = time.perf_counter() - began
            yield Running(name=name, url=url, key=key, pid=process.pid, ready_s=ready_s)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    with httpx.Client(timeout=1.0) as client:
        ends_at = time.monotonic() + READY_S
        while time.monotonic() < ends_at:
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with status {process.returncode}:\n{_tail(log)}")
            try:
                if client.get(f"{url}/health/readiness").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.01)
    raise RuntimeError(f"{url} was not ready within {READY_S:g} s:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])[-4000:]
