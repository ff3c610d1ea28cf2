"""Legacy completions: the byte path, and any chat model behind a prompt."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from functions.completions import completions
from functions.contract.function import EventStream
from functions.ports.context import ModelContext
from schema.completions import Completion, CompletionsRequest
from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.upstream import UpstreamCut
from schema.ledger.rows import Outcome
from schema.wire import decode_body
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import model_ctx
from tests.functions.test_chat import drain

TEXT = "".join(answers.TEXT)
WHOLE = {
    "gpt": answers.openai_chat(),
    "claude": answers.anthropic_message(),
    "mistral-local": answers.ollama_chat(),
}
STREAMS = {
    "gpt": answers.openai_stream(),
    "claude": answers.anthropic_stream(),
    "mistral-local": answers.ollama_stream(),
}
NATIVE = {
    "model_list": [
        {
            "model_name": "davinci",
            "litellm_params": {"model": "hosted_vllm/davinci", "api_base": "http://vllm.test/v1"},
        }
    ],
    "router_settings": {"num_retries": 0},
}
NATIVE_ANSWER: dict[str, Any] = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1_700_000_000,
    "model": "davinci",
    "choices": [
        {"text": " one", "index": 0, "logprobs": {"tokens": [" one"]}, "finish_reason": "stop"},
        {"text": " two", "index": 1, "logprobs": None, "finish_reason": "length"},
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    "kv_transfer_params": None,
}


def ask(**fields: Any) -> CompletionsRequest:
    body = {"model": "gpt", "prompt": "Once"} | fields
    return decode_body(msgspec.json.Decoder(CompletionsRequest), json.dumps(body).encode())


def answered(ctx: ModelContext, **fields: Any) -> Completion:
    answer = asyncio.run(completions(ask(**fields), ctx))
    assert isinstance(answer, Completion)
    return answer


async def streamed(ctx: ModelContext, **fields: Any) -> list[dict[str, Any] | str]:
    answer = await completions(ask(stream=True, **fields), ctx)
    assert not isinstance(answer, Completion)
    lines = (await drain(answer)).decode().strip().split("\n\n")
    data = [line.removeprefix("data: ") for line in lines if not line.startswith(":")]
    return [each if each == "[DONE]" else json.loads(each) for each in data]


async def collect(stream: EventStream, sent: list[bytes]) -> None:
    async for piece in stream.events():
        sent.append(piece)


@pytest.mark.parametrize("model", WHOLE)
def test_any_chat_model_goes_on_with_a_prompt(model: str) -> None:
    upstream, ledger = FakeUpstream(Answer(body=WHOLE[model])), FakeLedger()
    answer = answered(model_ctx(upstream, ledger=ledger), model=model, temperature=0.5, max_tokens=9)
    assert [(choice.text, choice.finish_reason) for choice in answer.choices] == [(TEXT, "stop")]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 6)
    assert (ledger.rows[0].outcome, ledger.rows[0].completion_tokens) == (Outcome.OK, 6)
    sent = json.loads(upstream.requests[0].body)
    assert sent["messages"] in (
        [{"role": "user", "content": "Once"}],
        [{"role": "user", "content": [{"type": "text", "text": "Once"}]}],
    )
    assert not {"prompt", "echo"} & sent.keys()


@pytest.mark.parametrize("model", STREAMS)
def test_every_chunk_of_a_stream_has_a_text(model: str) -> None:
    upstream, ledger = FakeUpstream(Answer(chunks=STREAMS[model])), FakeLedger()
    ctx = model_ctx(upstream, ledger=ledger)
    *chunks, last = asyncio.run(streamed(ctx, model=model, stream_options={"include_usage": True}))
    assert last == "[DONE]"
    told = [chunk for chunk in chunks if isinstance(chunk, dict)]
    choices = [choice for chunk in told for choice in chunk["choices"]]
    assert all(choice.keys() == {"text", "index", "logprobs", "finish_reason"} for choice in choices)
    assert "".join(choice["text"] for choice in choices) == TEXT
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
    assert len({(chunk["id"], chunk["object"], chunk["model"]) for chunk in told}) == 1
    assert told[-1]["usage"]["completion_tokens"] == 6
    assert ledger.rows[0].outcome is Outcome.OK


@pytest.mark.parametrize("stream", [False, True])
def test_echo_puts_the_prompt_before_the_text_and_bills_nothing_for_it(stream: bool) -> None:
    ledger = FakeLedger()
    if stream:
        ctx = model_ctx(FakeUpstream(Answer(chunks=STREAMS["claude"])), ledger=ledger)
        chunks = asyncio.run(streamed(ctx, model="claude", echo=True))
        text = "".join(chunk["choices"][0]["text"] for chunk in chunks if isinstance(chunk, dict))
    else:
        ctx = model_ctx(FakeUpstream(Answer(body=WHOLE["claude"])), ledger=ledger)
        text = answered(ctx, model="claude", echo=True).choices[0].text
    assert text == "Once" + TEXT
    assert ledger.rows[0].completion_tokens == 6


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"n": 2}, "n"),
        ({"logprobs": 3}, "logprobs"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2, 3]}, "prompt"),
        ({"prompt": [[1], [2]]}, "prompt"),
        ({"tools": []}, "tools"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"modalities": ["audio"]}, "modalities"),
    ],
)
def test_what_a_chat_model_has_no_way_to_honour_is_refused_by_name(fields: Any, param: str) -> None:
    upstream = FakeUpstream(Answer(body=WHOLE["gpt"]))
    with pytest.raises(UnsupportedParameter) as refused:
        answered(model_ctx(upstream), **fields)
    assert refused.value.param == param
    assert not upstream.requests


@pytest.mark.parametrize("prompt", [None, "", [], [""]])
def test_a_prompt_is_needed(prompt: object) -> None:
    with pytest.raises(InvalidRequest, match="'prompt' must be a text"):
        answered(model_ctx(FakeUpstream()), prompt=prompt)


def test_a_stream_that_is_cut_ends_without_done() -> None:
    async def scenario() -> None:
        ledger = FakeLedger()
        ctx = model_ctx(FakeUpstream(Answer(chunks=STREAMS["claude"][:4])), ledger=ledger)
        answer = await completions(ask(model="claude", stream=True), ctx)
        assert not isinstance(answer, Completion)
        sent: list[bytes] = []
        with pytest.raises(UpstreamCut) as broken:
            await collect(answer, sent)
        assert b"[DONE]" not in b"".join(sent)
        assert b'"error"' in answer.failed(broken.value)
        assert ledger.rows[0].outcome is not Outcome.OK

    asyncio.run(scenario())


def test_a_server_that_has_completions_is_sent_the_fields_as_they_came() -> None:
    body = json.dumps(NATIVE_ANSWER).encode()
    upstream, ledger = FakeUpstream(Answer(body=body)), FakeLedger()
    ctx = model_ctx(upstream, ledger=ledger, config=NATIVE)
    fields = {"prompt": "a", "min_tokens": 3}
    answer = answered(ctx, model="davinci", **fields)
    assert answer.wire == body
    assert upstream.requests[0].url == "http://vllm.test/v1/completions"
    assert json.loads(upstream.requests[0].body) == {"model": "davinci", **fields}
    assert (ledger.rows[0].prompt_tokens, ledger.rows[0].completion_tokens) == (7, 2)


def test_a_native_stream_passes_as_it_came_and_is_asked_for_its_usage() -> None:
    def chunk(text: str, finish: str | None = None) -> dict[str, Any]:
        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
        return {"id": "cmpl-1", "object": "text_completion", "choices": [choice]}

    usage = {"id": "cmpl-1", "choices": [], "usage": NATIVE_ANSWER["usage"]}
    chunks = [*answers.sse([chunk(" one"), chunk(" two", "stop"), usage]), b"data: [DONE]\n\n"]
    upstream, ledger = FakeUpstream(Answer(chunks=chunks)), FakeLedger()
    ctx = model_ctx(upstream, ledger=ledger, config=NATIVE)
    found = asyncio.run(streamed(ctx, model="davinci"))
    assert found == [chunk(" one"), chunk(" two", "stop"), "[DONE]"]
    assert json.loads(upstream.requests[0].body)["stream_options"] == {"include_usage": True}
    assert (ledger.rows[0].outcome, ledger.rows[0].completion_tokens) == (Outcome.OK, 2)


def test_a_native_stream_without_a_count_is_booked_by_its_text() -> None:
    chunks = answers.sse([{"choices": [{"text": "ä" * 9, "index": 0, "finish_reason": "stop"}]}])
    ledger = FakeLedger()
    ctx = model_ctx(FakeUpstream(Answer(chunks=[*chunks, b"data: [DONE]\n\n"])), ledger=ledger, config=NATIVE)
    asyncio.run(streamed(ctx, model="davinci"))
    assert ledger.rows[0].completion_tokens == 18


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"choices": []}', b'{"error": {"message": "no"}}', b"<html>"]
)
def test_an_answer_that_is_no_completion_is_an_error(body: bytes) -> None:
    ctx = model_ctx(FakeUpstream(Answer(body=body)), config=NATIVE)
    with pytest.raises(GatewayError):
        answered(ctx, model="davinci")
