import asyncio
import re
from typing import Any

import msgspec
import pytest

from functions.chat import chat
from functions.contract.function import EventStream
from functions.ports.context import ModelContext
from models_registry.bounds.text import UNRECEIVED_TOKENS
from schema.chat import ChatCompletion, ChatRequest, Message
from schema.errors.base import GatewayError
from schema.errors.callers import ModelNotAllowed
from schema.errors.models import ModelNotFound
from schema.errors.overload import SHUTTING_DOWN
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.upstream import (
    ProviderError,
    UpstreamCut,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from schema.ledger.rows import Outcome, SpendRow
from schema.models import AllowedModels
from schema.wire import decode_body
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import CONFIG, MEMBER, model_ctx

HELLO = [Message(role="user", content="Say hello.")]


def ask(model: str = "gpt", **fields: Any) -> ChatRequest:
    return ChatRequest(model=model, messages=HELLO, **fields)


async def plain(request: ChatRequest, ctx: ModelContext) -> ChatCompletion:
    answer = await chat(request, ctx)
    assert isinstance(answer, ChatCompletion)
    return answer


async def stream(request: ChatRequest, ctx: ModelContext) -> EventStream:
    answer = await chat(request, ctx)
    assert not isinstance(answer, ChatCompletion)
    return answer


async def drain(events: EventStream) -> bytes:
    try:
        return b"".join([piece async for piece in events.events()])
    finally:
        events.close()


def only_row(ledger: FakeLedger) -> SpendRow:
    assert len(ledger.rows) == 1
    return ledger.rows[0]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("gpt", answers.openai_chat()),
        ("claude", answers.anthropic_message()),
        ("mistral-local", answers.ollama_chat()),
        ("openai/gpt-4o", answers.openai_chat()),
    ],
)
def test_a_plain_call_is_answered_and_booked(model: str, body: bytes) -> None:
    ledger = FakeLedger()
    ctx = model_ctx(FakeUpstream(Answer(body=body)), ledger=ledger)
    completion = asyncio.run(plain(ask(model), ctx))
    assert completion.choices[0].message.content
    row = only_row(ledger)
    assert (row.outcome, row.model_group, row.call_type) == (Outcome.OK, model, "acompletion")
    assert row.prompt_tokens > 0
    assert row.completion_tokens > 0
    assert (row.cost_nano > 0) is (model != "mistral-local")


@pytest.mark.parametrize(
    ("model", "chunks"),
    [
        ("gpt", answers.openai_stream()),
        ("claude", answers.anthropic_stream()),
        ("mistral-local", answers.ollama_stream()),
    ],
)
def test_a_stream_is_relayed_and_booked(model: str, chunks: list[bytes]) -> None:
    async def run() -> tuple[bytes, SpendRow]:
        ledger = FakeLedger()
        ctx = model_ctx(FakeUpstream(Answer(chunks=chunks)), ledger=ledger)
        return await drain(await stream(ask(model, stream=True), ctx)), only_row(ledger)

    sent, row = asyncio.run(run())
    assert sent.endswith(b"data: [DONE]\n\n")
    assert b'"usage":{' not in sent.replace(b" ", b"")
    assert (row.outcome, row.streamed, row.estimated) == (Outcome.OK, True, False)
    assert row.completion_tokens > 0
    assert row.first_token_at is not None


def sent_id(sent: bytes) -> str:
    return str(msgspec.json.decode(sent.split(b"data: ")[1].split(b"\n\n")[0])["id"])


ODD_ANSWER = (
    b'{"id":"chatcmpl-odd","choices":[{"message":{"content":[{"text":"hi"}]},"finish_reason":"stop"}]}'
)


@pytest.mark.parametrize(
    ("model", "body", "id_"),
    [
        ("gpt", answers.openai_chat(), "chatcmpl-canned"),
        ("gpt", ODD_ANSWER, "chatcmpl-odd"),
        ("claude", answers.anthropic_message(), "msg_canned"),
        ("mistral-local", answers.ollama_chat(), "chatcmpl-0190-call"),
        ("gpt", answers.openai_chat().replace(b'"id":"chatcmpl-canned",', b""), None),
    ],
)
def test_a_row_has_the_id_of_the_answer_that_the_client_saw(model: str, body: bytes, id_: str | None) -> None:
    ledger = FakeLedger()
    asyncio.run(plain(ask(model), model_ctx(FakeUpstream(Answer(body=body)), ledger=ledger)))
    assert only_row(ledger).response_id == id_


