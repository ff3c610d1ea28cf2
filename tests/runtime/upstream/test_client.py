"""The upstream client against a provider that misbehaves on a real socket."""

import asyncio
import contextlib
import gc
import json
import os
import ssl
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from models_registry.backends.backend import UpstreamRequest
from models_registry.target import Deadlines
from runtime.upstream import client as module
from runtime.upstream import response as response_module
from runtime.upstream.client import HttpUpstream
from runtime.upstream.decoding import decoder_of
from runtime.upstream.heads import address_of
from runtime.upstream.pool import PoolLimits
from schema.errors.models import NotLocal
from schema.errors.upstream import (
    UpstreamBusy,
    UpstreamCut,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from tests.fakes import answers
from tests.fakes.certificates import self_signed, server_context
from tests.fakes.hostile_upstream import HostileUpstream, closed_port

SECRET = "sk-the-providers-key"
QUICK = Deadlines(connect_s=1.0, first_byte_s=0.4, idle_s=0.3, total_s=4.0)


def request_to(url: str, script: str, *, stream: bool = True, filler: str = "") -> UpstreamRequest:
    fields = {"model": script, "stream": stream, "messages": [{"role": "user", "content": "hi" + filler}]}
    headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
    return UpstreamRequest(
        url=url + "/v1/chat/completions", headers=headers, body=json.dumps(fields).encode()
    )


@asynccontextmanager
async def pair(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[HttpUpstream, HostileUpstream]]:
    client = HttpUpstream()
    await client.start()
    try:
        async with HostileUpstream(tls=tls).running() as provider:
            yield client, provider
        assert provider.errors == []
    finally:
        await client.close()


def run(test: Callable[[HttpUpstream, HostileUpstream], Awaitable[None]]) -> None:
    async def main() -> None:
        async with pair() as (client, provider):
            await test(client, provider)

    asyncio.run(main())


async def drain(client: HttpUpstream, request: UpstreamRequest, deadlines: Deadlines) -> list[bytes]:
    response = await client.open(request, deadlines)
    return [piece async for piece in response.chunks()]


OPEN_ERRORS = [
    ("never_answers", UpstreamTimeout),
    ("slow_headers", UpstreamTimeout),
    ("resets", UpstreamCut),
    ("hangs_up", UpstreamCut),
    ("garbage_http", UpstreamMalformed),
    ("huge_headers", UpstreamMalformed),
]


@pytest.mark.parametrize(("script", "error"), OPEN_ERRORS)
def test_a_call_without_an_answer_fails_in_open(script: str, error: type[UpstreamError]) -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        began = time.monotonic()
        with pytest.raises(error) as failure:
            await client.open(request_to(provider.url, script), QUICK)
        assert time.monotonic() - began < QUICK.total_s - 0.5
        assert str(provider.port) not in failure.value.message, "callers see the message"
        assert len(provider.requests) == 1, "a call that may have been acted upon is not repeated"

    run(test)


STREAM_ERRORS = [
    ("stall", UpstreamTimeout),
    ("head_only", UpstreamTimeout),
    ("cut_mid_token", UpstreamCut),
    ("cut_after_event", UpstreamCut),
    ("reset_mid_stream", UpstreamCut),
    ("reset_until_eof", UpstreamCut),
    ("short_body", UpstreamCut),
    ("bad_gzip", UpstreamMalformed),
]


@pytest.mark.parametrize(("script", "error"), STREAM_ERRORS)
def test_a_body_that_breaks_off_never_ends_cleanly(script: str, error: type[UpstreamError]) -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        with pytest.raises(error):
            await drain(client, request_to(provider.url, script), QUICK)
        assert await provider.requests[0].closed_within(1.0)

    run(test)


@pytest.mark.parametrize("script", ["happy", "drip", "no_done", "double_final", "bad_utf8", "empty_200"])
def test_a_clean_transport_end_is_no_error_whatever_the_body_holds(script: str) -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        body = b"".join(await drain(client, request_to(provider.url, script), QUICK))
        if script in ("happy", "drip"):
            assert body == b"".join(answers.openai_stream(script))

    run(test)


def test_the_answer_is_the_providers_with_lower_case_header_names() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        response = await client.open(request_to(provider.url, "sets_cookie", stream=False), QUICK)
        assert response.status == 200
        assert response.headers["x-request-id"] == "Req-1"
        assert all(name == name.lower() for name in response.headers)
        assert await response.read() == answers.openai_chat("sets_cookie")

    run(test)


def test_what_is_sent_is_the_request_and_no_more() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        for _ in range(2):
            request = request_to(provider.url, "sets_cookie", stream=False)
            response = await client.open(request, QUICK)
            await response.read()
        seen = provider.requests[1]
        assert seen.body == request.body
        assert seen.headers == {
            **request.headers,
            "host": f"127.0.0.1:{provider.port}",
            "accept": "*/*",
            "accept-encoding": "identity",
            "user-agent": "switchgear",
            "content-length": str(len(request.body)),
        }

    run(test)


def test_refusals_and_redirects_are_answers_not_errors() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        for script, status in {"status_429_retry_after": 429, "status_529": 529, "redirects": 307}.items():
            response = await client.open(request_to(provider.url, script), QUICK)
            assert response.status == status
            await response.read()
        assert len(provider.requests) == 3

    run(test)


@pytest.mark.parametrize("script", ["status_204", "status_205", "status_304", "status_600"])
def test_an_answer_without_a_body_is_an_answer(script: str) -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        response = await client.open(request_to(provider.url, script), QUICK)
        assert response.status == int(script[-3:])
        assert await response.read() == b""
        response.close()
        again = await client.open(request_to(provider.url, script), QUICK)
        assert [piece async for piece in again.chunks()] == []
        again.close()
        happy = await client.open(request_to(provider.url, "happy", stream=False), QUICK)
        assert json.loads(await happy.read())["choices"]

    run(test)


@pytest.mark.parametrize("script", ["length_of_5000_digits", "chunk_of_5000_digits"])
def test_a_size_of_thousands_of_digits_is_garbage(script: str) -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        with pytest.raises(UpstreamMalformed):
            await drain(client, request_to(provider.url, script), QUICK)

    run(test)


def test_an_error_that_breaks_off_before_its_length_is_cut() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        response = await client.open(request_to(provider.url, "short_error"), QUICK)
        assert response.status == 429
        with pytest.raises(UpstreamCut):
            await response.read()

    run(test)


def test_a_large_body_arrives_whole_and_as_one() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        for size in (1, 3_000_000, 3 * 1024 * 1024, 9_999_999):
            request = request_to(provider.url, "happy", stream=False, filler="x" * size)
            response = await client.open(request, Deadlines())
            assert json.loads(await response.read())["choices"]
            seen = provider.requests[-1]
            assert seen.body == request.body
            assert seen.headers["content-length"] == str(len(request.body))
            assert seen.headers["content-type"] == "application/json"
            assert "transfer-encoding" not in seen.headers

    run(test)


def test_connections_are_used_again() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        for script in ("happy", "status_500", "empty_200", "double_final"):
            await drain(client, request_to(provider.url, script), QUICK)
        assert provider.connections == 1

    run(test)


@pytest.mark.parametrize("ending", ["close", "leave the loop", "cancel the reader"])
def test_the_provider_sees_the_disconnect_within_a_second(ending: str) -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        response = await client.open(request_to(provider.url, "endless_slow"), QUICK)
        chunks = response.chunks()
        await anext(chunks)
        if ending == "cancel the reader":
            task = asyncio.ensure_future(drain_rest(chunks))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        elif ending == "leave the loop":
            await chunks.aclose()  # type: ignore[attr-defined]  # an async generator in fact
        else:
            response.close()
            response.close()
            with pytest.raises(UpstreamCut):
                await drain_rest(chunks)
        assert await provider.requests[0].closed_within(1.0)

    run(test)


async def drain_rest(chunks: AsyncIterator[bytes]) -> None:
    async for _ in chunks:
        pass


def test_cancelling_a_call_that_waits_for_its_head_disconnects_at_once() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        request = request_to(provider.url, "never_answers")
        task = asyncio.ensure_future(client.open(request, Deadlines()))
        seen = await provider.next_request()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await seen.closed_within(1.0)

    run(test)


def test_a_provider_that_does_not_read_is_given_up_with_all_that_was_queued_for_it() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        provider.reads = False
        before = open_sockets()
        with pytest.raises(UpstreamTimeout):
            await client.open(request_to(provider.url, "happy", filler="x" * 30_000_000), QUICK)
        await asyncio.sleep(0)  # an abort frees its socket in the next turn
        assert open_sockets() == before + 1, "the provider's end alone is left"

    run(test)


def open_sockets() -> int:
    return sum(
        os.path.realpath(f"/proc/self/fd/{fd}").find("socket:") >= 0 for fd in os.listdir("/proc/self/fd")
    )


def test_closing_after_the_whole_body_keeps_the_connection() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        for _ in range(2):
            response = await client.open(request_to(provider.url, "happy", stream=False), QUICK)
            await response.read()
            response.close()
        assert provider.connections == 1

    run(test)


def test_a_pooled_connection_closed_by_the_provider_costs_no_call() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        await drain(client, request_to(provider.url, "happy"), QUICK)
        provider.drop_idle()  # our loop has not seen the end yet: the next send meets it
        await drain(client, request_to(provider.url, "happy"), QUICK)
        assert provider.connections == 2
        assert len(provider.requests) == 2

    run(test)


def test_a_pooled_connection_that_dies_late_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALE_WINDOW_S", 0.0)

    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        await drain(client, request_to(provider.url, "happy"), QUICK)
        with pytest.raises(UpstreamCut):
            await drain(client, request_to(provider.url, "hangs_up"), QUICK)
        assert len(provider.requests) == 2

    run(test)


def test_a_stale_connection_is_replaced_once_only() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        await drain(client, request_to(provider.url, "happy"), QUICK)
        with pytest.raises(UpstreamCut):
            await drain(client, request_to(provider.url, "hangs_up"), QUICK)
        assert len(provider.requests) == 3

    run(test)


@pytest.mark.parametrize("script", ["hangs_up_in_the_head", "says_it_goes_on"])
def test_a_call_whose_answer_has_begun_is_never_sent_twice(script: str) -> None:
    """The provider acts on it, and would bill a second one."""

    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        await drain(client, request_to(provider.url, "happy"), QUICK)
        with pytest.raises(UpstreamCut):
            await drain(client, request_to(provider.url, script), QUICK)
        assert len(provider.requests) == 2

    run(test)


def test_nobody_listening_is_unreachable() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        port = closed_port()
        with pytest.raises(UpstreamUnreachable, match="No connection to the provider") as caught:
            await client.open(request_to(f"http://127.0.0.1:{port}", "happy"), QUICK)
        assert str(port) not in caught.value.message, "callers see the message, and addresses are no caller's"

    run(test)


def test_an_unknown_name_is_unreachable() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        with pytest.raises(UpstreamUnreachable, match="could not be resolved") as caught:
            await client.open(request_to("http://no-such-host.invalid", "happy"), QUICK)
        assert "invalid" not in caught.value.message

    run(test)


HANGING_RESOLVER = """
import asyncio, socket, time
from models_registry.backends.backend import UpstreamRequest
from models_registry.target import Deadlines
from runtime.upstream.client import HttpUpstream
from schema.errors.upstream import UpstreamNotInTime

def hang(*args, **kwargs):
    time.sleep(60)

socket.getaddrinfo = hang

async def main():
    client = HttpUpstream(env={})
    await client.start()
    request = UpstreamRequest(method="POST", url="http://slow.invalid/v1", headers={}, body=b"{}")
    try:
        await client.open(request, Deadlines(connect_s=0.1, first_byte_s=1, idle_s=1, total_s=1))
    except UpstreamNotInTime as exc:
        print(exc.http_status, exc)
    await client.close()

asyncio.run(main())
"""


def test_a_resolver_that_hangs_keeps_no_process_from_ending() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGING_RESOLVER], capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout == "408 No connection to the provider within 0.1 s.\n"


