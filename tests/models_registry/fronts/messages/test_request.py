"""Requests of Messages as turns, and as what the three dialects are sent."""

import json
from typing import Any

import msgspec
import pytest

from models_registry.backends import BACKENDS
from models_registry.dialects import Dialect
from models_registry.facts.table import ModelFacts
from models_registry.fronts.messages.conversation import FAILED
from models_registry.fronts.messages.front import MessagesFront
from models_registry.fronts.messages.request import left_out
from models_registry.target import Target
from schema.chat import ChatRequest
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.messages import MessagesRequest
from schema.wire import decode_body
from tests.models_registry.backends.making import FACTS, PIXEL, body_of, target

FRONT = MessagesFront()
TARGET = target(Dialect.OPENAI)
_DECODER = msgspec.json.Decoder(MessagesRequest)
HELLO = {"role": "user", "content": "Hello"}
PICTURE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL.partition(",")[2]},
}
MARK = {"type": "ephemeral"}


def ask(**fields: Any) -> MessagesRequest:
    body = {"model": "public", "max_tokens": 50, "messages": [HELLO]} | fields
    return decode_body(_DECODER, json.dumps(body).encode())


def read(to: Target = TARGET, **fields: Any) -> dict[str, Any]:
    """The turns as JSON."""
    found: dict[str, Any] = json.loads(msgspec.json.encode(FRONT.read(ask(**fields), to).raw))
    return found


def sent(dialect: Dialect, **fields: Any) -> dict[str, Any]:
    """What a provider of the dialect is sent."""
    to = target(dialect)
    turns = FRONT.read(ask(**fields), to)
    return body_of(BACKENDS[dialect].chat_request(turns, to, FACTS))


def messages_of(**fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(**fields)["messages"]
    return found


def user(*blocks: object) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def said(*blocks: object) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str, **more: object) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def call(id: str, name: str = "f", **arguments: object) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


def result(id: str, content: object = "done", **more: object) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


def reasoning(*efforts: str) -> Target:
    facts = ModelFacts(provider="openai", model="o", reasoning=True, efforts=efforts)
    return msgspec.structs.replace(TARGET, facts=facts)


def test_plain_fields_have_their_places() -> None:
    found = read(
        temperature=0.5, top_p=0.9, top_k=40, stop_sequences=["END"], stream=True, metadata={"user_id": "ada"}
    )
    assert found == {
        "model": "public",
        "max_tokens": 50,
        "messages": [HELLO],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop": ["END"],
        "stream": True,
        "user": "ada",
    }


@pytest.mark.parametrize("system", ["Be brief.", [text("Be brief.")], [text(""), text("Be brief.")]])
def test_a_system_prompt_is_the_first_message(system: object) -> None:
    assert messages_of(system=system) == [{"role": "system", "content": "Be brief."}, HELLO]


@pytest.mark.parametrize("system", [None, "", [], [text("")]])
def test_an_empty_system_prompt_says_nothing(system: object) -> None:
    assert messages_of(system=system) == [HELLO]


def test_a_system_prompt_of_parts_stays_in_parts() -> None:
    (first, _) = messages_of(system=[text("One."), text("Two.")])
    assert first["content"] == [text("One."), text("Two.")]


def test_a_system_turn_stays_in_its_place() -> None:
    turns = [HELLO, {"role": "system", "content": "Now in French."}, said(text("Oui"))]
    assert [each["role"] for each in messages_of(messages=turns)] == ["user", "system", "assistant"]


def test_results_of_tools_are_messages_of_their_own_in_their_places() -> None:
    turns = [
        HELLO,
        said(text("Let "), text("me look."), call("a", x=1), call("b")),
        user(result("a", "one"), result("b", [text("two"), text("three")]), text("Go on.")),
    ]
    _, answer, one, two, more = messages_of(messages=turns)
    assert answer["content"] == "Let me look."
    assert [each["id"] for each in answer["tool_calls"]] == ["a", "b"]
    assert [json.loads(each["function"]["arguments"]) for each in answer["tool_calls"]] == [{"x": 1}, {}]
    assert (one["role"], one["tool_call_id"], one["content"]) == ("tool", "a", "one")
    assert two["content"] == "two\nthree"
    assert more == {"role": "user", "content": "Go on."}


def test_the_result_of_a_tool_that_failed_says_so() -> None:
    turns = [HELLO, said(call("a")), user(result("a", "no such file", is_error=True))]
    assert messages_of(messages=turns)[-1]["content"] == FAILED + "no such file"
    empty = [HELLO, said(call("a")), user({"type": "tool_result", "tool_use_id": "a"})]
    assert messages_of(messages=empty)[-1]["content"] == ""