@pytest.mark.parametrize("ending", ["whole", "cut", "left"])
@pytest.mark.parametrize(
    ("model", "chunks"),
    [
        ("gpt", answers.openai_stream()),
        ("gpt", [b": waiting\n\n", b"".join(answers.openai_stream()[:3]), *answers.openai_stream()[3:]]),
        ("claude", answers.anthropic_stream()),
        ("mistral-local", answers.ollama_stream()),
    ],
)
def test_the_row_of_a_stream_has_its_id_however_the_stream_ends(
    model: str, chunks: list[bytes], ending: str
) -> None:
    async def run() -> tuple[bytes, SpendRow]:
        ledger = FakeLedger()
        answer = Answer(chunks=chunks if ending == "whole" else chunks[:4])
        events = await stream(ask(model, stream=True), model_ctx(FakeUpstream(answer), ledger=ledger))
        sent = b""
        try:
            async for piece in events.events():
                sent += piece
                if ending == "left":
                    break
        except UpstreamCut:
            assert ending == "cut"
        events.close()
        return sent, only_row(ledger)

    sent, row = asyncio.run(run())
    assert row.response_id == sent_id(b"data: " + sent.split(b"data: ")[1])


@pytest.mark.parametrize("whole", [True, False])
def test_the_id_of_a_stream_is_found_behind_events_that_have_an_empty_one(whole: bool) -> None:
    """Azure's first event is about the prompt alone."""
    first = b'data: {"id":"","object":"","choices":[],"prompt_filter_results":[]}\n\n'
    chunks = answers.openai_stream()

    async def run() -> SpendRow:
        ledger = FakeLedger()
        answer = Answer(chunks=[first, b"".join(chunks)] if whole else [first, *chunks])
        await drain(await stream(ask(stream=True), model_ctx(FakeUpstream(answer), ledger=ledger)))
        return only_row(ledger)

    assert asyncio.run(run()).response_id == "chatcmpl-canned"


def test_an_attempt_that_failed_has_no_id_of_an_answer() -> None:
    ledger = FakeLedger()
    with pytest.raises(ProviderError):
        asyncio.run(chat(ask(), model_ctx(FakeUpstream(Answer(status=400, body=b"{}")), ledger=ledger)))
    assert only_row(ledger).response_id is None


def test_the_byte_path_sends_what_came_and_changes_the_model_alone() -> None:
    body = b'{"model":"gpt","messages":[{"role":"user","content":"hi"}],"odd_field":{"a":[1.0]}}'
    request = msgspec.json.decode(body, type=ChatRequest)
    request.with_raw(msgspec.json.decode(body, type=dict[str, msgspec.Raw]))
    upstream = FakeUpstream(Answer(body=answers.openai_chat()))
    asyncio.run(plain(request, model_ctx(upstream)))
    assert upstream.requests[0].body == body.replace(b'"gpt"', b'"gpt-4"')


def test_the_callers_key_never_reaches_the_upstream() -> None:
    upstream = FakeUpstream(Answer(body=answers.openai_chat()))
    asyncio.run(plain(ask(), model_ctx(upstream)))
    sent = upstream.requests[0]
    assert sent.headers["authorization"] == "Bearer sk-upstream-secret"
    assert MEMBER.key_hash not in str(sent.headers)
    assert "secret" not in repr(sent)


def test_an_unknown_or_forbidden_model_reaches_no_upstream() -> None:
    limited = msgspec.structs.replace(MEMBER, models=(AllowedModels("key", ("claude",)),))
    for model, kind in (("nope", ModelNotFound), ("gpt", ModelNotAllowed)):
        ledger = FakeLedger()
        ctx = model_ctx(FakeUpstream(), caller=limited, ledger=ledger)
        with pytest.raises(kind):
            asyncio.run(chat(ask(model), ctx))
        assert ledger.rows == []  # refusals are booked by whoever turns them into a reply


def test_what_a_translation_cannot_say_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        asyncio.run(chat(ask("claude", n=2), model_ctx(FakeUpstream())))
    assert caught.value.param == "n"


