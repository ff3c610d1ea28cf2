"""`switchgear door`: serves the door of the local models (`runtime/local/pull_door.py`) until SIGTERM."""

import asyncio
import signal
import uuid
from collections.abc import AsyncGenerator, Mapping
from urllib.parse import urlsplit

from functions.contract.call import MASTER_USER_ID
from models_registry.config.local_hosts import HostKind, LocalHost, memory_of
from runtime.governance.audit_note import write_note
from runtime.hosts.pull_door import IDLE_S, DoorError, PullDoor
from runtime.hosts.pull_way import PullTurns, pull_note
from runtime.outbound import Unreachable, lines_of
from runtime.settings import SettingsError, read_settings
from schema.secret import Secret

SERVING = "http://ollama:11434"
"""Who asks at the door. It gets no question from here."""


def door(env: Mapping[str, str], dsn: Secret) -> int:
    """Serve at SWITCHGEAR_DOOR, and ask SWITCHGEAR_PULL_BASE. Gives the exit code. Raises SettingsError."""
    host, _, port = env.get("SWITCHGEAR_DOOR", "").rpartition(":")
    base = env.get("SWITCHGEAR_PULL_BASE", "").rstrip("/")
    if not host or not port.isdecimal():
        raise SettingsError("SWITCHGEAR_DOOR: expected an address and a port, such as 172.31.213.34:11435")
    if not base.startswith("http://"):
        raise SettingsError("SWITCHGEAR_PULL_BASE: expected an address such as http://ollama-pull:11434")
    asked = LocalHost(
        name=urlsplit(base).netloc,
        kind=HostKind.OLLAMA,
        api_base=SERVING,
        pull_base=base,
        memory_bytes=memory_of(env.get("OLLAMA_MEMORY", "")),
    )
    return asyncio.run(_serve(host, int(port), asked, PullTurns(read_settings(env).pulls), dsn))


async def _serve(host: str, port: int, asked: LocalHost, turns: PullTurns, dsn: Secret) -> int:
    async def lines(method: str, path: str, body: bytes) -> AsyncGenerator[bytes, None]:
        try:
            async for line in lines_of(method, f"{asked.pull_base}{path}", body, idle_s=IDLE_S):
                yield line
        except Unreachable as exc:
            raise DoorError(f"the pulling Ollama does not answer: {exc}") from exc

    async def note(action: str, name: str, address: str) -> None:
        await _write(dsn, asked, action, name, address)

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, ended.set)
    server = await PullDoor(asked, turns, lines, note).start(host, port)
    async with server:
        await ended.wait()
    return 0


async def _write(dsn: Secret, asked: LocalHost, action: str, name: str, address: str) -> None:
    """Write the audit row, before anything is done. Raises DoorError: without a row nothing is done."""
    import asyncpg

    try:
        connection = await asyncpg.connect(dsn.reveal(), timeout=5)
        try:
            note = pull_note(
                action, asked, name, by=MASTER_USER_ID, address=address, request_id=str(uuid.uuid4())
            )
            await write_note(connection, note)
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, TimeoutError) as exc:
        raise DoorError("the audit row can't be written, so nothing is done: is Postgres up?") from exc
