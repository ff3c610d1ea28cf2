"""The folder of the journals: for this user alone.

Journals hold whom a call was for, and what stands in them is booked: who could write there could book what
they like, and who could read there would see it.
"""

import logging
import os
import stat
from pathlib import Path

from runtime.settings import SettingsError

OTHERS = stat.S_IRWXG | stat.S_IRWXO
WRITERS = stat.S_IWGRP | stat.S_IWOTH

log = logging.getLogger(__name__)


def private_folder(folder: Path) -> None:
    """Make the folder, or close one that others may use. Raises SettingsError where that is another user's,
    or where others could write and something of theirs is in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if not found.st_mode & OTHERS:
        return
    if found.st_uid != os.geteuid() and os.geteuid() != 0:
        raise SettingsError(
            f"{folder}: it belongs to another user, and others than this one may use it. Journals are money: "
            f"have its owner run `chmod 700 {folder}`, or set SWITCHGEAR_DATA to a folder of this user's own"
        )
    foreign = _foreign(folder, {found.st_uid, os.geteuid()}) if found.st_mode & WRITERS else None
    if foreign is not None:
        raise SettingsError(
            f"{folder}: others could write here, and {foreign!r} in it is another user's: it would be "
            "booked. See what it is, remove it, and start again"
        )
    try:
        folder.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
        closed = not folder.stat().st_mode & OTHERS
    except OSError:
        closed = False
    if not closed:
        raise SettingsError(
            f"{folder}: others than this user may use it, and its file system does not let that be changed. "
            "Set SWITCHGEAR_DATA to a folder on a disk that keeps modes"
        )
    log.warning(
        "%s: other users could use it (mode %o); it is closed now", folder, stat.S_IMODE(found.st_mode)
    )


def _foreign(folder: Path, ours: set[int]) -> str | None:
    """The name of something that another user put there."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_uid not in ours:
                return entry.name
    return None