def test_an_untrusted_certificate_is_unreachable(tmp_path: Path) -> None:
    async def main() -> None:
        async with pair(tls=server_context(self_signed(tmp_path))) as (client, provider):
            with pytest.raises(UpstreamUnreachable, match="TLS"):
                await client.open(request_to(provider.url, "happy"), QUICK)
            assert provider.requests == []

    asyncio.run(main())


def test_a_call_that_finds_no_free_connection_is_told_so_within_its_deadline() -> None:
    async def main() -> None:
        client = HttpUpstream(limits=PoolLimits(a_host=1))
        await client.start()
        async with HostileUpstream().running() as provider:
            await test(client, provider)
        await client.close()

    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        held = await client.open(request_to(provider.url, "endless_slow"), Deadlines())
        deadlines = Deadlines(connect_s=0.2, first_byte_s=5, idle_s=5, total_s=10)
        with pytest.raises(UpstreamBusy, match=r"within 0\.2 s"):
            await client.open(request_to(provider.url, "happy"), deadlines)
        held.close()
        await drain(client, request_to(provider.url, "happy"), deadlines)

    asyncio.run(main())


def test_a_stream_that_pauses_is_given_up_after_the_idle_deadline() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        for script in ("stall", "head_only"):
            began = time.monotonic()
            with pytest.raises(UpstreamTimeout):
                await drain(client, request_to(provider.url, script), QUICK)
            assert 0.25 < time.monotonic() - began < QUICK.total_s - 0.5

    run(test)


