"""The opening of a stream, which says nothing yet: a provider that fails then is not the last one asked."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from functions.calls import relay as module
from functions.chat import chat
from functions.messages import messages
from functions.ports.context import ModelContext
from functions.ports.guardrails import NOBODY_ASKED, Guardrails
from functions.responses import responses
from models_registry.backends.cohere import usage as cohere_usage
from models_registry.bounds.text import UNRECEIVED_TOKENS
from models_registry.config.guardrails import Moment
from schema.chat import ChatRequest, Message
from schema.errors.base import GatewayError
from schema.errors.overload import SHUTTING_DOWN
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamMalformed, UpstreamTimeout
from schema.ledger.rows import Outcome, SpendRow
from schema.messages import MessagesRequest
from schema.responses import ResponsesRequest
from tests.fakes import answers, responses_answers
from tests.fakes.guardrails import FakeGuardrails
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import model_ctx

HELLO = msgspec.json.encode([{"role": "user", "content": "Say hello."}])
ROLE, *REST = answers.openai_stream()
CREATED = responses_answers.sse(responses_answers.events()[:2])
STARTED = answers.anthropic_stream()[:2]
OVERLOADED = answers.sse([{"error": {"message": "overloaded", "type": "server_error", "code": "overloaded"}}])
NO_QUOTA = (
    b'event: error\ndata: {"type":"error","sequence_number":2,"code":"insufficient_quota",'
    b'"message":"You exceeded your current quota","param":null}\n\n'
)
BUSY = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
MODELS = {"cohere_chat": "command-r-plus", "openai": "gpt-4", "anthropic": "claude-3-5-haiku-20241022"}
Ask = Callable[[ModelContext], Awaitable[Any]]


def config(provider: str = "openai", native: bool = False, **router: Any) -> dict[str, Any]:
    """Two deployments, the first of which comes first. `native`: at the provider's own address, which takes
    Responses."""
    params = {"api_key": "sk-x", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}
    entries = [
        {
            "model_name": "m",
            "litellm_params": {
                **params,
                "model": f"{provider}/{MODELS[provider]}",
                **({} if native else {"api_base": f"http://{id}.test/v1"}),
                "order": id,
            },
            "model_info": {"id": f"deployment-{id}"},
        }
        for id in (1, 2)
    ]
    return {"model_list": entries, "router_settings": {"num_retries": 1} | router}


async def ask_chat(ctx: ModelContext) -> Any:
    hello = [Message(role="user", content="Say hello.")]
    return await chat(ChatRequest(model="m", messages=hello, max_tokens=4_000, stream=True), ctx)


async def ask_responses(ctx: ModelContext) -> Any:
    body = b'{"model":"m","input":"Say hello.","stream":true,"store":false,"max_output_tokens":20}'
    return await responses(msgspec.json.decode(body, type=ResponsesRequest), ctx)


async def ask_messages(ctx: ModelContext) -> Any:
    body = b'{"model":"m","messages":%b,"stream":true,"max_tokens":10}' % HELLO
    return await messages(msgspec.json.decode(body, type=MessagesRequest), ctx)


def readers(guarded: bool) -> Guardrails:
    """A guardrail that reads each answer, or none."""
    if not guarded:
        return NOBODY_ASKED
    return FakeGuardrails("shield", moments=(Moment.AFTER,), default_on=True)


async def answered(
    ask: Ask, *script: Answer, given: dict[str, Any] | None = None, guarded: bool = False
) -> tuple[bytes, list[SpendRow]]:
    """What the client of a stream gets, and the rows of the attempts."""
    ledger = FakeLedger()
    upstream, read_by = FakeUpstream(*script), readers(guarded)
    ctx = model_ctx(upstream, ledger=ledger, config=given or config(), guardrails=read_by)
    try:
        events = await ask(ctx)
        out = b"".join([piece async for piece in events.events()])
        events.close()
    finally:
        assert not ledger.under_way, "each attempt is booked"
        assert not ledger.sink.held
    return out, ledger.rows


@pytest.mark.parametrize(
    ("ask", "provider", "opening", "error", "good"),
    [
        (ask_chat, "openai", [ROLE], OVERLOADED, answers.openai_stream()),
        (ask_chat, "anthropic", STARTED, [BUSY], answers.anthropic_stream()),
        (ask_responses, "openai", CREATED, [NO_QUOTA], responses_answers.sse(responses_answers.events())),
        (ask_messages, "anthropic", STARTED, [BUSY], answers.anthropic_stream()),
        (ask_messages, "openai", [ROLE], OVERLOADED, answers.openai_stream()),
    ],
)
@pytest.mark.parametrize("in_one_read", [True, False])
@pytest.mark.parametrize("guarded", [True, False])
def test_a_provider_that_fails_in_its_opening_is_not_the_last_one_asked(
    ask: Ask,
    provider: str,
    opening: list[bytes],
    error: list[bytes],
    good: list[bytes],
    in_one_read: bool,
    guarded: bool,
) -> None:
    sent = [*opening, *error]
    fails, works = Answer(chunks=[b"".join(sent)] if in_one_read else sent), Answer(chunks=good)
    given = config(provider, ask is ask_responses)
    out, rows = asyncio.run(answered(ask, fails, works, given=given, guarded=guarded))
    alone, _ = asyncio.run(answered(ask, works, given=given, guarded=guarded))
    assert len(out) == pytest.approx(len(alone), abs=40), "nothing of the first provider's opening"
    assert [(row.model_id, row.outcome) for row in rows] == [
        ("deployment-1", Outcome.FAILED),
        ("deployment-2", Outcome.OK),
    ]
    assert rows[0].request_id.endswith("-a1")


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("opening", [[ROLE], []])
def test_a_failure_in_the_opening_has_a_status_where_no_other_provider_is_left(
    opening: list[bytes], guarded: bool
) -> None:
    fails = Answer(chunks=[*opening, *OVERLOADED])
    with pytest.raises(ProviderError) as caught:
        asyncio.run(answered(ask_chat, fails, given=config(num_retries=0), guarded=guarded))
    assert caught.value.http_status == 500


@pytest.mark.parametrize("guarded", [True, False])
def test_an_error_as_the_first_event_is_booked_at_the_whole_bound(guarded: bool) -> None:
    fails, works = Answer(chunks=OVERLOADED), Answer(chunks=answers.openai_stream())
    _, (first, second) = asyncio.run(answered(ask_chat, fails, works, guarded=guarded))
    assert (first.outcome, first.completion_tokens) == (Outcome.UNCERTAIN, 4_000)
    assert (second.outcome, second.model_id) == (Outcome.OK, "deployment-2")
    assert first.request_id.endswith("-a1")


@pytest.mark.parametrize("guarded", [True, False])
def test_what_an_opening_reports_is_booked_though_its_error_costs_nothing(guarded: bool) -> None:
    usage = {"prompt_tokens": 5_000, "completion_tokens": 700, "total_tokens": 5_700}
    opening = answers.sse([{"choices": [{"index": 0, "delta": {"role": "assistant"}}], "usage": usage}])
    limited = answers.sse([{"error": {"message": "x", "type": "rate_limit_error"}}])
    fails, works = Answer(chunks=[*opening, *limited]), Answer(chunks=answers.openai_stream())
    _, (first, second) = asyncio.run(answered(ask_chat, fails, works, guarded=guarded))
    assert (first.outcome, first.prompt_tokens) == (Outcome.FAILED, 5_000)
    assert 700 <= first.completion_tokens < 4_000
    assert second.outcome is Outcome.OK
    fails = Answer(chunks=[ROLE, *limited])
    _, (first, _) = asyncio.run(answered(ask_chat, fails, works, guarded=guarded))
    assert (first.outcome, first.prompt_tokens, first.completion_tokens) == (Outcome.FAILED, 0, 0)


def test_an_answer_that_breaks_before_its_guardrail_read_it_is_booked_at_what_was_produced() -> None:
    breaks, works = Answer(chunks=[ROLE, REST[0], *OVERLOADED]), Answer(chunks=answers.openai_stream())
    _, rows = asyncio.run(answered(ask_chat, breaks, works, guarded=True))
    assert [row.outcome for row in rows] == [Outcome.FAILED, Outcome.OK]
    assert UNRECEIVED_TOKENS < rows[0].completion_tokens < 4_000


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("error", [UpstreamCut("gone"), UpstreamTimeout("silent")])
def test_a_connection_that_breaks_in_the_opening_is_tried_elsewhere(
    error: GatewayError, guarded: bool
) -> None:
    breaks = Answer(chunks=[ROLE], error=error)  # type: ignore[arg-type]  # an UpstreamError
    works = Answer(chunks=answers.openai_stream())
    out, rows = asyncio.run(answered(ask_chat, breaks, works, guarded=guarded))
    assert b"[DONE]" in out
    assert [row.outcome for row in rows] == [Outcome.FAILED, Outcome.OK]


def test_an_answer_that_has_said_something_is_not_begun_anew() -> None:
    breaks = Answer(chunks=[ROLE, REST[0], *OVERLOADED])
    with pytest.raises(ProviderError):
        asyncio.run(answered(ask_chat, breaks, Answer(chunks=answers.openai_stream())))


@pytest.mark.parametrize("after_s", [0.0, 0.05])
def test_an_opening_is_sent_on_after_a_while_and_what_follows_behind_it(
    monkeypatch: pytest.MonkeyPatch, after_s: float
) -> None:
    monkeypatch.setattr(module, "OPENING_S", after_s)

    async def run() -> tuple[list[bytes], float]:
        ctx = model_ctx(FakeUpstream(Answer(chunks=[ROLE], stalls=True)), config=config())
        began = time.monotonic()
        events = await ask_chat(ctx)
        took_s = time.monotonic() - began
        pieces = events.events()
        first = await anext(pieces)
        waiting = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        events.close()
        return [first], took_s

    got, took_s = asyncio.run(run())
    assert len(got) == 1
    assert b'"role":"assistant"' in got[0]
    assert took_s < 1


@pytest.mark.parametrize(("guarded", "opening_s"), [(False, 2.0), (True, 2.0), (True, 0.0)])
@pytest.mark.parametrize(("word", "outcome"), [("left", Outcome.CANCELLED), (SHUTTING_DOWN, Outcome.FAILED)])
def test_a_call_that_is_cancelled_in_the_opening_leaves_no_read_and_is_booked_at_what_was_produced(
    monkeypatch: pytest.MonkeyPatch, guarded: bool, opening_s: float, word: str, outcome: Outcome
) -> None:
    monkeypatch.setattr(module, "OPENING_S", opening_s)

    async def run() -> tuple[int, list[SpendRow]]:
        ledger, upstream = FakeLedger(), FakeUpstream(Answer(chunks=[ROLE], stalls=True))
        ctx = model_ctx(upstream, ledger=ledger, config=config(), guardrails=readers(guarded))
        call = asyncio.ensure_future(ask_chat(ctx))
        await asyncio.sleep(0.05)
        call.cancel(word)
        await asyncio.gather(call, return_exceptions=True)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks()), ledger.rows

    tasks, (row,) = asyncio.run(run())
    assert tasks == 1
    assert (row.outcome, row.completion_tokens) == (outcome, UNRECEIVED_TOKENS)


@pytest.mark.parametrize("while_sent", [True, False])
def test_a_stream_that_is_closed_before_its_late_read_comes_leaves_none_behind(
    monkeypatch: pytest.MonkeyPatch, while_sent: bool
) -> None:
    monkeypatch.setattr(module, "OPENING_S", 0.0)

    async def run() -> int:
        events = await ask_chat(model_ctx(FakeUpstream(Answer(chunks=[ROLE], stalls=True)), config=config()))
        pieces = events.events()
        if while_sent:
            await anext(pieces)
        await pieces.aclose()
        events.close()
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1


def test_an_opening_without_end_is_sent_on() -> None:
    many = [ROLE] * (module.OPENING_BYTES // len(ROLE) + 5)
    out, rows = asyncio.run(answered(ask_chat, Answer(chunks=[*many, *REST])))
    assert out.count(b'"role"') >= len(many)
    assert [row.outcome for row in rows] == [Outcome.OK]


WHOLE = (
    b'{"id":"x","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"hi"}]},'
    b'"logprobs":[{"text":"\xff","logprobs":[-1.0]}],"usage":{"billed_units":{"input_tokens":1,"output_tokens":1}}}'
)
PIECES = [
    b'event: message-start\ndata: {"type":"message-start","id":"x","delta":{"message":{"role":"assistant"}}}'
    b"\n\n",
    b'data: {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}\n\n',
    b'data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"hi"}}},'
    b'"logprobs":{"text":"\xff","logprobs":[-1]}}\n\n',
    b'data: {"type":"message-end","delta":{"finish_reason":"COMPLETE",'
    b'"usage":{"billed_units":{"input_tokens":1,"output_tokens":1}}}}\n\n',
]


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_bad_byte_in_a_part_of_an_answer_is_left_out_or_a_fault_of_the_provider(
    streamed: bool, is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`is_known`: the part's reader knows that it may not be UTF-8. Else the next provider is asked."""
    if not is_known:
        monkeypatch.setattr(cohere_usage, "UNREADABLE", (msgspec.DecodeError,))
    ledger, bad = FakeLedger(), Answer(chunks=PIECES) if streamed else Answer(body=WHOLE)
    upstream = FakeUpstream(bad, bad)
    ctx = model_ctx(upstream, ledger=ledger, config=config("cohere_chat"))
    hello = [Message(role="user", content="Say hello.")]
    asked = ChatRequest(model="m", messages=hello, max_tokens=10, stream=streamed)

    async def run() -> None:
        answer: Any = await chat(asked, ctx)
        if streamed:
            [_ async for _ in answer.events()]
            answer.close()

    if is_known:
        asyncio.run(run())
        assert [row.outcome for row in ledger.rows] == [Outcome.OK]
    else:
        with pytest.raises(UpstreamMalformed):
            asyncio.run(run())
        assert [row.error_class for row in ledger.rows] == ["UpstreamMalformed"] * 2
