"""A call that is attempted more than once: what is answered, and what is booked of each attempt."""

import asyncio
from typing import Any

import msgspec
import pytest

from functions.chat import chat
from functions.contract.call import Call
from functions.embeddings import embeddings
from functions.ports.context import ModelContext
from models_registry.target import Target
from runtime.ledger.attempts import COST_HEADER, BookedLedger
from runtime.limits.admission import MAX_TOKENS_HEADER, NOTHING_HELD, Admission
from runtime.upstream.router import ATTEMPTED_FALLBACKS, ATTEMPTED_RETRIES
from schema.chat import ChatCompletion, ChatRequest, Message
from schema.embeddings import EmbeddingsRequest
from schema.errors.limits import BudgetExceeded
from schema.errors.requests import UnsupportedParameter
from schema.errors.upstream import (
    ProviderError,
    UpstreamCut,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from schema.ledger.rows import Outcome
from schema.route_options import RouteOptions
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger, ListSink, NoLimits
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import model_ctx

HELLO = [Message(role="user", content="Say hello.")]
BROKEN = Answer(status=500, body=b"<html>out of memory</html>")
SLOW_DOWN = Answer(status=429, body=b'{"error": {"message": "slow down"}}')
TOO_LONG = Answer(status=400, body=b'{"error": {"message": "no", "code": "context_length_exceeded"}}')
GOOD = Answer(body=answers.openai_chat())


def config(*names: str, **router: Any) -> dict[str, Any]:
    """Deployments of these public names, each with a price of its own: the second at twice the first's."""
    entries = []
    for place, name in enumerate(names, 1):
        params = {
            "model": f"openai/deployment-{place}",
            "api_base": f"http://{place}.test/v1",
            "api_key": "sk-x",
            "input_cost_per_token": place / 1e6,
            "output_cost_per_token": place / 1e6,
        }
        entries.append(
            {"model_name": name, "litellm_params": params, "model_info": {"id": f"deployment-{place}"}}
        )
    return {"model_list": entries, "router_settings": router}


def ask(**fields: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=HELLO, max_tokens=10, **fields)


class Scene:
    """`failed` is the error that the caller got, if it got one."""

    def __init__(self, upstream: FakeUpstream, given: dict[str, Any], **facts: Any) -> None:
        self.upstream = upstream
        self.ledger = FakeLedger()
        self.ctx = model_ctx(upstream, ledger=self.ledger, config=given, **facts)

    @property
    def headers(self) -> dict[str, str]:
        return self.ctx.call.reply_headers

    @property
    def deployment(self) -> dict[str, str]:
        """What the reply's head says of the deployment."""
        return {name.decode(): value.decode() for name, value in self.ctx.call.provider_side.deployment}

    @property
    def booked(self) -> list[tuple[str, str, Outcome, int]]:
        return [(row.request_id, row.model, row.outcome, row.http_status) for row in self.ledger.rows]

    def ask(self, request: ChatRequest) -> ChatCompletion:
        async def run() -> ChatCompletion:
            answer = await chat(request, self.ctx)
            assert isinstance(answer, ChatCompletion)
            return answer

        return asyncio.run(run())


def test_each_attempt_has_a_row_and_the_last_has_the_calls_id() -> None:
    scene = Scene(FakeUpstream(BROKEN, SLOW_DOWN, GOOD), config("m"))
    scene.ask(ask())
    assert scene.booked == [
        ("0190-call-a1", "deployment-1", Outcome.UNCERTAIN, 500),
        ("0190-call-a2", "deployment-1", Outcome.FAILED, 429),
        ("0190-call", "deployment-1", Outcome.OK, 200),
    ]
    assert [row.final for row in scene.ledger.rows] == [False, False, True]
    assert scene.ledger.sink.held == {}
    first, second, third = scene.ledger.rows
    assert first.cost_nano > third.cost_nano > second.cost_nano == 0, "a bound, the cost, and nothing"
    assert {row.call_id for row in scene.ledger.rows} == {"0190-call"}
    assert (scene.headers[ATTEMPTED_RETRIES], scene.headers[ATTEMPTED_FALLBACKS]) == ("2", "0")


def test_a_call_that_is_answered_at_once_says_nothing_of_retries() -> None:
    scene = Scene(FakeUpstream(GOOD), config("m"))
    scene.ask(ask())
    assert ATTEMPTED_RETRIES not in scene.headers
    assert len(scene.ledger.rows) == 1


def test_a_fallback_is_booked_at_its_own_price() -> None:
    given = config("m", "n", num_retries=0, fallbacks=[{"m": ["n"]}])
    scene = Scene(FakeUpstream(SLOW_DOWN, GOOD), given)
    scene.ask(ask())
    assert scene.booked == [
        ("0190-call-a1", "deployment-1", Outcome.FAILED, 429),
        ("0190-call", "deployment-2", Outcome.OK, 200),
    ]
    row = scene.ledger.rows[-1]
    assert (row.model_group, row.model_id) == ("n", "deployment-2")
    assert row.cost_nano == 2_000 * (row.prompt_tokens + row.completion_tokens)
    assert scene.deployment["x-litellm-model-group"] == "n"
    assert scene.deployment["x-litellm-model-id"] == "deployment-2"
    assert scene.headers[ATTEMPTED_FALLBACKS] == "1"
    assert [request.url for request in scene.upstream.requests] == [
        "http://1.test/v1/chat/completions",
        "http://2.test/v1/chat/completions",
    ]


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        (UpstreamUnreachable("x"), Outcome.FAILED),
        (UpstreamTimeout("x"), Outcome.UNCERTAIN),
        (UpstreamCut("x"), Outcome.UNCERTAIN),
        (Answer(body=answers.openai_chat()[:40], error=UpstreamCut("x")), Outcome.UNCERTAIN),
        (Answer(body=b'{"error": {"message": "x", "type": "rate_limit_error"}}'), Outcome.FAILED),
    ],
)
def test_whatever_broke_before_an_answer_is_tried_again(first: Any, outcome: Outcome) -> None:
    scene = Scene(FakeUpstream(first, GOOD), config("m"))
    assert scene.ask(ask()).choices
    assert [row.outcome for row in scene.ledger.rows] == [outcome, Outcome.OK]


