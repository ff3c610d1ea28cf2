"""Counts of several processes, dead and alive, together."""

import asyncio
import os
from pathlib import Path

import pytest

from runtime.telemetry.snapshots import GONE, Snapshots, fold
from runtime.telemetry.tally import Gauges, Tally


def counting(number: int) -> Tally:
    tally = Tally((), lambda: Gauges(calls_under_way=number))
    for _ in range(number):
        tally.request("chat", 200, 1.0)
    return tally


def requests_in(snapshots: Snapshots) -> int:
    counted, _ = snapshots.together()
    return sum(each.number for each in counted.requests)


def die(snapshots: Snapshots) -> None:
    """As a killed process does: the kernel lets go of its lock."""
    os.close(snapshots._lock)


def test_workers_are_added_up_and_gauges_are_those_of_the_living(tmp_path: Path) -> None:
    one, other = Snapshots(tmp_path, counting(2)), Snapshots(tmp_path, counting(3))
    other._write(gauges=other._tally.gauges())
    assert requests_in(one) == 5
    assert sum(each.calls_under_way for each in one.together()[1]) == 5
    die(other)
    assert requests_in(one) == 5
    assert [each.calls_under_way for each in one.together()[1]] == [2]


def test_what_the_dead_counted_stays_and_their_files_do_not(tmp_path: Path) -> None:
    asking = Snapshots(tmp_path, counting(1))
    for number in (10, 100):
        dead = Snapshots(tmp_path, counting(number))
        dead._write(gauges=None)
        die(dead)
        assert requests_in(asking) == 1 + (10 if number == 10 else 110)
        fold(tmp_path)
        fold(tmp_path)
        assert requests_in(asking) == 1 + (10 if number == 10 else 110)
    assert {path.name for path in tmp_path.iterdir()} == {GONE, f"{GONE}.lock", f"{asking._name}.lock"}


def test_a_reader_between_two_steps_of_folding_sees_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking, dead = Snapshots(tmp_path, counting(1)), Snapshots(tmp_path, counting(10))
    dead._write(gauges=None)
    die(dead)
    seen = []
    remove = Path.unlink

    def watched(path: Path, missing_ok: bool = False) -> None:
        seen.append(requests_in(asking))
        remove(path, missing_ok=missing_ok)
        seen.append(requests_in(asking))

    monkeypatch.setattr(Path, "unlink", watched)
    fold(tmp_path)
    assert seen == [11] * 4


def test_a_fold_that_was_cut_off_is_not_added_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking, dead = Snapshots(tmp_path, counting(1)), Snapshots(tmp_path, counting(10))
    dead._write(gauges=None)
    die(dead)

    def killed(path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        fold(tmp_path)
    monkeypatch.undo()
    fold(tmp_path)
    assert requests_in(asking) == 11


def test_a_file_that_can_not_be_read_counts_nothing(tmp_path: Path) -> None:
    asking, other = Snapshots(tmp_path, counting(1)), Snapshots(tmp_path, counting(1))
    (tmp_path / other._name).write_bytes(b"\x00garbage")
    assert requests_in(asking) == 1


def test_a_worker_writes_once_a_second_and_when_it_ends(tmp_path: Path) -> None:
    async def run() -> None:
        snapshots = Snapshots(tmp_path, counting(3))
        snapshots.start()
        await snapshots.close()

    asyncio.run(run())
    assert requests_in(Snapshots(tmp_path, counting(0))) == 3