def test_the_first_byte_of_a_body_has_the_longer_deadline() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        patient = Deadlines(connect_s=1, first_byte_s=3, idle_s=0.2, total_s=4)
        assert await drain(client, request_to(provider.url, "head_then_late"), patient)
        with pytest.raises(UpstreamTimeout, match=r"nothing for 0\.2 s"):
            await drain(client, request_to(provider.url, "stall"), patient)

    run(test)


def test_the_total_deadline_ends_a_stream_that_never_pauses() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        began = time.monotonic()
        deadlines = Deadlines(connect_s=1, first_byte_s=1, idle_s=1, total_s=0.5)
        with pytest.raises(UpstreamTimeout, match=r"within 0\.5 s"):
            await drain(client, request_to(provider.url, "endless_slow"), deadlines)
        assert time.monotonic() - began < 5.0
        assert await provider.requests[0].closed_within(1.0)

    run(test)


@pytest.mark.parametrize("script", ["endless_body", "gzip_bomb"])
def test_a_body_over_the_limit_is_malformed_and_bounded_in_memory(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_module, "MAX_BODY_BYTES", 4 << 20)

    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        response = await client.open(request_to(provider.url, script, stream=False), Deadlines())
        gc.collect()
        tracemalloc.start()
        with pytest.raises(UpstreamMalformed, match="more than 4 MiB"):
            await response.read()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 << 20
        assert await provider.requests[0].closed_within(1.0)

    run(test)