def test_garbage_is_asked_of_another_deployment_alone() -> None:
    scene = Scene(FakeUpstream(Answer(body=b"garbage"), GOOD), config("m", "m"))
    assert scene.ask(ask()).choices
    assert len({row.model for row in scene.ledger.rows}) == 2
    alone = Scene(FakeUpstream(Answer(body=b"garbage"), GOOD), config("m"))
    with pytest.raises(UpstreamMalformed):
        alone.ask(ask())


def test_where_nothing_answers_the_last_attempt_has_the_calls_id() -> None:
    scene = Scene(FakeUpstream(BROKEN), config("m", num_retries=1))
    with pytest.raises(ProviderError) as failed:
        scene.ask(ask())
    assert failed.value.http_status == 500
    assert [row.request_id for row in scene.ledger.rows] == ["0190-call-a1", "0190-call"]
    scene.ledger.refuse(scene.ctx.call, failed.value, model="m")
    assert len(scene.ledger.rows) == 2, "its last attempt is its row"


def test_the_caller_is_told_of_the_model_it_asked_for() -> None:
    given = config("m", "n", num_retries=0, fallbacks=[{"m": ["n"]}])
    scene = Scene(FakeUpstream(SLOW_DOWN, BROKEN), given)
    with pytest.raises(ProviderError) as failed:
        scene.ask(ask())
    assert failed.value.http_status == 429
    assert isinstance(failed.value.__cause__, ProviderError)
    assert scene.deployment["x-litellm-model-id"] == "deployment-1"
    assert scene.headers[ATTEMPTED_FALLBACKS] == "1"
    assert [row.http_status for row in scene.ledger.rows] == [429, 500]


def test_a_stream_that_breaks_before_its_first_event_is_tried_again() -> None:
    whole = Answer(chunks=answers.openai_stream())
    scene = Scene(FakeUpstream(Answer(error=UpstreamCut("x")), BROKEN, whole), config("m"))

    async def run() -> bytes:
        events = await chat(ask(stream=True), scene.ctx)
        assert not isinstance(events, ChatCompletion)
        try:
            return b"".join([piece async for piece in events.events()])
        finally:
            events.close()

    assert asyncio.run(run()).endswith(b"data: [DONE]\n\n")
    assert [row.request_id for row in scene.ledger.rows] == ["0190-call-a1", "0190-call-a2", "0190-call"]


def test_a_reply_says_nothing_of_an_attempt_that_failed() -> None:
    """A stream's headers go out before its cost is known."""
    scene = Scene(FakeUpstream(BROKEN, Answer(chunks=answers.openai_stream())), config("m"))
    headers, limits = scene.headers, scene.ctx.call.limit_headers

    class Limiting(NoLimits):
        async def admit(self, call: Call, target: Target, bounds: Any, customer: str | None) -> Admission:
            if not call.attempts:
                headers[MAX_TOKENS_HEADER] = "7"
                limits.append((b"x-ratelimit-remaining-requests", b"3"))
            return NOTHING_HELD

    ledger = BookedLedger(ListSink(), Limiting())
    ctx = msgspec.structs.replace(scene.ctx, ledger=ledger)

    async def run() -> None:
        events = await chat(ask(stream=True), ctx)
        assert not isinstance(events, ChatCompletion)
        assert MAX_TOKENS_HEADER not in headers
        assert COST_HEADER not in headers
        assert limits == []
        events.close()

    asyncio.run(run())


