"""An embedded Postgres that dies is started again, up to a limit."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from runtime.local.postgres import EmbeddedPostgres
from runtime.local.postgres_cluster import EmbeddedPostgresError
from runtime.local.postgres_watch import MOST_TRIES, STEADY_S, PostgresWatch
from tests.conftest import execute


class Dying:
    """A server that ends as often as it is started."""

    def __init__(self) -> None:
        self.runs = False
        self.possible = True
        self.started = 0

    def is_running(self) -> bool:
        return self.runs

    def start_again(self) -> bool:
        self.started += self.possible
        return self.possible


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def looked(watch: PostgresWatch, clock: Clock, seconds: float) -> None:
    for _ in range(int(seconds * 2)):
        clock.now += 0.5
        watch.look()


def test_it_is_tried_with_growing_pauses_and_not_for_ever(capfd: pytest.CaptureFixture[str]) -> None:
    server, clock = Dying(), Clock()
    watch = PostgresWatch(server, clock)
    looked(watch, clock, 1)
    assert server.started == 1
    looked(watch, clock, 1)
    assert server.started == 2
    looked(watch, clock, 1000)
    assert server.started == MOST_TRIES
    assert capfd.readouterr().err.count("gave up") == 1


def test_one_that_ran_for_a_while_has_all_its_tries_again() -> None:
    server, clock = Dying(), Clock()
    watch = PostgresWatch(server, clock)
    looked(watch, clock, 5)
    server.runs = True
    looked(watch, clock, 2 * STEADY_S)
    server.runs, server.started = False, 0
    looked(watch, clock, 1000)
    assert server.started == MOST_TRIES


def test_what_can_not_be_done_just_now_is_no_try() -> None:
    server, clock = Dying(), Clock()
    watch = PostgresWatch(server, clock)
    server.possible = False
    looked(watch, clock, 100)
    server.possible = True
    looked(watch, clock, 1)
    assert server.started == 1


@pytest.fixture
def server(tmp_path: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(tmp_path / "postgres")


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGQUIT, signal.SIGTERM])
@pytest.mark.parametrize("ours", [True, False], ids=["ours", "joined"])
def test_a_server_that_dies_is_there_again_with_its_data(
    server: EmbeddedPostgres, sign: signal.Signals, ours: bool
) -> None:
    """Also one that another process of ours had started."""
    try:
        dsn = server.start()
    except EmbeddedPostgresError as exc:
        pytest.skip(str(exc))
    other = EmbeddedPostgres(server.data_dir)
    watched = server if ours else other
    try:
        other.start()
        execute(dsn, "CREATE TABLE kept (n int)")
        postmaster = int((server.data_dir / "postmaster.pid").read_text().split()[0])
        with PostgresWatch(watched):
            os.kill(postmaster, sign)
            until_another(server.data_dir, postmaster)
        execute(other.start(), "INSERT INTO kept VALUES (1)")
    finally:
        other.stop()
        server.stop()
    ends_at = time.monotonic() + 10  # a process that has ended is seen for a moment longer
    while any(_stands_in(each, server.data_dir) for each in psutil.process_iter()):
        assert time.monotonic() < ends_at, "a process is left"
        time.sleep(0.1)


def until_another(data_dir: Path, before: int) -> None:
    file, ends_at = data_dir / "postmaster.pid", time.monotonic() + 30
    while time.monotonic() < ends_at:
        time.sleep(0.05)
        words = file.read_text().split() if file.exists() else []
        if words and words[0] != str(before) and words[-1] == "ready":
            return
    raise AssertionError("no other server came")


def _stands_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(folder)
    except psutil.Error:
        return False
