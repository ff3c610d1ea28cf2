"""What a backup would lack: the rows that wait in journals. Those of this data folder are all counted; of a
gateway with another folder, the one worker that answers says how many it has."""

import asyncio
import socket
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec

from runtime.books.bookkeeper import is_booking
from runtime.books.reader import (
    JournalReader,
    ReadPlace,
    UnreadableJournal,
    first_place,
    is_abandoned,
    segments,
)
from runtime.ledger.frames import Newer
from runtime.outbound import Unreachable, get_json
from schema.secret import Secret

DRAIN_S = 30.0
LOOK_S = 0.2
PROBE_S = 2.0
BATCH_ROWS = 1_000
MAX_ROWS = 100_000
"""Counting one journal stops here."""
_PLACES = """
    SELECT journal, segment, position, finished_at IS NOT NULL AS finished
    FROM "Switchgear_Journal" WHERE journal = ANY($1)
"""


class UnbookedRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that are not in Postgres yet."""

    rows: int = 0
    doubts: tuple[str, ...] = ()
    """Why there may be more."""


class _AskedReadiness(msgspec.Struct, frozen=True):
    ledger_rows_waiting: int


class _GatewayState(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway says. `serves` is False where nothing listens at its address."""

    serves: bool
    rows: int = 0
    doubts: tuple[str, ...] = ()


def drained(url: str, journals: Path, dsn: Secret, *, deadline_s: float = DRAIN_S) -> UnbookedRows:
    """Wait until everything in the journals is booked, for as long as somebody books it. Gives what still
    waits. `url` is the gateway's address, and `journals` the folder of the journals on this machine."""
    return asyncio.run(_drained(url, journals, dsn.reveal(), time.monotonic() + deadline_s))


async def _drained(url: str, journals: Path, dsn: str, ends_mono: float) -> UnbookedRows:
    while True:
        probe = await asyncio.to_thread(_asked, url)
        found = await _of_journals(journals, dsn)
        rows, doubts = max(probe.rows, found.rows), (*probe.doubts, *found.doubts)
        is_served = probe.serves or is_booking(journals)
        if (not rows and not doubts) or not is_served or time.monotonic() > ends_mono:
            return UnbookedRows(rows=rows, doubts=doubts)
        await asyncio.sleep(LOOK_S)


def _asked(url: str) -> _GatewayState:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=PROBE_S).close()
    except ConnectionRefusedError:
        return _GatewayState(serves=False)
    except OSError as exc:
        return _GatewayState(
            serves=True, doubts=(f"the gateway at {url} can't be asked ({type(exc).__name__})",)
        )
    try:
        told = get_json(f"{url}/health/readiness", timeout_s=PROBE_S)
    except Unreachable as exc:
        return _GatewayState(serves=True, doubts=(f"the gateway at {url} is not ready ({exc})",))
    try:
        return _GatewayState(serves=True, rows=msgspec.convert(told, _AskedReadiness).ledger_rows_waiting)
    except msgspec.ValidationError:
        return _GatewayState(serves=True, doubts=(f"something else than a gateway answers at {url}",))


async def _of_journals(journals: Path, dsn: str) -> UnbookedRows:
    folders = _folders(journals)
    if not folders:
        return UnbookedRows()
    try:
        places = await _places(dsn, [folder.name for folder in folders])
    except (OSError, asyncpg.PostgresError) as exc:
        return UnbookedRows(doubts=(f"the place of the journals can't be read ({type(exc).__name__})",))
    rows, doubts = 0, list[str]()
    for folder in folders:
        place = places.get(folder.name)
        if place is None and folder.name in places:
            continue
        try:
            rows += _rows_of(folder, place)
        except FileNotFoundError:
            # The bookkeeper deleted the segment meanwhile. The folder is gone where all of it is booked.
            if segments(folder):
                doubts.append(f"the journal {folder.name} is being read by the bookkeeper")
        except (OSError, UnreadableJournal, Newer) as exc:
            doubts.append(f"the journal {folder.name} can't be read ({type(exc).__name__})")
    return UnbookedRows(rows=rows, doubts=tuple(doubts))


def _folders(journals: Path) -> list[Path]:
    """The folders of journals. Each is named by a UUID; drafts and what was put aside have other names."""
    found = []
    with suppress(FileNotFoundError):
        for folder in sorted(journals.iterdir()):
            with suppress(ValueError):
                if str(uuid.UUID(folder.name)) == folder.name:
                    found.append(folder)
    return found


async def _places(dsn: str, names: list[str]) -> Mapping[str, ReadPlace | None]:
    """Up to which place each journal is booked. None: it is finished. A journal that Postgres does not know
    is not among them."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(_PLACES, names)
    finally:
        await connection.close()
    return {
        row["journal"]: None if row["finished"] else ReadPlace(row["segment"], row["position"])
        for row in rows
    }


def _rows_of(folder: Path, place: ReadPlace | None) -> int:
    """The rows behind a place. The holds of a writer that is gone become rows too."""
    is_left, begin = is_abandoned(folder), first_place(folder)
    reader = JournalReader(folder, place if place is not None and place >= begin else begin)
    try:
        rows = 0
        while rows < MAX_ROWS and (entries := reader.read(BATCH_ROWS).entries):
            rows += len(entries)
        return rows + (len(reader.open) if is_left else 0)
    finally:
        reader.close()
