"""Questions of Responses as turns, and what the page on surfaces says of them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models_registry.dialects import Dialect
from models_registry.fronts.responses.front import ResponsesFront
from models_registry.fronts.responses.items import LEFT_OUT
from models_registry.fronts.responses.request import CHAT_ALONE, IGNORED, REFUSED
from models_registry.turns.sealed_thinking import MAX_UNSEALED_BYTES, sealed
from schema.chat import ChatRequest, ThinkingBlock
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.responses import ResponsesRequest
from schema.wire import decode_body
from tests.models_registry.backends.making import target

FRONT = ResponsesFront()
PAGE = Path(__file__).parents[4] / "docs" / "surfaces.md"
FUNCTIONS: list[dict[str, Any]] = [
    {"type": "function", "name": name, "parameters": {}} for name in ("a", "b")
]


def read(*, drop_params: bool = False, **fields: Any) -> ChatRequest:
    body = {"model": "public", "input": "Hi"} | fields
    request = decode_body(msgspec.json.Decoder(ResponsesRequest), json.dumps(body).encode())
    return FRONT.read(request, target(Dialect.ANTHROPIC, drop_params=drop_params))


def raw(request: ChatRequest, name: str) -> Any:
    return json.loads(bytes(request.raw[name]))


def test_the_page_names_all_that_is_left_out_and_refused() -> None:
    page = PAGE.read_text()
    missing = [name for name in (*IGNORED, *REFUSED, *LEFT_OUT) if f"`{name}`" not in page]
    assert missing == []


@pytest.mark.parametrize("name", IGNORED)
def test_what_is_left_out_is_sent_to_nobody(name: str) -> None:
    top, _, inner = name.partition(".")
    values = {"include": ["message.input_image.image_url"], "truncation": "auto", "stream_options": {}}
    fields = {top: {inner: "low"}} if inner else {top: values.get(top, "x")}
    assert read(**fields).raw.keys() == read().raw.keys()


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_openais_alone_is_refused_unless_it_may_be_dropped(name: str) -> None:
    fields: dict[str, Any] = {name: {"id": "x"}}
    with pytest.raises(UnsupportedParameter) as refused:
        read(**fields)
    assert refused.value.param == name
    assert name not in read(drop_params=True, **fields).raw


@pytest.mark.parametrize("kind", sorted(LEFT_OUT))
def test_steps_of_openais_own_tools_are_left_out(kind: str) -> None:
    asked = read(input=[{"role": "user", "content": "Hi"}, {"type": kind, "id": "x", "status": "completed"}])
    assert asked.messages == read().messages


def test_openais_own_tools_are_left_out_where_they_may_be_dropped() -> None:
    tools = [{"type": "web_search"}, FUNCTIONS[0]]
    asked = read(drop_params=True, tools=tools, tool_choice={"type": "web_search"})
    assert [tool["function"]["name"] for tool in raw(asked, "tools")] == ["a"]
    assert "tool_choice" not in asked.raw
    assert "tools" not in read(drop_params=True, tools=tools[:1]).raw


@pytest.mark.parametrize(
    ("choice", "tools", "chosen"),
    [
        ("auto", ["a", "b"], "auto"),
        ("required", ["a", "b"], "required"),
        ({"type": "function", "name": "b"}, ["a", "b"], {"type": "function", "function": {"name": "b"}}),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "b"}]},
            ["b"],
            "required",
        ),
    ],
)
def test_the_choice_of_a_tool(choice: Any, tools: list[str], chosen: Any) -> None:
    asked = read(tools=FUNCTIONS, tool_choice=choice)
    assert [tool["function"]["name"] for tool in raw(asked, "tools")] == tools
    assert raw(asked, "tool_choice") == chosen


def test_pictures_files_and_sound_stand_in_the_message() -> None:
    content = [
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": "https://a.test/b.png", "detail": "low"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]
    (message,) = raw(read(input=[{"role": "user", "content": content}]), "messages")
    assert message["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "https://a.test/b.png", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]


def test_one_answer_of_several_items_is_one_message() -> None:
    items = [
        {"role": "user", "content": "Hi"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "So."}]},
        {"type": "function_call", "call_id": "c1", "name": "a", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "b", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "function_call_output", "call_id": "c2", "output": "2"},
        {"role": "assistant", "content": "Done."},
    ]
    messages = raw(read(input=items, tools=FUNCTIONS), "messages")
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "assistant"]
    assert (messages[1]["content"], len(messages[1]["tool_calls"])) == ("So.", 2)


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"role": "user", "content": [{"type": "input_video"}]}, "input[0].content[0].type"),
        ({"role": "assistant", "content": [{"type": "input_image"}]}, "input[0].content[0].type"),
        ({"type": "computer_call", "id": "x"}, "input[0].type"),
        ({"type": "function_call_output", "call_id": "c", "output": {"a": 1}}, "input[0].output"),
        ({"type": "custom_tool_call", "call_id": "c", "name": "n", "input": 3}, "input[0].input"),
    ],
)
def test_the_place_of_what_can_not_be_carried_is_named(item: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(input=[item])
    assert refused.value.param == param


def test_sealed_thinking_that_unfolds_to_too_much_is_refused_by_its_place() -> None:
    text = sealed(ThinkingBlock(kind="thinking", thinking="a" * (MAX_UNSEALED_BYTES // 2), signature="x"))
    thought = {"type": "reasoning", "encrypted_content": text, "summary": []}
    with pytest.raises(InvalidRequest) as refused:
        read(input=[thought, {"role": "user", "content": "Hi"}, thought])
    assert refused.value.param == "input[2].encrypted_content"


def test_the_refusals_of_an_answer_are_one() -> None:
    parts = [{"type": "refusal", "refusal": text} for text in ("I ", "", "won't.")]
    items = [{"role": "assistant", "content": parts}, {"role": "user", "content": "Please."}]
    assert [each.refusal for each in read(input=items).messages] == ["I won't.", None]


@pytest.mark.parametrize("name", CHAT_ALONE)
def test_what_asks_for_an_answer_of_chat_is_refused_by_name(name: str) -> None:
    fields: dict[str, Any] = {name: 2}
    with pytest.raises(UnsupportedParameter) as refused:
        read(**fields)
    assert refused.value.param == name
    dropped = read(drop_params=True, **fields)
    assert dropped.raw.keys() == {"model", "messages"}
    assert [message.content for message in dropped.messages] == ["Hi"]


def test_one_answer_is_what_a_response_is() -> None:
    assert "n" not in read(n=1).raw
