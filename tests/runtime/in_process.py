"""A gateway on fakes, called in process: its house, and the client of one call."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec

from functions.chat import chat
from functions.contract.function import manifest_of
from runtime.catalog import Entry
from runtime.identity.authenticator import Authenticator
from runtime.intake.body_room import BodyRoom
from runtime.intake.searches import Searches
from runtime.invoke import Endpoint, Gateway
from runtime.ledger.attempts import BookedLedger
from runtime.registry.live_models import LiveModels
from runtime.web.door import ClientWatch, Door
from schema.secret import Secret
from tests.fakes import answers
from tests.fakes.authority import FakeFinder, Silence
from tests.fakes.ledger import ListSink, NoLimits
from tests.fakes.ports import make_ports
from tests.fakes.spend import FakeSpend
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import make_registry, make_router
from tests.runtime.identity.test_authenticator import KEY, record_of

MASTER = "sk-master-key-of-these-tests"
MAX_BODY = 4096
ROOM = 3 * MAX_BODY
ASK = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}
Message = dict[str, Any]  # ASGI's own type


class House:
    """A gateway on fakes, and what it booked."""

    def __init__(self, upstream: FakeUpstream | None = None) -> None:
        self.upstream = upstream or FakeUpstream(Answer(body=answers.openai_chat()))
        self.sink = ListSink()
        self.log: list[bytes] = []
        keys = FakeFinder(record_of(user_id="ada"))
        ledger = BookedLedger(self.sink, NoLimits())
        self.room = BodyRoom(ROOM)
        self.gateway = Gateway(
            authenticator=Authenticator(Secret(MASTER), keys, Silence()),
            ledger=ledger,
            ports=make_ports(
                models=LiveModels(make_registry()),
                routes=make_router(),
                upstream=self.upstream,
                ledger=ledger,
                spend=FakeSpend(),
            ),
            max_body_bytes=MAX_BODY,
            body_room=self.room,
            searches=Searches(),
            log_line=self.log.append,
        )

    def give(self, **ports: object) -> None:
        """Put these in the place of some ports."""
        changed = msgspec.structs.replace(self.gateway.ports, **ports)
        self.gateway = msgspec.structs.replace(self.gateway, ports=changed)

    def endpoint(self, fn: Callable[..., Any] = chat) -> Endpoint:
        return Endpoint(Entry(function=fn, manifest=manifest_of(fn)), self.gateway)

    def route(self, fn: Callable[..., Any] = chat, *, keepalive_s: float = 0.0) -> Door:
        endpoint = self.endpoint(fn)
        decoder = self.gateway.decoder
        return Door(
            {endpoint.manifest.method: endpoint},
            MAX_BODY,
            room=self.room,
            decoder=decoder,
            watch=ClientWatch(),
            keepalive_s=keepalive_s,
        )


class Client:
    """The other side of a route: `receive` gives the messages in order and then waits for `leave`."""

    def __init__(self, *messages: Message, stops_reading_after: int | None = None) -> None:
        self._messages = list(messages)
        self._left = asyncio.Event()
        self._stops_after = stops_reading_after
        self.got: list[Message] = []
        self.received = 0
        self.progress = asyncio.Event()

    async def receive(self) -> Message:
        self.received += 1
        if self._messages:
            return self._messages.pop(0)
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.got.append(message)
        self.progress.set()
        if self._stops_after is not None and len(self.got) >= self._stops_after:
            await asyncio.Event().wait()

    def leave(self) -> None:
        self._left.set()

    @property
    def status(self) -> int:
        return int(self.got[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.got[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.got[1:])

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found


def scope_of(
    *headers: tuple[str, str], method: str = "POST", query: str = "", key: str | None = KEY
) -> dict[str, Any]:
    pairs = [*headers, *([("authorization", f"Bearer {key}")] if key else [])]
    return {
        "type": "http",
        "method": method,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in pairs],
        "client": ("192.0.2.7", 4711),
    }


def body_of(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


def ask(**fields: object) -> Message:
    return body_of(json.dumps({**ASK, **fields}).encode())


def handle(route: Door, *messages: Message, scope: dict[str, Any] | None = None) -> Client:
    """One request, from a client that stays."""

    async def run() -> Client:
        client = Client(*messages)
        await route.handle(scope or scope_of(), client.receive, client.send)
        return client

    return asyncio.run(run())
