"""Locks that the kernel drops with their process."""

import fcntl
import os
from pathlib import Path


def is_locked(path: Path) -> bool:
    """Does a process hold this file's `flock`? Asking does not keep it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
