"""How the build of the admin UI stands. The building process writes it down, and the workers read it."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

SOURCE = Path(__file__).parents[1] / "ui"
"""The folder with the UI's source."""
COMMAND = "just ui-build"


class BuildState(msgspec.Struct, frozen=True, kw_only=True):
    """`building`, `failed` with the reason, or `absent`: nobody has built the UI yet."""

    state: Literal["absent", "building", "failed"]
    message: str = ""
    pid: int = 0
    """The process that builds. When it is gone, nobody builds."""


ABSENT = BuildState(state="absent", message="Nobody has built it on this machine yet.")
STOPPED = BuildState(state="failed", message="The build was stopped before it was done.")


def state_path(source: Path) -> Path:
    return source / ".build" / "state.json"


def read_state(source: Path) -> BuildState:
    """What the building process wrote last."""
    try:
        found = msgspec.json.decode(state_path(source).read_bytes(), type=BuildState)
    except (OSError, msgspec.DecodeError):
        return ABSENT
    return STOPPED if found.state == "building" and not _runs(found.pid) else found


def write_state(source: Path, state: BuildState | None) -> None:
    """Write down how the build stands. None: the UI is built, and there is nothing to tell."""
    path = state_path(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    if state is None:
        path.unlink(missing_ok=True)
        return
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(msgspec.json.encode(state))
    part.replace(path)


def _runs(pid: int) -> bool:
    with suppress(OSError):
        os.kill(pid, 0)
        return True
    return False