def test_thinking_goes_on_as_text_and_with_its_signature() -> None:
    turns = [
        HELLO,
        said(
            {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
            {"type": "redacted_thinking", "data": "opaque"},
            call("a"),
        ),
        user(result("a")),
    ]
    answer = messages_of(messages=turns)[1]
    assert answer["reasoning_content"] == "Hm."
    assert answer["thinking_blocks"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "opaque"},
    ]
    assert "content" not in answer
    unsigned = messages_of(messages=[HELLO, said({"type": "thinking", "thinking": "Hm."}, text("Hi"))])[1]
    assert "thinking_blocks" not in unsigned


def test_pictures_are_data_uris_or_addresses() -> None:
    web = {"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}}
    (message,) = messages_of(messages=[user(text("What?"), PICTURE, web)])
    assert [part["type"] for part in message["content"]] == ["text", "image_url", "image_url"]
    assert [part["image_url"]["url"] for part in message["content"][1:]] == [PIXEL, "https://a.test/b.png"]


def test_documents_are_files_or_text() -> None:
    pdf = {"type": "document", "title": "a.pdf", "source": {"type": "base64", "data": "JVBE"}}
    plain = {"type": "document", "title": "T", "source": {"type": "text", "data": "words"}}
    parts = {"type": "document", "source": {"type": "content", "content": [text("inside")]}}
    (message,) = messages_of(messages=[user(pdf, plain, parts)])
    assert message["content"] == [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        text("T\nwords"),
        text("inside"),
    ]


def test_a_document_at_an_address_is_a_file() -> None:
    paper = {"type": "document", "title": "X", "source": {"type": "url", "url": "https://a.test/x.pdf"}}
    (message,) = messages_of(messages=[user(paper)])
    assert message["content"] == [
        {"type": "file", "file": {"filename": "X", "file_data": "https://a.test/x.pdf"}}
    ]


@pytest.mark.parametrize("source", [{"type": "url"}, {"type": "file", "file_id": "f"}, None])
def test_a_document_that_no_other_provider_reaches_is_refused(source: object) -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        read(messages=[user({"type": "document", "source": source})])
    assert refused.value.param == "messages[0].content[0].source"


def test_tools_are_functions() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    tools = [
        {"name": "f", "description": "Does f", "input_schema": schema, "cache_control": MARK},
        {"type": "custom", "name": "g", "strict": True, "input_schema": schema, "input_examples": [{"a": 1}]},
    ]
    assert read(tools=tools)["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "Does f", "parameters": schema}},
        {"type": "function", "function": {"name": "g", "parameters": schema, "strict": True}},
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "f"},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"parallel_tool_calls": False}),
        (
            {"type": "any", "disable_parallel_tool_use": True},
            {"tool_choice": "required", "parallel_tool_calls": False},
        ),
    ],
)
def test_the_choice_of_a_tool(choice: object, expected: dict[str, Any]) -> None:
    found = read(tools=[{"name": "f", "input_schema": {}}], tool_choice=choice)
    assert {name: found[name] for name in ("tool_choice", "parallel_tool_calls") if name in found} == expected


@pytest.mark.parametrize("kind", ["bash_20250124", "web_search_20250305", "computer_20250124"])
def test_anthropics_tools_are_refused_by_name(kind: str) -> None:
    for dialect in (Dialect.OPENAI, Dialect.OLLAMA):
        with pytest.raises(UnsupportedParameter, match=kind) as refused:
            sent(dialect, tools=[{"type": kind, "name": "t"}])
        assert refused.value.param == "tools[0].type"


@pytest.mark.parametrize(
    ("thinking", "output", "efforts", "expected"),
    [
        ({"type": "enabled", "budget_tokens": 1024}, {}, (), "low"),
        ({"type": "enabled", "budget_tokens": 4096}, {}, (), "medium"),
        ({"type": "enabled", "budget_tokens": 31_999}, {}, (), "high"),
        ({"type": "adaptive"}, {}, (), None),
        ({"type": "adaptive"}, {"effort": "max"}, ("low", "high"), "high"),
        ({"type": "adaptive"}, {"effort": "medium"}, ("minimal", "low", "medium"), "medium"),
        ({"type": "disabled"}, {}, ("none", "low"), "none"),
        ({"type": "disabled"}, {}, ("minimal", "low"), "minimal"),
        (None, {}, (), None),
    ],
)
def test_thinking_is_an_effort_of_models_that_think(
    thinking: object, output: object, efforts: tuple[str, ...], expected: str | None
) -> None:
    found = read(reasoning(*efforts), thinking=thinking, output_config=output)
    assert found.get("reasoning_effort") == expected
    assert "thinking" not in found


def test_a_model_that_is_not_known_to_think_is_not_asked_to() -> None:
    wish = {"type": "enabled", "budget_tokens": 4096}
    assert "reasoning_effort" not in read(thinking=wish, output_config={"effort": "high"})
    assert left_out(ask(thinking=wish), TARGET) == ("thinking",)
    assert left_out(ask(thinking={"type": "disabled"}), TARGET) == ()
    assert left_out(ask(thinking=wish), reasoning()) == ()


