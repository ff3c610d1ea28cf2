"""`switchgear door`: serves the door of the local models (`runtime/local/pull_door.py`) until SIGTERM."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

from functions.contract.call import MASTER_USER_ID
from runtime.governance.audit_note import AuditNote, write_note
from runtime.local.pull_door import IDLE_S, DoorError, PullDoor
from runtime.outbound import Unreachable, lines_of
from runtime.settings import SettingsError
from schema.secret import Secret

ACTIONS: Mapping[str, str] = MappingProxyType({"pull": "model_pulled", "rm": "model_removed"})


def door(env: Mapping[str, str], dsn: Secret) -> int:
    """Serve at SWITCHGEAR_DOOR, and ask SWITCHGEAR_PULL_BASE. Gives the exit code. Raises SettingsError."""
    host, _, port = env.get("SWITCHGEAR_DOOR", "").rpartition(":")
    base = env.get("SWITCHGEAR_PULL_BASE", "").rstrip("/")
    if not host or not port.isdecimal():
        raise SettingsError("SWITCHGEAR_DOOR: expected an address and a port, such as 172.31.213.34:11435")
    if not base.startswith("http://"):
        raise SettingsError("SWITCHGEAR_PULL_BASE: expected an address such as http://ollama-pull:11434")
    return asyncio.run(_serve(host, int(port), base, dsn))


async def _serve(host: str, port: int, base: str, dsn: Secret) -> int:
    async def lines(method: str, path: str, body: bytes) -> AsyncIterator[bytes]:
        try:
            async for line in lines_of(method, f"{base}{path}", body, idle_s=IDLE_S):
                yield line
        except Unreachable as exc:
            raise DoorError(f"the pulling Ollama does not answer: {exc}") from exc

    async def note(verb: str, name: str, address: str) -> None:
        await _write(dsn, verb, name, address)

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, ended.set)
    server = await PullDoor(lines, note).start(host, port)
    async with server:
        await ended.wait()
    return 0


async def _write(dsn: Secret, verb: str, name: str, address: str) -> None:
    """Write the audit row, before anything is done. Raises DoorError: without a row nothing is done."""
    import asyncpg

    try:
        connection = await asyncpg.connect(dsn.reveal(), timeout=5)
        try:
            await write_note(
                connection,
                AuditNote(
                    action=ACTIONS[verb],
                    table="Ollama",
                    object_id=name,
                    facts={"by": "docker exec litellm-ollama"},
                    by=MASTER_USER_ID,
                    address=address,
                    request_id=str(uuid.uuid4()),
                ),
            )
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, TimeoutError) as exc:
        raise DoorError("the audit row can't be written, so nothing is done: is Postgres up?") from exc
