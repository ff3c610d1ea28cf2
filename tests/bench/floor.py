"""The floor: the least that a gateway made of these parts can do, as a measure for ours.

It is Litestar on granian with the gateway's own settings. It looks a key up by its SHA-256, parses the body
once, makes one call on aiohttp and relays the answer. It has no routing, no prices, no ledger, no limits and
no deadlines. `python -m tests.bench.floor PORT UPSTREAM KEY` starts it.
"""

import hashlib
import sys
from collections.abc import AsyncIterator

import aiohttp
import msgspec
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
from granian.log import LogLevels
from granian.server import Server
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.response import Stream

from runtime.serving.serve import BACKLOG, BACKPRESSURE

CONNECTIONS = 4096


class Body(msgspec.Struct):
    """The part of a call's body that the floor looks at."""

    model: str
    stream: bool = False


DECODER = msgspec.json.Decoder(Body)


async def _relay(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for piece in answer.content.iter_any():
        yield piece


@post("/v1/chat/completions", status_code=200)
async def chat(request: Request[object, object, State], state: State) -> Response[bytes] | Stream:
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    if hashlib.sha256(key.encode()).hexdigest() not in state.known:
        return Response(b"{}", status_code=401, media_type="application/json")
    raw = await request.body()
    body = DECODER.decode(raw)
    headers = {"content-type": "application/json", "authorization": "Bearer sk-upstream"}
    answer = await state.session.post(state.upstream, data=raw, headers=headers)
    if body.stream:
        return Stream(_relay(answer), media_type="text/event-stream")
    return Response(await answer.read(), media_type="application/json")


@get("/health/readiness")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


def load() -> Litestar:
    """Make the app, in granian's worker."""
    upstream, key = sys.argv[2], sys.argv[3]

    async def start(app: Litestar) -> None:
        app.state.upstream = upstream + "/chat/completions"
        app.state.known = {hashlib.sha256(key.encode()).hexdigest(): "bench"}
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=30)
        app.state.session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def stop(app: Litestar) -> None:
        await app.state.session.close()

    return Litestar([chat, ready], on_startup=[start], on_shutdown=[stop], openapi_config=None)


def main() -> None:
    Server(
        "floor",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.ASGI,
        workers=1,
        loop=Loops.auto,
        runtime_mode=RuntimeModes.st,
        http=HTTPModes.auto,
        websockets=False,
        backlog=BACKLOG,
        backpressure=BACKPRESSURE,
        log_level=LogLevels.warning,
    ).serve(target_loader=lambda *_: load(), wrap_loader=False)


if __name__ == "__main__":
    main()