def test_a_schema_for_the_answer() -> None:
    schema = {"type": "object", "properties": {}}
    found = read(output_config={"format": {"type": "json_schema", "schema": schema}})
    assert found["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }
    with pytest.raises(InvalidRequest, match="json_schema"):
        read(output_config={"format": {"type": "odd", "schema": schema}})


def test_marks_of_the_cache_go_where_they_are_known() -> None:
    fields: dict[str, Any] = {
        "system": [text("Be brief.", cache_control=MARK)],
        "messages": [user(text("Hello", cache_control=MARK))],
    }
    claude = msgspec.structs.replace(TARGET, model="anthropic/claude-sonnet-4.5")
    system, question = read(claude, **fields)["messages"]
    assert system["content"] == [text("Be brief.", cache_control=MARK)]
    assert question["content"] == [text("Hello", cache_control=MARK)]
    assert b"cache_control" not in json.dumps(read(**fields)).encode()
    assert left_out(ask(**fields), TARGET) == ("messages.cache_control",)


def test_what_is_dropped_is_told() -> None:
    fields: dict[str, Any] = {
        "service_tier": "standard_only",
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "metadata": {"user_id": "x" * 65},
        "tools": [{"name": "f", "input_schema": {}, "input_examples": [{}], "defer_loading": True}],
    }
    assert set(read(**fields)) == {"model", "max_tokens", "messages", "tools"}
    assert set(left_out(ask(**fields), TARGET)) == {
        "service_tier",
        "context_management",
        "metadata.user_id",
        "tools.input_examples",
        "tools.defer_loading",
    }


def test_fields_of_other_servers_go_on() -> None:
    assert read(min_p=0.1, chat_template_kwargs={"x": 1})["min_p"] == 0.1


@pytest.mark.parametrize("dialect", [Dialect.OPENAI, Dialect.OLLAMA])
def test_a_conversation_reaches_each_dialect(dialect: Dialect) -> None:
    turns = [
        HELLO,
        said(text("Let me look."), call("a", "weather", city="Zürich")),
        user(result("a", "sunny 🌞")),
    ]
    body = sent(
        dialect,
        system="Be brief.",
        messages=turns,
        tools=[{"name": "weather", "input_schema": {"type": "object"}}],
    )
    assert [each["role"] for each in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert body["messages"][3]["content"] == "sunny 🌞"
    arguments = body["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert (json.loads(arguments) if isinstance(arguments, str) else arguments) == {"city": "Zürich"}


def test_a_picture_in_a_result_follows_in_a_message_of_the_user() -> None:
    turns = [
        HELLO,
        said(call("a"), call("b")),
        user(result("a", [text("one"), PICTURE]), result("b", [PICTURE]), text("And?")),
    ]
    body = sent(Dialect.OPENAI, messages=turns)["messages"]
    assert [each["role"] for each in body] == ["user", "assistant", "tool", "tool", "user", "user"]
    assert body[2]["content"] == "one"
    assert body[3]["content"]
    assert [part["image_url"]["url"] for part in body[4]["content"]] == [PIXEL, PIXEL]


def test_long_names_of_tools_are_mapped_both_ways() -> None:
    long = "mcp__" + "server_" * 12 + "do_it"
    assert len(long) > 64
    request = ask(
        tools=[{"name": long, "input_schema": {}}, {"name": "short", "input_schema": {}}],
        tool_choice={"type": "tool", "name": long},
        messages=[HELLO, said(call("a", long)), user(result("a"))],
    )
    backend, turns = BACKENDS[Dialect.OPENAI], FRONT.read(request, TARGET)
    body = body_of(backend.chat_request(turns, TARGET, FACTS))
    name = body["tools"][0]["function"]["name"]
    assert len(name) <= 64
    assert body["tools"][1]["function"]["name"] == "short"
    assert body["tool_choice"]["function"]["name"] == name
    assert body["messages"][1]["tool_calls"][0]["function"]["name"] == name
    assert called_in_answers(turns, name) == [long, long]


def called_in_answers(turns: ChatRequest, name: str) -> list[str]:
    """The names that a client reads where the provider calls this name, plain and streamed."""
    function = {"name": name, "arguments": "{}"}
    message = {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": function}]}
    plain = {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    backend = BACKENDS[Dialect.OPENAI]
    events = list(backend.answer(json.dumps(plain).encode(), turns, TARGET, FACTS))
    delta = {"tool_calls": [{"index": 0, **message["tool_calls"][0]}]}  # type: ignore[dict-item]
    chunks = [
        {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    parser = backend.events(turns, TARGET, FACTS)
    for chunk in chunks:
        events += parser.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n").events
    return [event.name for event in events if type(event).__name__ == "ToolBegan"]  # type: ignore[union-attr]
