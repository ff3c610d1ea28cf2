"""The embedded Postgres starts, stops, and survives what happens on people's machines."""

import asyncio
import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
import psutil
import pytest

from runtime.local.postgres import EmbeddedPostgres
from runtime.local.postgres_cluster import EmbeddedPostgresError, ensure_cluster, owner

ROOT = Path(__file__).parents[3]

USE = """
import sys
from pathlib import Path
from runtime.local.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
print(server.start(), flush=True)
sys.stdin.read()
server.stop()
"""


def query(dsn: str, sql: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(run())


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "postmaster.pid").read_text().split()[0])


def stays(pid: int) -> bool:
    """Whether a process runs on. One that has said its last word is seen for a moment longer."""
    ends_at = time.monotonic() + 10
    while running(pid) and time.monotonic() < ends_at:
        time.sleep(0.05)
    return running(pid)


def running(pid: int) -> bool:
    """False for a zombie too: a container's first process may not reap what it inherits."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_family(process: psutil.Process) -> None:
    """Each is stopped before its children are counted: `initdb` starts one after the other."""
    with suppress(psutil.NoSuchProcess):
        process.suspend()
        for child in process.children():
            kill_family(child)
        process.kill()


def user_process(data_dir: Path) -> "subprocess.Popen[str]":
    """Another process that uses the server until its stdin is closed."""
    return subprocess.Popen(
        [sys.executable, "-c", USE, str(data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="switchgear-tests-") as folder:
        path = Path(folder) / "postgres"
        yield path
        EmbeddedPostgres(path).stop()
        assert not (path / "postmaster.pid").exists(), "a test left its Postgres running"


def test_it_starts_answers_stops_and_keeps_what_was_written(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    dsn = server.start()
    assert str(query(dsn, "SHOW server_version")).startswith("18")
    query(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    pid = postmaster_pid(data_dir)
    server.stop()
    assert not stays(pid)
    server.stop()
    assert server.start() == dsn
    assert query(dsn, "SELECT answer FROM kept") == 42
    server.stop()


def test_only_its_owner_gets_in(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    dsn = server.start()
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert query(dsn, "SHOW listen_addresses") == ""
    process = psutil.Process(postmaster_pid(data_dir))
    assert process.uids().effective != 0
    assert not [found for found in process.net_connections() if found.family.name != "AF_UNIX"]
    server.stop()


def test_the_gateways_secrets_are_not_in_its_environment(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWITCHGEAR_MASTER_KEY", "sk-not-for-postgres")
    server = EmbeddedPostgres(data_dir)
    server.start()
    assert "sk-not-for-postgres" not in psutil.Process(postmaster_pid(data_dir)).environ().values()
    server.stop()


def test_a_terminals_interrupt_does_not_reach_it(data_dir: Path) -> None:
    user = user_process(data_dir)
    assert user.stdout is not None
    user.stdout.readline()
    pid = postmaster_pid(data_dir)
    assert os.getsid(pid) != os.getsid(user.pid)
    assert os.getpgid(pid) == pid
    user.communicate("")
    assert not stays(pid)


def test_users_share_one_server_and_the_last_one_stops_it(data_dir: Path) -> None:
    users = [user_process(data_dir) for _ in range(3)]
    answers = {user.stdout.readline().strip() for user in users if user.stdout is not None}
    (dsn,) = answers
    for user in users[:2]:
        user.communicate("")
        assert user.returncode == 0
        assert query(dsn, "SELECT 1") == 1
    pid = postmaster_pid(data_dir)
    users[2].communicate("")
    assert not stays(pid)


def test_a_server_orphaned_by_kill_9_is_adopted_and_then_stopped(data_dir: Path) -> None:
    user = user_process(data_dir)
    assert user.stdout is not None
    dsn = user.stdout.readline().strip()
    pid = postmaster_pid(data_dir)
    user.kill()
    user.communicate()
    server = EmbeddedPostgres(data_dir)
    assert server.start() == dsn
    assert postmaster_pid(data_dir) == pid
    assert query(dsn, "SELECT 1") == 1
    server.stop()
    assert not stays(pid)


def test_a_crashed_server_is_started_again(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    dsn = server.start()
    query(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(postmaster_pid(data_dir), signal.SIGKILL)
    server.stop()
    assert (data_dir / "postmaster.pid").exists()
    assert server.start() == dsn
    assert query(dsn, "SELECT answer FROM kept") == 42
    server.stop()


def test_a_stale_pid_that_is_another_program_by_now_is_not_taken_for_postgres(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    pid_file = data_dir / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    server.stop()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        pid_file.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        dsn = server.start()
        assert postmaster_pid(data_dir) != bystander.pid
        assert query(dsn, "SELECT 1") == 1
        server.stop()
        assert bystander.poll() is None
        bystander.kill()


def test_a_path_too_long_for_a_socket_works_and_stays_private() -> None:
    with tempfile.TemporaryDirectory(prefix="switchgear-tests-") as folder:
        data_dir = Path(folder) / ("long" * 20) / "with 'quotes\" and spaces" / "postgres"
        server = EmbeddedPostgres(data_dir)
        dsn = server.start()
        assert query(dsn, "SELECT 1") == 1
        socket_dir = Path(dsn.partition("host=")[2])
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
        server.stop()
        assert server.start() == dsn
        server.stop()
        socket_dir.rmdir()


def test_a_path_with_quotes_and_spaces_works(data_dir: Path) -> None:
    odd = data_dir.with_name('o"d, $d 100%')
    server = EmbeddedPostgres(odd)
    dsn = server.start()
    assert query(dsn, "SELECT 1") == 1
    server.stop()
    Path(dsn.partition("host=")[2]).rmdir()


def test_an_initialisation_that_was_killed_is_begun_again(data_dir: Path) -> None:
    user = user_process(data_dir)
    deadline = time.monotonic() + 30
    while not list(data_dir.parent.glob("postgres*/PG_VERSION")):
        assert time.monotonic() < deadline
    kill_family(psutil.Process(user.pid))
    user.communicate()
    assert list(data_dir.parent.glob("postgres*/PG_VERSION")), "killed too late to show anything"
    server = EmbeddedPostgres(data_dir)
    assert query(server.start(), "SELECT 1") == 1
    server.stop()
    assert not list(data_dir.parent.glob("postgres.new-*"))


def test_data_of_another_version_is_refused_by_name(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match="Postgres 16"):
        EmbeddedPostgres(data_dir).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become someone else")
def test_an_unprivileged_user_runs_it_and_root_joins_in() -> None:
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="switchgear-tests-") as folder:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        data_dir = Path(folder) / "postgres"
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:  # forked and not run anew: nobody may have no way to the interpreter
            _use_as(nobody.pw_uid, nobody.pw_gid, data_dir, tell)
        os.close(tell)
        with open(told) as pipe:
            dsn = pipe.readline().strip()
        assert psutil.Process(postmaster_pid(data_dir)).uids().real == nobody.pw_uid
        server = EmbeddedPostgres(data_dir)
        assert server.start() == dsn
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert query(dsn, "SELECT 1") == 1
        server.stop()
        assert server.start() == dsn
        assert psutil.Process(postmaster_pid(data_dir)).uids().real == nobody.pw_uid
        server.stop()


def _use_as(uid: int, gid: int, data_dir: Path, tell: int) -> NoReturn:
    """In a forked child: become that user, start the server, say its DSN, wait to be killed."""
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        os.write(tell, f"{EmbeddedPostgres(data_dir).start()}\n".encode())
        signal.pause()
    finally:
        os._exit(1)


def test_a_signal_that_comes_while_postgres_is_launched_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `serve` is asked to end between the fork and our knowing of it."""
    launched: list[subprocess.Popen[bytes]] = []

    def popen(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        made: subprocess.Popen[bytes] = real(*args, **kwargs)
        launched.append(made)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)  # where a handler that need not wait would run
        return made

    def leave(sign: int, frame: object) -> None:
        raise SystemExit(0)

    real, before = subprocess.Popen, signal.signal(signal.SIGTERM, leave)
    server = EmbeddedPostgres(tmp_path / "postgres")
    ensure_cluster(server.data_dir, owner(server.data_dir))
    monkeypatch.setattr("runtime.local.postgres.subprocess.Popen", popen)
    try:
        with pytest.raises(SystemExit):
            server.start()
    finally:
        signal.signal(signal.SIGTERM, before)
    (child,) = launched
    assert child.poll() is not None