def test_a_stream_over_the_limit_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_module, "MAX_STREAM_BYTES", 1 << 20)

    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        with pytest.raises(UpstreamMalformed):
            await drain(client, request_to(provider.url, "endless_stream"), Deadlines())

    run(test)


def test_a_body_compressed_unasked_is_decompressed() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        response = await client.open(request_to(provider.url, "gzipped", stream=False), QUICK)
        assert await response.read() == answers.openai_chat("gzipped")

    run(test)


def test_a_body_without_a_length_is_whole_when_closed() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        response = await client.open(request_to(provider.url, "whole_until_eof", stream=False), QUICK)
        assert await response.read() == answers.openai_chat("whole_until_eof")

    run(test)


def test_a_slow_reader_holds_the_provider_back_and_is_no_idle_timeout() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        response = await client.open(request_to(provider.url, "endless_stream"), QUICK)
        chunks = response.chunks()
        await anext(chunks)
        await asyncio.sleep(QUICK.idle_s * 2)
        assert len(await anext(chunks)) < 1 << 20
        response.close()

    run(test)


def test_a_large_body_arrives_whole() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        request = request_to(provider.url, "happy", filler="x" * 3_000_000)
        await drain(client, request, QUICK)
        assert provider.requests[0].body == request.body

    run(test)


@pytest.mark.parametrize("script", [name for name, _ in OPEN_ERRORS + STREAM_ERRORS])
def test_no_message_holds_the_key_or_the_path(script: str) -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        with pytest.raises(UpstreamError) as failure:
            await drain(client, request_to(provider.url, script), QUICK)
        assert SECRET not in failure.value.message
        assert "completions" not in failure.value.message

    run(test)


async def answering(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> str:
    """A provider of one answer; gives its address."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/x"


@pytest.mark.parametrize("whole", [True, False])
def test_an_answer_before_the_whole_request_was_read_is_given_at_once(whole: bool) -> None:
    """The provider refuses a large body, and reads no more of it."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n" + (b"no" if whole else b"n"))
        await writer.drain()
        await asyncio.sleep(0.3)
        writer.write(b"" if whole else b"o")
        await asyncio.sleep(20)

    async def main() -> None:
        client = HttpUpstream(env={})
        await client.start()
        url = await answering(refuse)
        request = UpstreamRequest(url=url, headers={}, body=b"x" * 24_000_000)
        async with asyncio.timeout(5):
            response = await client.open(request, Deadlines(total_s=10.0))
            assert (response.status, await response.read()) == (413, b"no")
        assert client.pool.resting(client._place(address_of(url), None)) is None
        await client.close()

    asyncio.run(main())


def test_an_endless_trailer_is_no_answer() -> None:
    async def trail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: ")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"a" * 10_000)
                await writer.drain()
                await asyncio.sleep(0)

    async def main() -> None:
        client = HttpUpstream(env={})
        await client.start()
        response = await client.open(
            UpstreamRequest(url=await answering(trail), headers={}, body=b"{}"), Deadlines(total_s=10.0)
        )
        async with asyncio.timeout(5):
            with pytest.raises(UpstreamMalformed):
                await response.read()
        await client.close()

    asyncio.run(main())


