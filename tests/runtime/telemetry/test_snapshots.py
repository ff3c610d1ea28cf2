"""Counts of several processes, dead and alive, put together."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from runtime.telemetry import snapshots
from runtime.telemetry.snapshots import GONE, Snapshots, fold
from runtime.telemetry.tally import Gauges, Tally


def counting(number: int) -> Tally:
    tally = Tally((), lambda: Gauges(calls_under_way=number))
    for _ in range(number):
        tally.request("chat", 200, 1.0)
    return tally


def requests_in(asked: Snapshots) -> int:
    written, _ = asyncio.run(asked.together())
    return sum(each.number for counted in written for each in counted.requests)


def die(killed: Snapshots) -> None:
    """As a killed process does: the kernel lets go of its lock."""
    os.close(killed._lock)


def test_workers_are_added_up_and_gauges_are_those_of_the_living(tmp_path: Path) -> None:
    one, other = Snapshots(tmp_path, counting(2)), Snapshots(tmp_path, counting(3))
    other._write(gauges=other._tally.gauges())
    assert requests_in(one) == 5
    assert sum(each.calls_under_way for each in asyncio.run(one.together())[1]) == 5
    die(other)
    assert requests_in(one) == 5
    assert [each.calls_under_way for each in asyncio.run(one.together())[1]] == [2]


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
    assert {path.name for path in tmp_path.iterdir()} == {
        GONE,
        f"{GONE}.lock",
        asking._name,
        f"{asking._name}.lock",
    }


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
        worker = Snapshots(tmp_path, counting(3))
        worker.start()
        await worker.close()

    asyncio.run(run())
    assert requests_in(Snapshots(tmp_path, counting(0))) == 3


@pytest.mark.parametrize("seed", range(20))
def test_no_sum_falls_whoever_is_asked_also_across_kills(tmp_path: Path, seed: int) -> None:
    luck = random.Random(seed)
    workers = [Snapshots(tmp_path, counting(0)) for _ in range(3)]
    told, counted = 0, 0
    for _ in range(300):
        place = luck.randrange(len(workers))
        worker = workers[place]
        match luck.choice(("count", "count", "write", "ask", "ask", "fold", "kill", "end")):
            case "count":
                worker._tally.request("chat", 200, 1.0)
                counted += 1
            case "write":
                worker.write()
            case "ask":
                asked = requests_in(worker)
                assert told <= asked <= counted
                told = asked
            case "fold":
                fold(tmp_path)
            case "kill" if luck.random() < 0.3:
                die(worker)
                workers[place] = Snapshots(tmp_path, counting(0))
            case "end" if luck.random() < 0.3:
                asyncio.run(worker.close())
                workers[place] = Snapshots(tmp_path, counting(0))
    for worker in workers:
        asyncio.run(worker.close())
    last = Snapshots(tmp_path, counting(0))
    assert told <= requests_in(last) <= counted


def test_two_workers_give_the_same_sum_whoever_is_asked(tmp_path: Path) -> None:
    one, other = Snapshots(tmp_path, counting(50)), Snapshots(tmp_path, counting(1))
    one._tally.request("chat", 200, 1.0)
    assert requests_in(one) == requests_in(other) == 51
    one.write()
    assert requests_in(other) == requests_in(one) == 52


def test_a_reader_while_two_workers_are_folded_sees_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fold names in `gone` only whom it added itself."""
    asking = Snapshots(tmp_path, counting(1))
    dying = [Snapshots(tmp_path, counting(10)), Snapshots(tmp_path, counting(100))]
    read = snapshots._read
    reads: list[Path] = []

    def meanwhile(path: Path) -> snapshots.Snapshot:
        found = read(path)
        if path.name == dying[0]._name and not reads:
            reads.append(path)
            for each in dying:
                die(each)
                fold(tmp_path)
        return found

    monkeypatch.setattr(snapshots, "_read", meanwhile)
    assert requests_in(asking) == 111
    assert reads