@pytest.mark.parametrize(
    ("script", "kind", "outcome", "costs"),
    [
        (UpstreamUnreachable("down"), UpstreamUnreachable, Outcome.FAILED, False),
        (UpstreamTimeout("slow"), UpstreamTimeout, Outcome.UNCERTAIN, True),
        (Answer(status=401, body=b"{}"), ProviderError, Outcome.FAILED, False),
        (Answer(status=429, headers={"Retry-After": "7"}, body=b"{}"), ProviderError, Outcome.FAILED, False),
        (Answer(status=500, body=b"<html>"), ProviderError, Outcome.UNCERTAIN, True),
        (Answer(body=b"garbage"), UpstreamMalformed, Outcome.UNCERTAIN, True),
        (Answer(body=b""), UpstreamMalformed, Outcome.UNCERTAIN, True),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_failed_call_is_booked_by_what_it_may_have_cost(
    script: Any, kind: type[GatewayError], outcome: Outcome, costs: bool, streamed: bool
) -> None:
    ledger, upstream = FakeLedger(), FakeUpstream(script)
    with pytest.raises(kind):
        asyncio.run(chat(ask(stream=streamed), model_ctx(upstream, ledger=ledger)))
    row = only_row(ledger)
    assert (row.outcome, row.cost_nano > 0) == (outcome, costs)
    assert row.error_class == kind.__name__
    assert all(response.closed or response.status for response in upstream.responses)


OVERLOADS = {
    "gpt": b'{"error": {"message": "overloaded", "type": "server_error"}}',
    "claude": b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}',
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("status", [500, 503, 529])
@pytest.mark.parametrize("model", ["gpt", "claude"])
def test_an_overload_that_the_provider_itself_tells_costs_nothing(
    model: str, status: int, streamed: bool
) -> None:
    ledger, upstream = FakeLedger(), FakeUpstream(Answer(status=status, body=OVERLOADS[model]))
    with pytest.raises(ProviderError):
        asyncio.run(chat(ask(model, stream=streamed), model_ctx(upstream, ledger=ledger)))
    row = only_row(ledger)
    assert (row.outcome, row.cost_nano, row.prompt_tokens) == (Outcome.FAILED, 0, 0)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=408, body=OVERLOADS["gpt"]),
        Answer(status=499, body=OVERLOADS["gpt"]),
        Answer(status=502, body=OVERLOADS["gpt"]),
        Answer(status=504, body=OVERLOADS["gpt"]),
        Answer(status=524, body=OVERLOADS["gpt"]),
        Answer(status=503, body=b"<html>503 Service Temporarily Unavailable</html>"),
        Answer(status=503, body=b'{"message": "no healthy upstream"}'),
        Answer(status=520, body=b'{"error": {"message": "maximum context length"}}'),
        Answer(status=429, chunks=[b'{"error": {"mess'], error=UpstreamCut("cut")),
        Answer(status=500, chunks=[OVERLOADS["gpt"]], error=UpstreamCut("cut")),
    ],
)
def test_what_something_in_between_says_or_was_cut_off_is_booked_at_the_ceiling(answer: Answer) -> None:
    ledger = FakeLedger()
    with pytest.raises(UpstreamError):
        asyncio.run(chat(ask(), model_ctx(FakeUpstream(answer), ledger=ledger)))
    row = only_row(ledger)
    assert (row.outcome, row.cost_nano > 0, row.estimated) == (Outcome.UNCERTAIN, True, True)


def test_a_deployment_that_bills_failures_is_booked_at_the_ceiling() -> None:
    entry = CONFIG["model_list"][0] | {"model_info": {"bills_failures": True}}
    ledger, upstream = FakeLedger(), FakeUpstream(Answer(status=500, body=OVERLOADS["gpt"]))
    ctx = model_ctx(
        upstream, ledger=ledger, config={"model_list": [entry], "router_settings": {"num_retries": 0}}
    )
    with pytest.raises(ProviderError):
        asyncio.run(chat(ask(), ctx))
    row = only_row(ledger)
    assert (row.outcome, row.cost_nano > 0) == (Outcome.UNCERTAIN, True)


@pytest.mark.parametrize(
    "script",
    [
        Answer(status=500, body=b'{"error": "model requires more system memory"}'),
        Answer(status=500, body=b"<html>"),
        Answer(status=502, body=b""),
        Answer(body=b"garbage"),
        UpstreamTimeout("slow"),
        UpstreamCut("cut"),
    ],
)
def test_a_failed_attempt_that_costs_nothing_uses_no_tokens(script: Any) -> None:
    ledger = FakeLedger()
    with pytest.raises(GatewayError):
        asyncio.run(chat(ask("mistral-local"), model_ctx(FakeUpstream(script), ledger=ledger)))
    row = only_row(ledger)
    assert (row.outcome, row.cost_nano) == (Outcome.FAILED, 0)
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (0, 0, False)


