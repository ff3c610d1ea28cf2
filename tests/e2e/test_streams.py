"""Streams that break, clients that leave, and both at once by the hundred."""

import asyncio
import contextlib
import json
import socket
import struct
import time
import uuid
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.e2e.gateway import Gateway, Row, until
from tests.fakes.answers import COMPLETION_TOKENS, TEXT
from tests.fakes.hostile_upstream import HostileUpstream, Seen

LEAVING_S = 1.0
"""Within this time after its client left, a call's upstream is closed."""
MAX_GROWTH_MB = 80
"""What one bad stream may add to a worker's memory: a frame of 16 MiB on its way through, and slack."""
RESET = struct.pack("ii", 1, 0)


def ask(call_id: str) -> list[ChatCompletionMessageParam]:
    """A prompt by which the provider's side of the call is found."""
    return [{"role": "user", "content": f"marker {call_id}"}]


def new_id() -> str:
    return f"e2e-{uuid.uuid4().hex}"


def seen_of(upstream: HostileUpstream, call_id: str) -> Seen:
    """The call as it reached the provider."""
    found: list[Seen] = []

    def arrived() -> bool:
        found[:] = [seen for seen in list(upstream.requests) if call_id.encode() in seen.body]
        return bool(found)

    until(arrived, what="the upstream request")
    assert len(found) == 1
    return found[0]


def check_left(seen: Seen, left_at: float) -> None:
    """Its connection was closed in time, as the provider saw it."""
    assert seen.gone.wait(10), "the upstream was never closed"
    assert seen.closed_at is not None
    assert seen.closed_at - left_at < LEAVING_S


def check_cancelled(row: Row) -> None:
    assert (row.outcome, row.status, row.http_status) == ("cancelled", "failure", 499)
    assert row.estimated
    assert row.prompt_tokens > 0
    assert row.completion_tokens > 0
    assert float(row.spend) > 0


@pytest.fixture
def client(gateway: Gateway, virtual_key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=virtual_key, max_retries=0, timeout=60)


