"""The name of a data directory, for alerts. The host's name is not enough: a machine can have two data
directories."""

import hashlib
import os
import re
import secrets
import socket
from contextlib import suppress
from pathlib import Path

NAME = "id"
"""The file in the data directory that holds the directory's id."""
_ID = re.compile(r"[0-9a-f]{8}")


def place_of(data_dir: Path) -> str:
    """The name of the host and the id of its data directory: `web-1/3f2a9c01`. Raises nothing."""
    return f"{socket.gethostname()}/{id_of(data_dir)}"


def id_of(data_dir: Path) -> str:
    """The directory's id, eight hex digits. It is made when it is first asked for. Where it can't be stored,
    it is made from the directory's path."""
    path = data_dir / NAME
    with suppress(OSError, UnicodeDecodeError):
        if not path.exists():
            _make(path)
        kept = path.read_text(encoding="ascii").strip()
        if _ID.fullmatch(kept):
            return kept
    return hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:8]


def _make(path: Path) -> None:
    """Make the file. If two processes do so at once, the first one's id stays."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{secrets.token_hex(4)}\n", encoding="ascii")
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
