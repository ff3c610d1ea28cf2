"""Guardrails over real sockets: those that hang, that answer nonsense or too much, and those far away."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from functions.ports.guardrails import Verdict
from models_registry.config.guardrails import Guardrail, GuardrailRules
from models_registry.target import Deadlines
from runtime.guardrails.door import SPARE_BYTES, GuardrailDoor
from runtime.telemetry.tally import Tally
from runtime.upstream.client import HttpUpstream
from schema.errors.models import GuardrailNotLocal
from schema.errors.overload import GuardrailUnavailable
from schema.secret import Secret
from tests.fakes.hostile_upstream import closed_port
from tests.fakes.json_server import Answers, Asked, JsonServer, json_server

QUESTION = b'{"texts":["a","b"]}'


def made(url: str, **facts: Any) -> Guardrail:
    total_s = facts.pop("total_s", 5.0)
    deadlines = Deadlines(connect_s=total_s, first_byte_s=total_s, idle_s=total_s, total_s=total_s)
    return Guardrail(name="shield", url=url, deadlines=deadlines, **facts)


async def asked(guardrail: Guardrail, *, near: bool = False, times: int = 1) -> list[Verdict]:
    upstream = HttpUpstream()
    await upstream.start()
    door = GuardrailDoor(GuardrailRules(guardrails={"shield": guardrail}), upstream, Tally(()))
    try:
        questions = (door.ask(guardrail, QUESTION, texts=2, images=1, near=near) for _ in range(times))
        return list(await asyncio.gather(*questions))
    finally:
        await upstream.close()


def answering(status: int, body: bytes) -> Answers:
    return lambda request: (status, body)


def with_server(answers: Answers, ask: Callable[[JsonServer], Any]) -> Any:
    with json_server(answers) as server:
        return ask(server)


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b'{"action":"NONE"}', Verdict()),
        (b'{"action":"NONE","texts":["x","y"],"blocked_reason":null}', Verdict()),
        (b'{"action":"BLOCKED","blocked_reason":"no"}', Verdict(refuses=True, reason="no")),
        (b'{"action":"BLOCKED"}', Verdict(refuses=True)),
        (b'{"action":"GUARDRAIL_INTERVENED","texts":["x","b"]}', Verdict(texts=("x", "b"))),
        (b'{"action":"GUARDRAIL_INTERVENED","images":["i"]}', Verdict(images=("i",))),
        (
            b'{"action":"GUARDRAIL_INTERVENED","texts":["x","b"],"images":["i"],"structured_messages":null}',
            Verdict(texts=("x", "b"), images=("i",)),
        ),
        (
            b'{"action":"GUARDRAIL_INTERVENED","structured_messages":[{"role":"user"}]}',
            Verdict(messages=msgspec.Raw(b'[{"role":"user"}]')),
        ),
    ],
)
def test_a_guardrails_word_is_understood(body: bytes, verdict: Verdict) -> None:
    key, header = Secret("of-the-guard"), {"x-tenant": Secret("red")}
    with json_server(answering(200, body)) as server:
        guardrail = made(f"{server.url}/check", api_key=key, headers=header)
        assert asyncio.run(asked(guardrail)) == [verdict]
    (request,) = server.asked
    assert (request.method, request.path, request.body) == ("POST", "/check", QUESTION)
    assert (request.headers["x-api-key"], request.headers["x-tenant"]) == ("of-the-guard", "red")


@pytest.mark.parametrize(
    ("status", "body", "said", "unreached"),
    [
        (200, b"", "another shape", False),
        (200, b"<html>", "another shape", False),
        (200, b"[]", "another shape", False),
        (200, b'{"action":5}', "another shape", False),
        (200, b'{"action":"NONE","texts":[5]}', "another shape", False),
        (200, b"[" * 100_000, "another shape", False),
        (200, b'{"action":"\xff"}', "another shape", False),
        (200, b'{"action":"ALLOW"}', "without an action", False),
        (200, b'{"action":"GUARDRAIL_INTERVENED"}', "did not give all of the 2 texts", False),
        (200, b'{"action":"GUARDRAIL_INTERVENED","texts":["x"]}', "all of the 2 texts", False),
        (200, b'{"action":"NONE","x":"' + b"a" * (SPARE_BYTES + 100) + b'"}', "with more than", False),
        (204, b"", "status 204", False),
        (302, b"", "status 302", False),
        (500, b'{"action":"NONE"}', "status 500", False),
        (503, b"", "status 503", True),
    ],
)
def test_any_other_answer_is_none(status: int, body: bytes, said: str, unreached: bool) -> None:
    with json_server(answering(status, body)) as server, pytest.raises(GuardrailUnavailable) as failed:
        asyncio.run(asked(made(server.url)))
    assert failed.value.message.startswith("The guardrail `shield` ")
    assert said in failed.value.message
    assert failed.value.unreached is unreached
    assert "127.0.0.1" not in failed.value.message


def test_a_guardrail_that_hangs_is_waited_for_no_longer_than_its_timeout() -> None:
    given_up = threading.Event()

    def slow(request: Asked) -> tuple[int, bytes]:
        given_up.wait(10)
        return 200, b'{"action":"NONE"}'

    with json_server(slow) as server:
        began = time.monotonic()
        with pytest.raises(GuardrailUnavailable, match=r"did not answer within 0\.2 s") as failed:
            asyncio.run(asked(made(server.url, total_s=0.2), times=5))
        assert time.monotonic() - began < 5.0
        given_up.set()
    assert failed.value.unreached


def test_a_guardrail_that_trickles_is_not_waited_for_either() -> None:
    async def run() -> None:
        async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            for _ in range(50):
                writer.write(b" ")
                await asyncio.sleep(0.05)

        server = await asyncio.start_server(trickle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        began = time.monotonic()
        with pytest.raises(GuardrailUnavailable, match="did not answer within"):
            await asked(made(f"http://127.0.0.1:{port}", total_s=0.3))
        assert time.monotonic() - began < 2.3
        server.close()

    asyncio.run(run())


def test_those_that_wait_for_their_turn_wait_no_longer_than_the_timeout() -> None:
    def slow(request: Asked) -> tuple[int, bytes]:
        time.sleep(0.15)
        return 200, b'{"action":"NONE"}'

    with json_server(slow) as server:
        with pytest.raises(GuardrailUnavailable):
            asyncio.run(asked(made(server.url, total_s=0.4, at_once=1), times=8))
        assert len(server.asked) < 8


def test_a_guardrail_that_is_not_there_can_not_be_reached() -> None:
    with pytest.raises(GuardrailUnavailable, match="could not be reached") as failed:
        asyncio.run(asked(made(f"http://127.0.0.1:{closed_port()}")))
    assert failed.value.unreached


def test_a_near_question_goes_to_no_public_address() -> None:
    with pytest.raises(GuardrailNotLocal, match="`shield`, which it has to pass, leads to a public address"):
        asyncio.run(asked(made("http://8.8.8.8:9", opens_failed=True, total_s=1.0), near=True))
    with json_server(answering(200, b'{"action":"NONE"}')) as server:
        assert asyncio.run(asked(made(server.url), near=True)) == [Verdict()]


def test_no_secret_of_a_guardrail_is_shown_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    guardrail = made(
        f"http://127.0.0.1:{closed_port()}",
        api_key=Secret("of-the-guard"),
        headers={"x-tenant": Secret("of-the-tenant")},
    )
    with pytest.raises(GuardrailUnavailable) as failed:
        asyncio.run(asked(guardrail))
    for text in (repr(guardrail), repr(failed.value), str(failed.value), caplog.text):
        assert "of-the" not in text
    with pytest.raises(TypeError):
        msgspec.json.encode(guardrail)