def test_a_free_attempt_that_is_cancelled_keeps_what_may_have_been_produced() -> None:
    async def run() -> SpendRow:
        ledger, upstream = FakeLedger(), FakeUpstream(Answer(stalls=True))
        ctx = model_ctx(upstream, ledger=ledger)
        task = asyncio.create_task(chat(ask("mistral-local", max_tokens=50), ctx))
        for _ in range(10):  # turns of the loop: past the head, into the wait for the body
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return only_row(ledger)

    row = asyncio.run(run())
    assert (row.outcome, row.completion_tokens) == (Outcome.CANCELLED, 50)


def test_a_rate_limit_keeps_its_retry_after() -> None:
    answer = Answer(status=429, headers={"Retry-After": "7"}, body=b"{}")
    with pytest.raises(ProviderError) as caught:
        asyncio.run(chat(ask(), model_ctx(FakeUpstream(answer))))
    assert (caught.value.http_status, caught.value.retry_after_s) == (429, 7)


def test_a_stream_that_breaks_raises_and_is_booked_at_what_was_produced() -> None:
    async def run() -> tuple[list[bytes], SpendRow]:
        ledger, got = FakeLedger(), []
        chunks = answers.openai_stream()[:3]
        ctx = model_ctx(FakeUpstream(Answer(chunks=chunks, error=UpstreamCut("reset"))), ledger=ledger)
        events = await stream(ask(stream=True), ctx)
        pieces = events.events()
        got.append(await anext(pieces))
        with pytest.raises(UpstreamCut):
            got.extend([piece async for piece in pieces])
        events.close()
        return got, only_row(ledger)

    got, row = asyncio.run(run())
    assert b"[DONE]" not in b"".join(got)
    assert (row.outcome, row.estimated) == (Outcome.FAILED, True)
    assert row.completion_tokens > 0
    assert row.cost_nano > 0


def test_a_stream_without_an_end_is_never_a_clean_stop() -> None:
    async def run() -> None:
        chunks = answers.openai_stream()[:3]
        events = await stream(ask(stream=True), model_ctx(FakeUpstream(Answer(chunks=chunks))))
        with pytest.raises(UpstreamCut):
            await drain(events)

    asyncio.run(run())


def test_a_client_that_leaves_a_stream_cuts_the_upstream_and_is_booked() -> None:
    async def run() -> SpendRow:
        ledger = FakeLedger()
        upstream = FakeUpstream(Answer(chunks=answers.openai_stream()[:3], stalls=True))
        events = await stream(ask(stream=True), model_ctx(upstream, ledger=ledger))
        async for _ in events.events():
            break
        events.close()
        assert upstream.responses[0].closed
        return only_row(ledger)

    row = asyncio.run(run())
    assert (row.outcome, row.estimated, row.http_status) == (Outcome.CANCELLED, True, 499)


def test_a_stream_that_nobody_began_to_read_is_booked_too() -> None:
    async def run() -> SpendRow:
        ledger = FakeLedger()
        upstream = FakeUpstream(Answer(chunks=answers.openai_stream()))
        (await stream(ask(stream=True), model_ctx(upstream, ledger=ledger))).close()
        return only_row(ledger)

    assert asyncio.run(run()).outcome is Outcome.CANCELLED


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_leaves_before_the_first_byte_cancels_the_call(streamed: bool) -> None:
    async def run() -> SpendRow:
        ledger, upstream = FakeLedger(), FakeUpstream(Answer(stalls=True))
        task = asyncio.create_task(chat(ask(stream=streamed), model_ctx(upstream, ledger=ledger)))
        for _ in range(10):  # turns of the loop: past the head, into the wait for a first byte
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert upstream.responses[0].closed
        return only_row(ledger)

    row = asyncio.run(run())
    assert (row.outcome, row.estimated) == (Outcome.CANCELLED, True)


@pytest.mark.parametrize("fields", [{"max_tokens": 10**25}, {"n": 10**12}, {"max_completion_tokens": 2**31}])
def test_a_limit_that_no_row_could_hold_is_refused(fields: dict[str, int]) -> None:
    body = msgspec.json.encode({"model": "gpt", "messages": [], **fields})
    with pytest.raises(InvalidRequest) as caught:
        decode_body(msgspec.json.Decoder(ChatRequest), body)
    assert caught.value.param in fields


