"""Responses: the byte path, and any model behind the same questions."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from functions.contract.function import EventStream
from functions.ports.context import ModelContext
from functions.responses import responses
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.upstream import UpstreamCut
from schema.ledger.rows import Outcome
from schema.responses import Response, ResponsesRequest
from schema.wire import decode_body
from tests.fakes import answers, thinking_answers, tool_answers
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


def ask(**fields: Any) -> ResponsesRequest:
    body = {"model": "gpt", "input": "Once"} | fields
    return decode_body(msgspec.json.Decoder(ResponsesRequest), json.dumps(body).encode())


def answered(ctx: ModelContext, **fields: Any) -> dict[str, Any]:
    answer = asyncio.run(responses(ask(**fields), ctx))
    assert isinstance(answer, Response)
    found: dict[str, Any] = json.loads(answer.wire or msgspec.json.encode(answer))
    return found


async def collect(stream: EventStream, pieces: list[bytes]) -> None:
    async for piece in stream.events():
        pieces.append(piece)


async def streamed(ctx: ModelContext, **fields: Any) -> list[dict[str, Any]]:
    answer = await responses(ask(stream=True, **fields), ctx)
    assert not isinstance(answer, Response)
    return told((await drain(answer)).decode())


def told(stream: str) -> list[dict[str, Any]]:
    found = []
    for frame in stream.strip().split("\n\n"):
        if not frame.startswith(":"):
            name, data = frame.split("\n")
            event = json.loads(data.removeprefix("data: "))
            assert event["type"] == name.removeprefix("event: ")
            found.append(event)
    return found


def sent(upstream: FakeUpstream, at: int = 0) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(upstream.requests[at].body)
    return body


@pytest.mark.parametrize("model", WHOLE)
def test_any_model_answers_a_text(model: str) -> None:
    upstream, ledger = FakeUpstream(Answer(body=WHOLE[model])), FakeLedger()
    ctx = model_ctx(upstream, ledger=ledger)
    answer = answered(ctx, model=model, instructions="Be brief.", temperature=0.5, max_output_tokens=9)
    assert (answer["object"], answer["status"], answer["error"]) == ("response", "completed", None)
    assert (answer["instructions"], answer["temperature"], answer["max_output_tokens"]) == (
        "Be brief.",
        0.5,
        9,
    )
    (message,) = answer["output"]
    assert (message["type"], message["role"], message["status"]) == ("message", "assistant", "completed")
    assert message["content"] == [{"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}]
    usage = answer["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (12, 6, 18)
    assert (ledger.rows[0].outcome, ledger.rows[0].completion_tokens) == (Outcome.OK, 6)
    assert "Be brief." in upstream.requests[0].body.decode()
    assert not {"input", "instructions", "max_output_tokens", "store"} & sent(upstream).keys()


@pytest.mark.parametrize("model", STREAMS)
def test_a_stream_says_what_the_whole_answer_says(model: str) -> None:
    whole = answered(model_ctx(FakeUpstream(Answer(body=WHOLE[model]))), model=model)
    ledger = FakeLedger()
    events = asyncio.run(
        streamed(model_ctx(FakeUpstream(Answer(chunks=STREAMS[model])), ledger=ledger), model=model)
    )
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == TEXT
    last = events[-1]["response"]
    assert {**last, "model": "", "created_at": 0} == {**whole, "model": "", "created_at": 0}
    assert (ledger.rows[0].outcome, ledger.rows[0].completion_tokens) == (Outcome.OK, 6)


CALLS = [
    ("call_1", "get_weather", {"city": "Zürich"}),
    ("call_2", "get_time", {"zone": "Europe/Zurich", "exact": True}),
]
TOOL_WHOLE = {
    "gpt": tool_answers.openai_chat("gpt-4"),
    "claude": tool_answers.anthropic_message("claude"),
    "mistral-local": tool_answers.ollama_chat("mistral"),
}
TOOL_STREAMS = {
    "gpt": tool_answers.openai_stream("gpt-4"),
    "claude": tool_answers.anthropic_stream("claude"),
    "mistral-local": tool_answers.ollama_stream("mistral"),
}
HELLO = {"role": "user", "content": "x"}
TOOLS = [
    {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}, "strict": False}
    for _, name, _ in CALLS
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", TOOL_WHOLE)
def test_parallel_calls_of_tools_and_the_way_back(model: str, stream: bool) -> None:
    if stream:
        ctx = model_ctx(FakeUpstream(Answer(chunks=TOOL_STREAMS[model])))
        events = asyncio.run(streamed(ctx, model=model, tools=TOOLS))
        output = events[-1]["response"]["output"]
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        assert done == output
        for index in range(2):
            pieces = [
                event["delta"]
                for event in events
                if event["type"] == "response.function_call_arguments.delta"
                and event["output_index"] == index
            ]
            assert json.loads("".join(pieces)) == CALLS[index][2]
    else:
        output = answered(model_ctx(FakeUpstream(Answer(body=TOOL_WHOLE[model]))), model=model, tools=TOOLS)[
            "output"
        ]
    assert [(item["type"], item["status"], item["name"]) for item in output] == [
        ("function_call", "completed", name) for _, name, _ in CALLS
    ]
    assert [json.loads(item["arguments"]) for item in output] == [arguments for _, _, arguments in CALLS]
    results = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": f"result {place}"}
        for place, item in enumerate(output)
    ]
    upstream = FakeUpstream(Answer(body=WHOLE[model]))
    answered(
        model_ctx(upstream),
        model=model,
        input=[{"role": "user", "content": "Well?"}, *output, *results],
        tools=TOOLS,
    )
    messages = sent(upstream)["messages"]
    if model == "claude":
        assert [block["type"] for block in messages[1]["content"]] == ["tool_use", "tool_use"]
        assert [block["type"] for block in messages[2]["content"]] == ["tool_result", "tool_result"]
        assert [block["tool_use_id"] for block in messages[2]["content"]] == [
            block["id"] for block in messages[1]["content"]
        ]
    else:
        assert [call["function"]["name"] for call in messages[1]["tool_calls"]] == [
            name for _, name, _ in CALLS
        ]
        assert [(each["role"], each["content"]) for each in messages[2:]] == [
            ("tool", "result 0"),
            ("tool", "result 1"),
        ]


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_comes_back_to_its_provider_without_any_store(stream: bool) -> None:
    fields: dict[str, Any] = {"model": "claude", "tools": TOOLS, "input": [{"role": "user", "content": "Go"}]}
    content = [thinking_answers.THINKING, thinking_answers.REDACTED, thinking_answers.CALL]
    if stream:
        chunks = thinking_answers.stream("claude", content)
        events = asyncio.run(streamed(model_ctx(FakeUpstream(Answer(chunks=chunks))), **fields))
        output = events[-1]["response"]["output"]
        assert "response.reasoning_summary_text.delta" in [event["type"] for event in events]
    else:
        ctx = model_ctx(FakeUpstream(Answer(body=thinking_answers.message("claude", content))))
        output = answered(ctx, **fields)["output"]
    assert [item["type"] for item in output] == ["reasoning", "reasoning", "function_call"]
    assert output[0]["summary"] == [{"type": "summary_text", "text": "The weather is wanted."}]
    result = {"type": "function_call_output", "call_id": output[2]["call_id"], "output": "sunny"}
    upstream = FakeUpstream(Answer(body=WHOLE["claude"]))
    answered(model_ctx(upstream), **fields | {"input": [*fields["input"], *output, result]})
    assert sent(upstream)["messages"][1]["content"] == content


def test_custom_tools_and_namespaces_are_functions_elsewhere() -> None:
    message = json.loads(TOOL_WHOLE["claude"])
    message["content"][0].update(name="apply_patch", input={"input": "*** Begin Patch"})
    message["content"][1].update(name="crm__find", input={"id": 1})
    tools = [
        {
            "type": "custom",
            "name": "apply_patch",
            "description": "Edit files.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"},
        },
        {
            "type": "namespace",
            "name": "crm",
            "description": "Customers",
            "tools": [{"type": "function", "name": "find", "parameters": {"type": "object"}}],
        },
    ]
    upstream = FakeUpstream(Answer(body=json.dumps(message).encode()))
    output = answered(model_ctx(upstream), model="claude", tools=tools)["output"]
    assert [(item["type"], item["name"], item.get("namespace")) for item in output] == [
        ("custom_tool_call", "apply_patch", None),
        ("function_call", "find", "crm"),
    ]
    assert output[0]["input"] == "*** Begin Patch"
    patch, find = sent(upstream)["tools"]
    assert patch["input_schema"]["required"] == ["input"]
    assert "start: X" in patch["description"]
    assert find["name"] == "crm__find"
    upstream = FakeUpstream(Answer(body=WHOLE["claude"]))
    results = [
        {"type": "custom_tool_call_output", "call_id": output[0]["call_id"], "output": "Done"},
        {
            "type": "function_call_output",
            "call_id": output[1]["call_id"],
            "output": [{"type": "input_text", "text": "x"}],
        },
    ]
    asked = [{"role": "user", "content": "Go"}, *output, *results]
    answered(model_ctx(upstream), model="claude", tools=tools, input=asked)
    calls = sent(upstream)["messages"][1]["content"]
    assert [(call["name"], call["input"]) for call in calls] == [
        ("apply_patch", {"input": "*** Begin Patch"}),
        ("crm__find", {"id": 1}),
    ]


def test_structured_output_and_effort_go_on_in_the_words_of_chat() -> None:
    upstream = FakeUpstream(Answer(body=WHOLE["gpt"]))
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    form = {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}
    answer = answered(
        model_ctx(upstream),
        text={"format": form, "verbosity": "low"},
        reasoning={"effort": "low", "summary": "auto"},
        top_logprobs=2,
    )
    body = sent(upstream)
    inside = {"name": "answer", "schema": schema, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": inside}
    assert (body["reasoning_effort"], body["logprobs"], body["top_logprobs"]) == ("low", True, 2)
    assert answer["text"]["format"] == form


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type"),
        ({"tools": TOOLS, "tool_choice": {"type": "file_search"}}, "tool_choice"),
        (
            {"input": [{"role": "user", "content": "x"}, {"type": "item_reference", "id": "msg_1"}]},
            "input[1]",
        ),
        ({"input": [{"id": "msg_1"}]}, "input[0]"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}]},
            "input[0].content[0].file_id",
        ),
    ],
)
@pytest.mark.parametrize("model", WHOLE)
def test_what_another_model_has_no_way_to_honour_is_refused_by_name(
    model: str, fields: Any, param: str
) -> None:
    upstream = FakeUpstream(Answer(body=WHOLE[model]))
    with pytest.raises(UnsupportedParameter) as refused:
        answered(model_ctx(upstream), model=model, **fields)
    assert refused.value.param == param
    assert not upstream.requests


@pytest.mark.parametrize(
    "fields",
    [
        {"input": None},
        {"input": ""},
        {"input": []},
        {"input": 3},
        {"input": [{"content": "x"}]},
        {"input": [{"role": "user", "content": 3}]},
        {"input": [{"type": "function_call", "name": "x"}]},
        {"input": [{"type": "function_call_output", "output": "x"}]},
        {"tools": [{"type": "function"}]},
        {"tools": [TOOLS[0], TOOLS[0]]},
        {"tools": TOOLS, "tool_choice": {"type": "function", "name": "other"}},
        {"tool_choice": "sometimes"},
        {"text": {"format": 3}},
        {"reasoning": "high"},
    ],
)
def test_a_wrong_request_is_refused(fields: Any) -> None:
    with pytest.raises(InvalidRequest):
        answered(model_ctx(FakeUpstream(Answer(body=WHOLE["gpt"]))), **fields)


def test_a_stream_that_is_cut_ends_with_a_failed_response() -> None:
    async def scenario() -> None:
        ledger = FakeLedger()
        ctx = model_ctx(FakeUpstream(Answer(chunks=STREAMS["claude"][:4])), ledger=ledger)
        answer = await responses(ask(model="claude", stream=True), ctx)
        assert not isinstance(answer, Response)
        pieces: list[bytes] = []
        with pytest.raises(UpstreamCut) as broken:
            await collect(answer, pieces)
        events = told(b"".join([*pieces, answer.failed(broken.value)]).decode())
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert events[-1]["type"] == "response.failed"
        assert events[-1]["response"]["status"] == "failed"
        assert events[-1]["response"]["error"]["code"] == "server_error"
        assert ledger.rows[0].outcome is not Outcome.OK

    asyncio.run(scenario())


def test_an_answer_that_reached_its_limit_is_incomplete() -> None:
    message = json.loads(WHOLE["claude"]) | {"stop_reason": "max_tokens"}
    ctx = model_ctx(FakeUpstream(Answer(body=json.dumps(message).encode())))
    answer = answered(ctx, model="claude")
    assert (answer["status"], answer["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert answer["output"][0]["status"] == "incomplete"