def test_sizes_of_chunks_that_come_alone_are_no_trailer() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(200):
            writer.write(b"400\r\n")
            await asyncio.sleep(0)
            writer.write(b"a" * 1024 + b"\r\n")
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")

    async def main() -> None:
        client = HttpUpstream(env={})
        await client.start()
        response = await client.open(
            UpstreamRequest(url=await answering(drip), headers={}, body=b"{}"), Deadlines(total_s=10.0)
        )
        assert len(await response.read()) == 200 * 1024
        await client.close()

    asyncio.run(main())


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 131_072, 262_144, 262_214, 524_288])
@pytest.mark.parametrize("wbits", [-15, 15, 31])
def test_a_body_that_fills_the_last_step_is_whole(size: int, wbits: int) -> None:
    packed = zlib.compressobj(wbits=wbits)
    data = packed.compress(b"\0" * size) + packed.flush()
    decoder = decoder_of([b"gzip" if wbits == 31 else b"deflate"])
    assert decoder is not None
    assert sum(map(len, decoder.feed(data))) == size
    decoder.end()


@pytest.mark.parametrize("addresses", [["8.8.8.8"], ["127.0.0.1", "8.8.8.8"], ["2606:4700::1"]])
def test_a_call_that_stays_local_connects_to_no_public_address(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sockets are watched: none is made."""
    made: list[object] = []

    async def connect(found: object, **_: object) -> None:
        made.append(found)
        raise OSError

    def look_up(host: str, port: int, **_: object) -> list[object]:
        return [(0, 0, 0, "", (each, port)) for each in addresses]

    monkeypatch.setattr("runtime.upstream.dialing.aiohappyeyeballs.start_connection", connect)
    monkeypatch.setattr("runtime.upstream.dialing.socket.getaddrinfo", look_up)

    async def run() -> None:
        client = HttpUpstream(env={"HTTP_PROXY": "http://proxy.test:3128"})
        await client.start()
        try:
            with pytest.raises(NotLocal, match="public address"):
                await client.open(request_to("http://llm.corp.test", "happy"), QUICK, near=True)
            assert made == []
            with pytest.raises(UpstreamUnreachable):
                await client.open(request_to("http://llm.corp.test", "happy"), QUICK)
            assert len(made) == 1
        finally:
            await client.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "fe80::1",
        "fd00:ec2::23",
        "100.100.100.200",
    ],
)
def test_no_model_is_called_where_clouds_give_credentials(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(host: str, port: int, **_: object) -> list[object]:
        return [(0, 0, 0, "", (address, port))]

    async def connect(found: object, **_: object) -> None:
        raise AssertionError("a socket was made")

    monkeypatch.setattr("runtime.upstream.dialing.socket.getaddrinfo", look_up)
    monkeypatch.setattr("runtime.upstream.dialing.aiohappyeyeballs.start_connection", connect)

    async def run() -> None:
        client = HttpUpstream()
        await client.start()
        try:
            with pytest.raises(UpstreamUnreachable):
                await client.open(request_to("http://llm.corp.test", "happy"), QUICK)
        finally:
            await client.close()

    asyncio.run(run())


@pytest.mark.parametrize(("judged", "reached"), [(False, True), (True, False)])
def test_a_host_of_the_api_is_judged_when_it_is_connected_to(
    judged: bool, reached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    def look_up(host: str, port: int, **_: object) -> list[object]:
        return [(0, 0, 0, "", ("203.0.113.9", port)), (0, 0, 0, "", ("10.0.0.7", port))]

    async def connect(found: object, **_: object) -> None:
        made.append(found)
        raise OSError

    def judge(host: str, port: int, address: str | None) -> str | None:
        return "it leads to a private network" if address and address.startswith("10.") else None

    monkeypatch.setattr("runtime.upstream.dialing.socket.getaddrinfo", look_up)
    monkeypatch.setattr("runtime.upstream.dialing.aiohappyeyeballs.start_connection", connect)

    async def run() -> None:
        client = HttpUpstream(judge=judge)
        await client.start()
        try:
            words = "private network" if judged else "No connection"
            with pytest.raises(UpstreamUnreachable, match=words):
                await client.open(request_to("http://llm.example.com", "happy"), QUICK, judged=judged)
        finally:
            await client.close()

    asyncio.run(run())
    assert bool(made) is reached


def test_a_call_that_stays_local_shares_no_connection_with_others() -> None:
    async def run() -> None:
        async with pair() as (client, provider):
            for near in (False, True, True):
                response = await client.open(request_to(provider.url, "happy"), QUICK, near=near)
                await response.read()
            assert provider.connections == 2

    asyncio.run(run())