def test_a_hidden_reasoners_cancelled_stream_is_booked_at_all_it_was_asked_for() -> None:
    async def run(model: str, max_tokens: int = 700) -> SpendRow:
        ledger = FakeLedger()
        upstream = FakeUpstream(Answer(chunks=answers.openai_stream()[:1], stalls=True))
        events = await stream(
            ask(f"openai/{model}", stream=True, max_tokens=max_tokens), model_ctx(upstream, ledger=ledger)
        )
        events.close()
        return only_row(ledger)

    assert asyncio.run(run("o3")).completion_tokens == 700
    assert asyncio.run(run("gemini-2.5-pro")).completion_tokens == 700
    assert asyncio.run(run("gpt-4o", 7_000)).completion_tokens < UNRECEIVED_TOKENS + 100


async def left_after(pieces: int, model: str, chunks: list[bytes], **fields: Any) -> SpendRow:
    """The row of a stream whose client left after so many pieces."""
    ledger = FakeLedger()
    upstream = FakeUpstream(Answer(chunks=chunks, stalls=True))
    events = await stream(ask(model, stream=True, **fields), model_ctx(upstream, ledger=ledger))
    iterator = events.events()
    for _ in range(pieces):
        await anext(iterator)
    events.close()
    return only_row(ledger)


def test_a_cancelled_stream_is_booked_at_a_token_a_byte_and_never_above_the_callers_limit() -> None:
    chunks = answers.openai_stream()[:4]
    shown = sum(map(len, answers.TEXT[:3])) + UNRECEIVED_TOKENS
    free = asyncio.run(left_after(3, "gpt", chunks))
    assert (free.completion_tokens, free.estimated, free.outcome) == (shown, True, Outcome.CANCELLED)
    capped = asyncio.run(left_after(3, "gpt", chunks, max_tokens=3))
    assert (capped.completion_tokens, capped.estimated) == (3, True)
    assert capped.cost_nano < free.cost_nano


def test_what_claude_said_of_its_input_stays_where_the_client_leaves() -> None:
    row = asyncio.run(left_after(2, "claude", answers.anthropic_stream()[:5]))
    assert (row.prompt_tokens, row.estimated) == (answers.PROMPT_TOKENS, True)
    assert row.completion_tokens == sum(map(len, answers.TEXT[:2])) + UNRECEIVED_TOKENS
    capped = asyncio.run(left_after(2, "claude", answers.anthropic_stream()[:5], max_tokens=4))
    assert capped.completion_tokens == 4


def test_an_answer_without_usage_is_booked_at_a_bound_that_is_the_same_for_a_stream() -> None:
    async def both() -> tuple[SpendRow, SpendRow]:
        of_plain, of_stream = FakeLedger(), FakeLedger()
        whole = FakeUpstream(Answer(body=answers.openai_chat(usage={})))
        await plain(ask(), model_ctx(whole, ledger=of_plain))
        pieces = FakeUpstream(Answer(chunks=answers.openai_stream(usage=False)))
        await drain(await stream(ask(stream=True), model_ctx(pieces, ledger=of_stream)))
        return only_row(of_plain), only_row(of_stream)

    in_one, in_pieces = asyncio.run(both())
    shown = sum(map(len, answers.TEXT))
    assert (in_one.outcome, in_one.estimated, in_one.completion_tokens) == (Outcome.OK, True, shown)
    assert (in_pieces.outcome, in_pieces.estimated, in_pieces.completion_tokens) == (Outcome.OK, True, shown)


def test_a_local_answer_whose_counts_cannot_be_true_is_booked_at_a_bound() -> None:
    async def run() -> SpendRow:
        ledger = FakeLedger()
        body = answers.ollama_chat().replace(b'"eval_count":6', b'"eval_count":-6')
        await plain(ask("mistral-local"), model_ctx(FakeUpstream(Answer(body=body)), ledger=ledger))
        return only_row(ledger)

    row = asyncio.run(run())
    assert row.estimated
    assert row.prompt_tokens > 0
    assert row.completion_tokens > 0


def test_a_worker_that_stops_is_not_taken_for_a_client_that_left() -> None:
    async def plainly() -> SpendRow:
        ledger, upstream = FakeLedger(), FakeUpstream(Answer(stalls=True))
        task = asyncio.create_task(chat(ask(), model_ctx(upstream, ledger=ledger)))
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel(SHUTTING_DOWN)
        with pytest.raises(asyncio.CancelledError):
            await task
        return only_row(ledger)

    row = asyncio.run(plainly())
    assert (row.outcome, row.http_status, row.error_class) == (Outcome.FAILED, 503, "ShuttingDown")


