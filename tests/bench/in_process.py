"""A worker's ASGI application in this process, for benches that count what a call costs without a socket.

Everything between granian and the provider's socket is the product's own: the fast path, the door, the
functions, admission, a journal on disk, the upstream client with its parser. The provider is a transport in
memory, the leases are granted without Postgres, and the keys stand in a dictionary."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import Any, cast

import msgspec

from functions.contract.call import Caller
from functions.contract.policy import policy_of
from functions.contract.roles import SERVICE_KEY
from runtime.blueprint import check
from runtime.catalog import entry_named
from runtime.identity.authenticator import Authenticator
from runtime.identity.authority import Authority
from runtime.intake.body_room import BodyRoom
from runtime.intake.searches import Searches
from runtime.invoke import Endpoint, Gateway
from runtime.ledger.attempts import BookedLedger
from runtime.ledger.journal import Journal
from runtime.limits.admission import Admissions
from runtime.limits.end_users import EndUsers
from runtime.limits.governor import Governor
from runtime.limits.leases import Leases, Shortfall
from runtime.limits.slices import Need, Slice
from runtime.postgres.database import Database
from runtime.postgres.look_ups import LookUps
from runtime.registry.live_models import LiveModels
from runtime.telemetry.tally import Tally
from runtime.upstream.client import HttpUpstream
from runtime.upstream.connection import Connection
from runtime.upstream.pool import Pool
from runtime.upstream.router import Router
from runtime.web.door import AsgiScope, ClientWatch, Door, Receive
from runtime.web.fast_path import App, FastPath
from runtime.web.sending import Send
from schema.limits import Meter, Rule
from schema.secret import Secret, key_hash_of
from tests.bench.canned import plain_answer, stream_writes
from tests.bench.load import Load
from tests.bench.servers import CONFIG
from tests.fakes.ports import make_ports

KEYS = {"plain": "sk-plain-0123456789abcdef", "governed": "sk-governed-0123456789abcdef"}
"""A key under no limits, and one under a budget and limits with a team under a budget and a limit."""
FAR = 10**15


class _Memory(asyncio.Transport):
    """The socket to the provider. Each write is a whole request, and its answer comes in later turns."""

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._connection = connection
        self._loop = loop
        self._plain = plain_answer()
        self._stream = list(stream_writes())
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if b'"stream": true' in data or b'"stream":true' in data:
            self._send(iter(self._stream))
        else:
            self._loop.call_soon(self._connection.data_received, self._plain)

    def _send(self, writes: Iterator[bytes]) -> None:
        data = next(writes, None)
        if data is not None and not self._closing:
            self._connection.data_received(data)
            self._loop.call_soon(self._send, writes)

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        raise AssertionError("the bench's client reads at once")

    def abort(self) -> None:
        self.close()

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._connection.connection_lost, None)


class _MemoryPool(Pool):
    """Connections that lead to `_Memory`."""

    async def _make(self, origin: Any) -> Connection:  # the pool's own class is private to it
        connection = Connection(self._loop, origin)
        connection.connection_made(_Memory(connection, self._loop))
        self._made.add(connection)
        return connection


class _AmpleLeases(Leases):
    """Grants whatever is asked for, a thousandfold, without Postgres."""

    def __init__(self) -> None:
        super().__init__(cast(Database, None), UTC)

    async def lease(self, needs: Sequence[Need], now_s: float) -> tuple[list[Slice], list[Shortfall]]:
        now_mono = self._clock()
        return [
            Slice(
                rule=need.rule,
                epoch=1,
                worker=self.worker,
                free=max(need.amount, 1) * 1_000_000,
                until_mono=now_mono + 3600,
                used_mono=now_mono,
                limit=need.rule.limit,
                window_end_s=now_s + 3600,
            )
            for need in needs
        ], []

    async def give_back(self, out: Sequence[tuple[Slice, int]]) -> list[tuple[Slice, int]]:
        return []

    async def beat(self) -> None:
        return

    async def tidy(self) -> None:
        return

    async def orphans(self) -> list[tuple[str, float, int]]:
        return []

    async def clear_up(self) -> None:
        return


def _rules() -> tuple[Rule, ...]:
    return tuple(
        Rule(account=f"{meter.value}:{who}", meter=meter, who=who, subject=who, limit=FAR, duration="30d")
        for who, meters in {
            "api_key": (Meter.MONEY, Meter.REQUESTS, Meter.TOKENS),
            "team": (Meter.MONEY, Meter.REQUESTS),
        }.items()
        for meter in meters
    )


class _Finder:
    """The two keys of the bench."""

    def __init__(self) -> None:
        self._found = {
            key_hash_of(key): Authority(
                caller=Caller(
                    role=SERVICE_KEY,
                    key_hash=key_hash_of(key),
                    key_alias=name,
                    user_id="",
                    rules=_rules() if name == "governed" else (),
                ),
                refusal=None,
                expires_at=None,
                topics=frozenset(),
            )
            for name, key in KEYS.items()
        }

    async def find(self, key_hash: str) -> Authority | None:
        return self._found.get(key_hash)


class _Heard:
    """Announcements that are heard all the time: what was read stays true."""

    heard_mono = float("inf")


class Worker:
    """The application and what a client of it does."""

    def __init__(self, app: App, lines: list[bytes]) -> None:
        self._app = app
        self.lines = lines
        """The log lines since they were last cleared."""
        self._bodies = {
            streamed: Load(url="", key="", connections=1, streamed=streamed).body().encode()
            for streamed in (False, True)
        }

    async def call(self, key: str = KEYS["plain"], *, streamed: bool = False) -> bytes:
        """One chat call as granian hands it over; gives the answer's body. Raises AssertionError where the
        answer is not a 200."""
        body = self._bodies[streamed]
        messages = iter(({"type": "http.request", "body": body, "more_body": False},))
        answer: list[bytes] = []
        status = 0

        async def receive() -> dict[str, Any]:
            for message in messages:
                return message
            never: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            return await never

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                answer.append(message["body"])

        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "root_path": "",
            "query_string": b"",
            "client": ("127.0.0.1", 50_000),
            "headers": [
                (b"host", b"127.0.0.1:4000"),
                (b"content-type", b"application/json"),
                (b"authorization", f"Bearer {key}".encode()),
                (b"content-length", str(len(body)).encode()),
            ],
        }
        await self._app(scope, receive, send)
        whole = b"".join(answer)
        assert status == 200, whole
        return whole


def _front(gateway: Gateway) -> FastPath:
    """The fast path as `runtime/web/mount.py` makes it, with one function and without Litestar behind it."""
    endpoint = Endpoint(entry_named("chat"), gateway)
    door = Door(
        {"POST": endpoint},
        gateway.max_body_bytes,
        room=gateway.body_room,
        decoder=gateway.decoder,
        watch=ClientWatch(),
    )

    async def behind(scope: AsgiScope, receive: Receive, send: Send) -> None:
        raise AssertionError(f"the fast path does not know {scope['path']}")

    return FastPath({endpoint.manifest.path: door}, behind)


@asynccontextmanager
async def worker() -> AsyncIterator[Worker]:
    """A worker that serves the bench's model `canned` to the bench's keys."""
    document = msgspec.yaml.decode(CONFIG.format(upstream="http://provider.test/v1"))
    checked = check(document, {})
    policy, _ = policy_of(checked.config)
    lines: list[bytes] = []
    with tempfile.TemporaryDirectory(prefix="switchgear-stages-") as folder:
        journal = Journal(Path(folder))
        upstream = HttpUpstream(env={})
        await upstream.start()
        upstream.pool = _MemoryPool(upstream._dialer, upstream._limits)
        governor = Governor(_AmpleLeases())
        look_ups = LookUps()
        customers = EndUsers(policy, _Heard(), cast(Database, None), look_ups)
        tally = Tally(["canned"])
        ledger = BookedLedger(journal, Admissions(governor, customers, policy), tally=tally)
        gateway = Gateway(
            authenticator=Authenticator(
                Secret("sk-the-master-key-of-the-bench"), _Finder(), _Heard(), look_ups=look_ups
            ),
            ledger=ledger,
            ports=make_ports(
                models=LiveModels(checked.registry),
                routes=Router(checked.registry, checked.routing),
                upstream=upstream,
                ledger=ledger,
            ),
            max_body_bytes=2**25,
            body_room=BodyRoom(2**28),
            searches=Searches(),
            log_line=lines.append,
            tally=tally,
        )
        yield Worker(_front(gateway), lines)
        await upstream.close()
        await governor.close()
        await look_ups.close()