def test_a_stream_that_has_begun_is_not_tried_again() -> None:
    begun = Answer(chunks=answers.openai_stream()[:2], error=UpstreamCut("x"))
    scene = Scene(FakeUpstream(begun, GOOD), config("m"))

    async def run() -> None:
        events = await chat(ask(stream=True), scene.ctx)
        assert not isinstance(events, ChatCompletion)
        with pytest.raises(UpstreamCut):
            async for _ in events.events():
                pass
        events.close()

    asyncio.run(run())
    assert [row.request_id for row in scene.ledger.rows] == ["0190-call"]
    assert len(scene.upstream.requests) == 1


class OneHold(NoLimits):
    """Lets a single attempt in."""

    def __init__(self) -> None:
        self.admitted = 0

    async def admit(self, call: Call, target: Target, bounds: Any, customer: str | None) -> Admission:
        self.admitted += 1
        if self.admitted > 1:
            raise BudgetExceeded("Budget has been exceeded!")
        return await super().admit(call, target, bounds, customer)


def test_a_hold_that_does_not_fit_ends_the_walk_with_the_first_error() -> None:
    sink = ListSink()
    ledger = BookedLedger(sink, OneHold())
    upstream = FakeUpstream(BROKEN, GOOD)
    ctx = model_ctx(upstream, ledger=ledger, config=config("m"))  # type: ignore[arg-type]
    with pytest.raises(ProviderError) as failed:
        asyncio.run(chat(ask(), ctx))
    assert isinstance(failed.value.__cause__, BudgetExceeded)
    assert len(upstream.requests) == 1
    ledger.refuse(ctx.call, failed.value, model="m")  # as runtime/invoke.py does
    assert [(row.request_id, row.outcome, row.cost_nano > 0) for row in sink.rows] == [
        ("0190-call-a1", Outcome.UNCERTAIN, True),
        ("0190-call", Outcome.FAILED, False),
    ]
    last = sink.rows[-1]
    assert (last.http_status, last.error_class, last.model_group) == (500, "BudgetExceeded", "m")


def test_a_parameter_that_one_deployment_cannot_honour_is_asked_of_another() -> None:
    given = config("m", "n", num_retries=0, fallbacks=[{"m": ["n"]}])
    given["model_list"][0]["litellm_params"] |= {"model": "ollama/x", "api_base": "http://ollama.test"}
    scene = Scene(FakeUpstream(GOOD), given)
    scene.ask(ask(n=2))
    assert scene.booked == [("0190-call", "deployment-2", Outcome.OK, 200)], "nothing was sent before"
    alone = Scene(FakeUpstream(GOOD), {"model_list": given["model_list"][:1]})
    with pytest.raises(UnsupportedParameter):
        alone.ask(ask(n=2))


def test_a_prompt_that_is_too_long_goes_to_the_model_for_it() -> None:
    given = config("m", "long", context_window_fallbacks=[{"m": ["long"]}])
    scene = Scene(FakeUpstream(TOO_LONG, GOOD), given)
    scene.ask(ask())
    assert [row.model_group for row in scene.ledger.rows] == ["m", "long"]


def test_a_request_says_how_it_wants_to_go() -> None:
    given = config("m", "n", num_retries=2)
    facts = {"route_options": RouteOptions(retries=0, fallbacks=("n",))}
    scene = Scene(FakeUpstream(BROKEN, GOOD), given, **facts)
    scene.ask(ask())
    assert [row.model for row in scene.ledger.rows] == ["deployment-1", "deployment-2"]


def test_what_is_for_the_gateway_is_not_sent_on() -> None:
    scene = Scene(FakeUpstream(GOOD), config("m"))
    request = ask()
    request.with_raw(request.fields() | {"num_retries": b"3", "fallbacks": b'["n"]'})  # type: ignore[arg-type]
    scene.ask(request)
    assert b"num_retries" not in scene.upstream.requests[0].body
    assert b"fallbacks" not in scene.upstream.requests[0].body


def test_embeddings_are_tried_again() -> None:
    scene = Scene(FakeUpstream(BROKEN, Answer(body=answers.openai_embeddings())), config("m"))
    asyncio.run(embeddings(EmbeddingsRequest(model="m", input="hello"), scene.ctx))
    assert [(row.request_id, row.call_type) for row in scene.ledger.rows] == [
        ("0190-call-a1", "acompletion"),
        ("0190-call", "acompletion"),
    ]