@pytest.mark.parametrize("ending", [{"stalls": True}, {"error": UpstreamCut("reset")}])
def test_what_happens_to_the_connection_after_done_is_nobodys_business(ending: dict[str, Any]) -> None:
    async def run() -> tuple[bytes, SpendRow]:
        ledger = FakeLedger()
        upstream = FakeUpstream(Answer(chunks=answers.openai_stream(), **ending))
        events = await stream(ask(stream=True), model_ctx(upstream, ledger=ledger))
        return await drain(events), only_row(ledger)

    sent, row = asyncio.run(run())
    assert sent.endswith(b"data: [DONE]\n\n")
    assert row.outcome is Outcome.OK


def counting(model: str, prompt: int, completion: int, *, streamed: bool) -> Answer:
    """An answer of a provider that counts so much, whatever it said."""
    bodies = {
        "gpt": (answers.openai_chat(), answers.openai_stream()),
        "claude": (answers.anthropic_message(), answers.anthropic_stream()),
        "mistral-local": (answers.ollama_chat(), answers.ollama_stream()),
    }
    names = (
        (b'"prompt_tokens":', b'"input_tokens":', b'"prompt_eval_count":'),
        (b'"completion_tokens":', b'"output_tokens":', b'"eval_count":'),
    )
    whole, chunks = bodies[model]
    data = b"".join(chunks) if streamed else whole
    for spelt, count in zip(names, (prompt, completion), strict=True):
        for name in spelt:
            data = re.sub(rb"(?<!_)" + name + rb"\s*\d+", name + b"%d" % count, data)
    return Answer(body=data.replace(b'"total_tokens":18', b'"total_tokens":%d' % (prompt + completion)))


def booked(request: ChatRequest, answer: Answer) -> SpendRow:
    async def run() -> SpendRow:
        ledger = FakeLedger()
        ctx = model_ctx(FakeUpstream(answer), ledger=ledger)
        if request.stream:
            await drain(await stream(request, ctx))
        else:
            await plain(request, ctx)
        return only_row(ledger)

    return asyncio.run(run())


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", ["gpt", "claude", "mistral-local"])
def test_a_provider_that_counts_no_output_is_booked_at_a_bound_of_what_came(
    model: str, streamed: bool
) -> None:
    row = booked(ask(model, stream=streamed), counting(model, 9, 0, streamed=streamed))
    assert (row.outcome, row.prompt_tokens, row.estimated) == (Outcome.OK, 9, True)
    assert row.completion_tokens >= len("".join(answers.TEXT))
    honest = booked(ask(model, stream=streamed), counting(model, 9, 6, streamed=streamed))
    assert (honest.prompt_tokens, honest.completion_tokens, honest.estimated) == (9, 6, False)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", ["gpt", "claude", "mistral-local"])
def test_a_provider_that_counts_no_input_is_booked_at_a_bound_of_it(model: str, streamed: bool) -> None:
    row = booked(ask(model, stream=streamed), counting(model, 0, 6, streamed=streamed))
    assert (row.completion_tokens, row.estimated) == (6, True)
    assert row.prompt_tokens > len("Say hello.")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_count_far_above_the_limit_is_booked_in_full(streamed: bool) -> None:
    request = ask("gpt", stream=streamed, max_tokens=1)
    row = booked(request, counting("gpt", 9, 50_000, streamed=streamed))
    assert (row.completion_tokens, row.estimated) == (50_000, False)


def test_an_answer_with_nan_reaches_the_client_as_it_came() -> None:
    body = answers.openai_chat().replace(
        b'"logprobs":null', b'"logprobs":{"content":[{"logprob":-Infinity}]}'
    )
    ledger = FakeLedger()
    completion = asyncio.run(plain(ask(), model_ctx(FakeUpstream(Answer(body=body)), ledger=ledger)))
    assert completion.wire == body.replace(b'"gpt-4"', b'"gpt"')
    assert (only_row(ledger).outcome, only_row(ledger).estimated) == (Outcome.OK, False)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", ["gpt", "claude", "mistral-local"])
def test_a_short_answer_in_a_long_envelope_is_booked_at_its_count(model: str, streamed: bool) -> None:
    """A word of one token in a body of kilobytes."""
    answer = counting(model, 9, 1, streamed=streamed)
    padded = re.sub(rb'\{"(id|type|model)"', rb'{"padding":"%s","\1"' % (b"x" * 3_000), answer.body)
    assert len(padded) > 3_000
    row = booked(ask(model, stream=streamed), Answer(body=padded))
    assert (row.completion_tokens, row.estimated) == (1, False)