def raw_request(gateway: Gateway, key: str, call_id: str, path: str, **fields: object) -> socket.socket:
    """The call on a socket of its own, which the test may treat as it likes."""
    at = urlsplit(gateway.url)
    body = json.dumps(fields).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {at.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"x-litellm-call-id: {call_id}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    sock.settimeout(30)
    sock.connect((at.hostname, at.port))
    sock.sendall(head.encode() + body)
    return sock


def reset(sock: socket.socket) -> float:
    """Leave by a reset; gives the moment."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    left_at = time.monotonic()
    sock.close()
    return left_at


def test_the_sdk_closes_a_stream_and_the_upstream_goes(
    gateway: Gateway, client: openai.OpenAI, upstream: HostileUpstream
) -> None:
    call_id = new_id()
    stream = client.chat.completions.create(
        model="hostile/endless_slow",
        messages=ask(call_id),
        stream=True,
        extra_headers={"x-litellm-call-id": call_id},
    )
    for _, chunk in zip(range(5), stream, strict=False):
        assert chunk.choices
    left_at = time.monotonic()
    stream.close()
    check_left(seen_of(upstream, call_id), left_at)
    row = gateway.row(call_id)
    check_cancelled(row)
    assert row.completion_tokens < 5_000
    assert row.ttft_ms is not None


@pytest.mark.parametrize("script", ["endless_slow", "endless_stream", "stall"])
def test_a_reset_stream_ends_its_upstream(
    gateway: Gateway, virtual_key: str, upstream: HostileUpstream, script: str
) -> None:
    """Also where the provider says nothing for the moment, or more than the client can take."""
    call_id = new_id()
    fields = {"model": f"hostile/{script}", "messages": ask(call_id), "stream": True}
    sock = raw_request(gateway, virtual_key, call_id, "/v1/chat/completions", **fields)
    while b"Switch" not in sock.recv(65_536):
        pass
    check_left(seen_of(upstream, call_id), reset(sock))
    check_cancelled(gateway.row(call_id))


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_client_that_leaves_a_plain_call_ends_its_upstream(
    gateway: Gateway, virtual_key: str, upstream: HostileUpstream, path: str, how: str
) -> None:
    call_id = new_id()
    fields: dict[str, object] = {"messages": ask(call_id)} if "chat" in path else {"input": call_id}
    sock = raw_request(gateway, virtual_key, call_id, path, model="hostile/never_answers", **fields)
    seen = seen_of(upstream, call_id)
    if how == "reset":
        left_at = reset(sock)
    else:
        left_at = time.monotonic()
        sock.close()
    check_left(seen, left_at)
    row = gateway.row(call_id)
    assert (row.outcome, row.http_status, row.estimated) == ("cancelled", 499, True)
    assert row.prompt_tokens > 0
    assert (row.completion_tokens > 0) == ("chat" in path)


def test_a_client_that_leaves_before_the_first_byte_of_a_stream_ends_its_upstream(
    gateway: Gateway, virtual_key: str, upstream: HostileUpstream
) -> None:
    call_id = new_id()
    fields = {"model": "hostile/head_only", "messages": ask(call_id), "stream": True}
    sock = raw_request(gateway, virtual_key, call_id, "/v1/chat/completions", **fields)
    seen = seen_of(upstream, call_id)
    check_left(seen, reset(sock))
    check_cancelled(gateway.row(call_id))


def reason_of(error: openai.APIError) -> str:
    """The gateway's own word in an error that the SDK raised."""
    assert isinstance(error.body, dict)
    return str(error.body["reason"])


BROKEN = (
    ("hostile/cut_mid_token", "upstream_cut"),
    ("hostile/cut_after_event", "upstream_cut"),
    ("hostile/no_done", "upstream_cut"),
    ("hostile/reset_mid_stream", "upstream_cut"),
    ("hostile/reset_until_eof", "upstream_cut"),
    ("hostile/error_frame", "provider_error"),
    ("hostile/empty_finish", "upstream_cut"),
    ("hostile/done_without_finish", "upstream_cut"),
    ("hostile/failed_choice", "upstream_cut"),
    ("hostile/error_object", "provider_error"),
    ("hostile/error_detail", "provider_error"),
    ("hostile/error_filter", "provider_error"),
    ("anthropic/anthropic_no_stop", "upstream_cut"),
    ("ollama/ollama_out_of_memory", "provider_error"),
    ("ollama/ollama_runner_gone", "upstream_cut"),
    ("hostile/bad_utf8", "upstream_malformed"),
    ("slow/stall", "upstream_timeout"),
    ("slow/endless_stream", "upstream_timeout"),
)


@pytest.mark.parametrize(("model", "reason"), BROKEN)
def test_a_broken_stream_raises_in_the_sdk(client: openai.OpenAI, model: str, reason: str) -> None:
    """After the text that came before the break."""
    text: list[str] = []
    stream = client.chat.completions.create(model=model, messages=ask("x"), stream=True)
    with pytest.raises(openai.APIError) as caught:
        text.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert reason_of(caught.value) == reason
    assert "".join(text).startswith(TEXT[0])


@pytest.mark.parametrize(("model", "reason"), [case for case in BROKEN if "endless" not in case[0]])
def test_a_broken_stream_ends_in_an_error_and_never_in_done(
    gateway: Gateway, virtual_key: str, model: str, reason: str
) -> None:
    call_id = new_id()
    body = {"model": model, "messages": ask(call_id), "stream": True}
    headers = {"authorization": f"Bearer {virtual_key}", "x-litellm-call-id": call_id}
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=30)
    assert answer.status_code == 200
    assert "[DONE]" not in answer.text
    events = [event for event in answer.text.split("\n\n") if event.startswith("data: ")]
    assert json.loads(events[-1].removeprefix("data: "))["error"]["reason"] == reason
    assert all("error" not in json.loads(event.removeprefix("data: ")) for event in events[:-1])
    row = gateway.row(call_id)
    assert (row.outcome, row.status) == ("failed", "failure")
    assert row.error_class is not None
    assert row.prompt_tokens > 0, "what was produced is charged"
    assert row.completion_tokens > 0


@pytest.mark.parametrize(
    ("model", "status"), [("error_object", 400), ("error_detail", 502), ("error_filter", 400)]
)
def test_an_error_in_a_plain_200_has_its_own_status(
    gateway: Gateway, virtual_key: str, model: str, status: int
) -> None:
    call_id = new_id()
    answer = httpx.post(
        f"{gateway.url}/v1/chat/completions",
        json={"model": f"hostile/{model}", "messages": ask(call_id)},
        headers={"authorization": f"Bearer {virtual_key}", "x-litellm-call-id": call_id},
        timeout=30,
    )
    assert answer.status_code == status
    assert gateway.row(call_id).http_status == status


def test_a_stream_without_a_choice_ends_in_an_error(client: openai.OpenAI) -> None:
    """Nothing was sent before it, so the error has a status of its own."""
    with pytest.raises(openai.InternalServerError) as caught:
        list(
            client.chat.completions.create(
                model="hostile/done_without_choice", messages=ask("x"), stream=True
            )
        )
    assert (caught.value.status_code, caught.value.code) == (502, "502")


def test_a_stream_of_anthropics_without_its_last_empty_line_is_whole(
    gateway: Gateway, client: openai.OpenAI
) -> None:
    call_id = new_id()
    stream = client.chat.completions.create(
        model="anthropic/anthropic_short_end",
        messages=ask(call_id),
        stream=True,
        extra_headers={"x-litellm-call-id": call_id},
    )
    assert [chunk.choices[0].finish_reason for chunk in stream if chunk.choices][-1] == "stop"
    assert gateway.row(call_id).outcome == "ok"


