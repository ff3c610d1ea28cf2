"""When the bookkeeper's process is started again."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.blueprint import Blueprint
from runtime.serving import books_process as module
from runtime.serving.books_process import BooksProcess
from runtime.serving.checks import StartGate
from runtime.settings import Settings
from schema.secret import Secret

DEAD = -signal.SIGKILL


class FakeProcess:
    """A child that is started by a call. `starting` runs in the middle of its start, when no process is there
    yet."""

    def __init__(self, starting: Callable[["FakeProcess"], None]) -> None:
        self._starting = starting
        self.exitcode: int | None = None
        self.starts = 0
        self.runs = False

    def start(self) -> None:
        self.starts += 1
        self._starting(self)
        self.runs = True

    def is_alive(self) -> bool:
        return self.runs and self.exitcode is None

    def terminate(self) -> None:
        self.exitcode = 0

    def join(self, within_s: float | None = None) -> None:
        """It has ended at once."""


class Scene:
    """The children that were made, and what happens while each is started."""

    def __init__(self) -> None:
        self.children: list[FakeProcess] = []
        self.starting: Callable[[FakeProcess], None] = lambda child: None

    def made(self, **_: Any) -> FakeProcess:
        self.children.append(FakeProcess(lambda child: self.starting(child)))
        return self.children[-1]

    @property
    def alive(self) -> list[FakeProcess]:
        return [child for child in self.children if child.is_alive()]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene()
    monkeypatch.setattr(module, "ChildProcess", made.made)
    return made


@pytest.fixture
def books(scene: Scene, tmp_path: Path) -> Iterator[BooksProcess]:
    blueprint = Blueprint(
        document={},
        env={},
        settings=Settings(data_dir=tmp_path, database_url=None, master_key=None),
        master_key=Secret("sk-unused"),
        dsn=Secret("postgresql://unused"),
    )
    running = BooksProcess(blueprint, StartGate())
    with running:
        yield running


def a_child_changes() -> None:
    os.kill(os.getpid(), signal.SIGCHLD)


def test_a_bookkeeper_that_died_is_started_again(scene: Scene, books: BooksProcess) -> None:
    scene.children[0].exitcode = DEAD
    a_child_changes()
    assert [child.starts for child in scene.children] == [1, 1]
    assert scene.alive == scene.children[1:]


def test_a_worker_that_dies_while_one_is_started_makes_no_second(scene: Scene, books: BooksProcess) -> None:
    """A second one would not be watched, and where it booked and died, nobody would book any more."""
    scene.starting = lambda child: a_child_changes() if len(scene.children) == 2 else None
    scene.children[0].exitcode = DEAD
    a_child_changes()
    assert [child.starts for child in scene.children] == [1, 1]
    assert scene.alive == scene.children[1:]


def test_one_that_dies_as_soon_as_it_is_started_is_seen(scene: Scene, books: BooksProcess) -> None:
    def dies(child: FakeProcess) -> None:
        if len(scene.children) == 2:
            child.exitcode = DEAD
            a_child_changes()

    scene.starting = dies
    scene.children[0].exitcode = DEAD
    a_child_changes()
    assert [child.starts for child in scene.children] == [1, 1, 1]
    assert scene.alive == scene.children[2:]