def test_who_leaves_while_the_gateway_waits_has_a_row_of_the_call() -> None:
    async def run() -> tuple[FakeLedger, ModelContext]:
        waiting = asyncio.Event()

        async def sleep(seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        ledger = FakeLedger()
        ctx = model_ctx(FakeUpstream(BROKEN), ledger=ledger, config=config("m"), sleep=sleep)
        calling = asyncio.create_task(chat(ask(), ctx))
        await waiting.wait()
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        return ledger, ctx

    ledger, ctx = asyncio.run(run())
    assert [row.request_id for row in ledger.rows] == ["0190-call-a1"]
    assert not ctx.call.has_row


@pytest.mark.parametrize(
    ("options", "deployment", "deadlines"),
    [
        (RouteOptions(), {}, (10.0, 600.0, 120.0, 6000.0)),
        (RouteOptions(timeout_s=3.0), {}, (3.0, 3.0, 3.0, 3.0)),
        (RouteOptions(timeout_s=300.0), {"timeout": 30}, (10.0, 300.0, 120.0, 300.0)),
        (RouteOptions(stream_timeout_s=5.0), {"timeout": 30}, (10.0, 30.0, 5.0, 30.0)),
        (RouteOptions(timeout_s=90.0), {"stream_timeout": 7}, (10.0, 90.0, 7.0, 90.0)),
        (RouteOptions(timeout_s=2.0, stream_timeout_s=7.0), {}, (2.0, 2.0, 2.0, 2.0)),
    ],
)
def test_a_request_sets_its_own_deadlines(
    options: RouteOptions, deployment: dict[str, Any], deadlines: tuple[float, ...]
) -> None:
    given = config("m")
    given["model_list"][0]["litellm_params"].update(deployment)
    scene = Scene(FakeUpstream(BROKEN, GOOD), given, route_options=options)
    scene.ask(ask())
    for each in scene.upstream.deadlines:
        assert (each.connect_s, each.first_byte_s, each.idle_s, each.total_s) == deadlines
    assert len(scene.upstream.deadlines) == 2, "a retry has them too"
    assert scene.deployment["x-litellm-timeout"] == str(deadlines[-1])


@pytest.mark.parametrize(
    ("options", "router", "deployment", "most"),
    [
        (RouteOptions(), {}, {}, "2"),
        (RouteOptions(), {"num_retries": 5}, {}, "5"),
        (RouteOptions(), {"num_retries": 5}, {"num_retries": 1}, "1"),
        (RouteOptions(retries=0), {"num_retries": 5}, {"num_retries": 1}, "0"),
    ],
)
def test_the_head_says_how_many_retries_there_may_be(
    options: RouteOptions, router: dict[str, Any], deployment: dict[str, Any], most: str
) -> None:
    given = config("m", **router)
    given["model_list"][0]["litellm_params"].update(deployment)
    scene = Scene(FakeUpstream(GOOD), given, route_options=options)
    scene.ask(ask())
    assert scene.deployment["x-litellm-max-retries"] == most


def test_the_providers_headers_are_those_of_the_attempt_that_is_told() -> None:
    given = config("m", "n", num_retries=0, fallbacks=[{"m": ["n"]}])
    first = msgspec.structs.replace(SLOW_DOWN, headers={"x-request-id": "one"})
    second = msgspec.structs.replace(BROKEN, headers={"x-request-id": "two"})
    scene = Scene(FakeUpstream(first, second), given)
    with pytest.raises(ProviderError):
        scene.ask(ask())
    assert list(scene.ctx.call.provider_side.headers) == [(b"llm_provider-x-request-id", b"one")]
    unreachable = Scene(FakeUpstream(first, UpstreamUnreachable("x")), config("m", num_retries=1))
    with pytest.raises(UpstreamUnreachable):
        unreachable.ask(ask())
    assert list(unreachable.ctx.call.provider_side.headers) == []


def test_what_failed_attempts_and_waits_take_is_not_the_gateways_time() -> None:
    scene = Scene(FakeUpstream(SLOW_DOWN, msgspec.structs.replace(GOOD, took_s=2.5)), config("m"))
    scene.ask(ask())
    assert scene.ctx.call.provider_side.waited_s >= 2.5


@pytest.mark.parametrize(("asked_s", "most_nano"), [(None, 30 * 10**6), (90.0, 90 * 10**6), (2.0, 2 * 10**6)])
def test_a_deadline_of_the_requests_own_bounds_what_time_costs(asked_s: float | None, most_nano: int) -> None:
    """Else a longer call could cost more than was held for it."""
    given = config("m", num_retries=0)
    params = {"timeout": 30, "input_cost_per_second": 0.001, "output_cost_per_token": 0}
    given["model_list"][0]["litellm_params"].update(params)
    given["model_list"][0]["litellm_params"].pop("input_cost_per_token")
    scene = Scene(FakeUpstream(UpstreamTimeout("x")), given, route_options=RouteOptions(timeout_s=asked_s))
    with pytest.raises(UpstreamTimeout):
        scene.ask(ask())
    (row,) = scene.ledger.rows
    assert (row.outcome, row.cost_nano) == (Outcome.UNCERTAIN, most_nano)