@pytest.mark.parametrize(
    ("model", "status", "told", "logged"),
    [
        ("hostile/says_why_in_text", 400, "the grammar of 'response_format' is broken", "the grammar"),
        ("hostile/says_why_it_failed", 500, "failed with status 500", "no GPU is left for ***"),
        ("ollama/ollama_out_of_memory", 500, "model requires more system memory", "more system memory"),
        ("hostile/status_401", 401, "refused the gateway's credential", "Scripted 401"),
    ],
)
def test_the_providers_reason_is_in_the_log_and_the_row_and_for_some_in_the_answer(
    gateway: Gateway, virtual_key: str, model: str, status: int, told: str, logged: str
) -> None:
    call_id = new_id()
    answer = httpx.post(
        f"{gateway.url}/v1/chat/completions",
        json={"model": model, "messages": ask(call_id)},
        headers={"authorization": f"Bearer {virtual_key}", "x-litellm-call-id": call_id},
        timeout=30,
    )
    assert answer.status_code == status
    assert told in answer.json()["error"]["message"]
    row = gateway.row(call_id)
    assert logged in (row.error_message or "")
    until(
        lambda: any(logged in line and row.request_id in line for line in gateway.process.log().splitlines()),
        what="log",
    )
    assert "abcd1234efgh5678" not in gateway.process.log() + answer.text


def test_a_reason_in_mid_stream_is_in_the_log_the_row_and_the_event(
    gateway: Gateway, virtual_key: str
) -> None:
    call_id = new_id()
    answer = httpx.post(
        f"{gateway.url}/v1/chat/completions",
        json={"model": "ollama/ollama_out_of_memory", "messages": ask(call_id), "stream": True},
        headers={"authorization": f"Bearer {virtual_key}", "x-litellm-call-id": call_id},
        timeout=30,
    )
    assert "model requires more system memory" in answer.text
    row = gateway.row(call_id)
    assert "more system memory" in (row.error_message or "")
    until(
        lambda: any(
            "system memory" in line and row.request_id in line for line in gateway.process.log().splitlines()
        ),
        what="log",
    )


def test_a_final_frame_sent_twice_is_one_end_and_one_row(gateway: Gateway, client: openai.OpenAI) -> None:
    call_id = new_id()
    stream = client.chat.completions.create(
        model="hostile/double_final",
        messages=ask(call_id),
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"x-litellm-call-id": call_id},
    )
    chunks = list(stream)
    assert len([chunk for chunk in chunks if chunk.usage is not None]) == 1
    row = gateway.row(call_id)
    assert (row.outcome, row.completion_tokens, row.estimated) == ("ok", COMPLETION_TOKENS, False)


def test_a_huge_frame_is_an_error_in_bounded_memory(gateway: Gateway, client: openai.OpenAI) -> None:
    before = gateway.process.rss_mb()
    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(model="hostile/huge_frame", messages=ask("x"), stream=True))
    assert reason_of(caught.value) == "upstream_malformed"
    assert gateway.process.rss_mb() - before < MAX_GROWTH_MB


def test_a_client_that_does_not_read_slows_its_upstream_down(
    gateway: Gateway, virtual_key: str, upstream: HostileUpstream
) -> None:
    """What the provider sends waits with the provider, and not in the gateway's memory."""
    call_id = new_id()
    fields = {"model": "hostile/endless_stream", "messages": ask(call_id), "stream": True}
    before = gateway.process.rss_mb()
    sock = raw_request(gateway, virtual_key, call_id, "/v1/chat/completions", **fields)
    seen = seen_of(upstream, call_id)
    sent: list[int] = []

    def stands_still() -> bool:
        sent.append(seen.sent_bytes)
        time.sleep(0.2)
        return len(sent) > 5 and sent[-1] == sent[-5]

    until(stands_still, 15, what="backpressure")
    assert sent[-1] < 64 * 1024 * 1024
    assert gateway.process.rss_mb() - before < MAX_GROWTH_MB
    with contextlib.suppress(TimeoutError):
        assert sock.recv(1024).startswith(b"HTTP/1.1 200")
    check_left(seen, reset(sock))
    check_cancelled(gateway.row(call_id))


def test_two_hundred_streams_at_once_are_all_whole_and_all_booked(gateway: Gateway, virtual_key: str) -> None:
    call_id, count = new_id(), 200

    async def one(client: openai.AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(
            model="hostile/happy",
            messages=ask("x"),
            stream=True,
            extra_headers={"x-litellm-call-id": call_id},
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def run() -> list[str]:
        client = openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=virtual_key, max_retries=0)
        async with client:
            return await asyncio.gather(*(one(client) for _ in range(count)))

    assert asyncio.run(run()) == ["".join(TEXT)] * count
    rows = gateway.rows(call_id, count=count)
    assert len(rows) == count
    assert {(row.outcome, row.completion_tokens) for row in rows} == {("ok", COMPLETION_TOKENS)}
    assert len({row.request_id for row in rows}) == count
