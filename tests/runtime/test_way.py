"""One chat call, traced: `docs/architecture.md` says which files it goes through, and must be right."""

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import pytest

from runtime.blueprint import check
from runtime.catalog import entry_named
from runtime.identity.authenticator import Authenticator
from runtime.intake.body_decoder import BodyDecoder
from runtime.intake.body_room import BodyRoom
from runtime.intake.searches import Searches
from runtime.invoke import Endpoint, Gateway
from runtime.ledger.attempts import BookedLedger
from runtime.upstream.client import HttpUpstream
from runtime.upstream.router import Router
from runtime.web.door import ClientWatch, Door
from schema.keys import KeyRecord
from schema.secret import Secret, key_hash_of
from tests.fakes.authority import FakeFinder, Silence
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.ledger import ListSink, NoLimits
from tests.fakes.ports import make_ports
from tests.functions.contexts import NOW

ROOT = Path(__file__).parents[2]
PACKAGES = ("functions/", "models_registry/", "runtime/")
KEY = "sk-a-key-of-this-test-0123456789"
STOP = re.compile(r"^\d+\. `([a-z_/]+\.py)`", re.MULTILINE)
LEAF = re.compile(r"`([a-z_/]+/[a-z_]+\.py)`")


def gateway_on(upstream_url: str, upstream: HttpUpstream) -> Gateway:
    params = {"model": "openai/gpt-4", "api_base": f"{upstream_url}/v1", "api_key": "sk-provider"}
    document = {"model_list": [{"model_name": "gpt-4", "litellm_params": params}]}
    record = KeyRecord(token=key_hash_of(KEY), key_name="sk-...", created_at=NOW, created_by="test")
    ledger = BookedLedger(ListSink(), NoLimits())
    checked = check(document, {})
    return Gateway(
        authenticator=Authenticator(Secret("sk-master-0123456789"), FakeFinder(record), Silence()),
        ledger=ledger,
        ports=make_ports(routes=Router(checked.registry, checked.routing), upstream=upstream, ledger=ledger),
        max_body_bytes=1_000_000,
        body_room=BodyRoom(1_000_000),
        searches=Searches(),
        log_line=lambda line: None,
    )


async def one_call(route: Door, *, streamed: bool) -> bytes:
    """Through the ASGI door; gives the reply's body."""
    message = {"role": "user", "content": "Hello"}
    body = msgspec.json.encode({"model": "gpt-4", "messages": [message], "stream": streamed})
    incoming = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return incoming.pop() if incoming else await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("body", b""))

    headers = [(b"authorization", f"Bearer {KEY}".encode())]
    scope = {"method": "POST", "headers": headers, "query_string": b"", "client": ("127.0.0.1", 1)}
    await route.handle(scope, receive, send)
    return b"".join(sent)


def traced(seen: list[str]) -> Callable[[FrameType, str, object], None]:
    def note(frame: FrameType, event: str, argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(ROOT):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith(PACKAGES) and name not in seen:
                seen.append(name)

    return note


async def files_of_a_call(url: str, *, streamed: bool) -> list[str]:
    upstream = HttpUpstream()
    await upstream.start()
    try:
        endpoint = Endpoint(entry_named("chat"), gateway_on(url, upstream))
        room, decoder = BodyRoom(1_000_000), BodyDecoder()
        route = Door({"POST": endpoint}, 1_000_000, room=room, decoder=decoder, watch=ClientWatch())
        assert b"choices" in await one_call(route, streamed=streamed)  # fills the key cache
        seen: list[str] = []
        sys.setprofile(traced(seen))
        try:
            await one_call(route, streamed=streamed)
        finally:
            sys.setprofile(None)
        return seen
    finally:
        await upstream.close()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_chat_call_goes_the_way_that_the_architecture_describes(streamed: bool) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text.split("## One chat call")[1].split("\n## ")[0]
    stops = STOP.findall(section)
    leaves = set(LEAF.findall(section.split("Each of the ten")[1]))
    with HostileUpstream().in_thread() as provider:
        seen = asyncio.run(files_of_a_call(provider.url, streamed=streamed))
    assert len(stops) == 10
    assert [name for name in seen if name in stops][:3] == stops[:3]
    assert set(stops) <= set(seen)
    strangers = [name for name in seen if name not in stops and name not in leaves]
    assert strangers == []
