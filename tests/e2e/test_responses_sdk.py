"""The official OpenAI SDK and its Responses, with nothing changed but its base_url and key, on four kinds of
upstreams."""

import json
import uuid
from pathlib import Path

import openai
import pydantic
import pytest
from openai.types.responses import FunctionToolParam, Response, ResponseInputParam

from runtime.local.model import Address
from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import SALT_KEY, config_for
from tests.e2e.gateway import Gateway, serving
from tests.e2e.test_sdk import client_of, named
from tests.fakes import coder
from tests.fakes.answers import COMPLETION_TOKENS, PROMPT_TOKENS, TEXT
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.tool_answers import CALLS

UPSTREAMS = ("hostile", "anthropic", "ollama", "native")
TRANSLATED = UPSTREAMS[:3]
TOOLS: list[FunctionToolParam] = [
    {
        "type": "function",
        "name": name,
        "description": "A tool",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        "strict": False,
    }
    for _, name, _ in CALLS
]


@pytest.mark.parametrize("upstream_kind", UPSTREAMS)
def test_a_text_is_answered_and_booked(gateway: Gateway, virtual_key: str, upstream_kind: str) -> None:
    call_id, headers = named()
    answer = client_of(gateway, virtual_key).responses.create(
        model=f"{upstream_kind}/happy", input="What carries the load?", extra_headers=headers
    )
    assert (answer.output_text, answer.status) == ("".join(TEXT), "completed")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (PROMPT_TOKENS, COMPLETION_TOKENS)
    row = gateway.row(call_id)
    assert (row.call_type, row.outcome, row.streamed) == ("aresponses", "ok", False)
    assert (row.prompt_tokens, row.completion_tokens) == (PROMPT_TOKENS, COMPLETION_TOKENS)


@pytest.mark.parametrize("upstream_kind", UPSTREAMS)
def test_a_stream_is_put_together_by_the_sdk(gateway: Gateway, virtual_key: str, upstream_kind: str) -> None:
    call_id, headers = named()
    client = client_of(gateway, virtual_key)
    with client.responses.stream(
        model=f"{upstream_kind}/happy", input="What carries the load?", extra_headers=headers
    ) as stream:
        events = list(stream)
        answer = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert answer.output_text == "".join(TEXT)
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    row = gateway.row(call_id)
    assert (row.outcome, row.streamed, row.completion_tokens) == ("ok", True, COMPLETION_TOKENS)


@pytest.mark.parametrize("upstream_kind", TRANSLATED)
def test_parallel_tool_calls_of_a_stream(gateway: Gateway, virtual_key: str, upstream_kind: str) -> None:
    with client_of(gateway, virtual_key).responses.stream(
        model=f"{upstream_kind}/parallel_tools", input="Well?", tools=TOOLS
    ) as stream:
        answer = stream.get_final_response()
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        (name, arguments) for _, name, arguments in CALLS
    ]
    assert len({call.call_id for call in calls}) == len(CALLS)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("upstream_kind", UPSTREAMS)
def test_the_life_of_a_stored_response(
    gateway: Gateway, virtual_key: str, upstream: HostileUpstream, upstream_kind: str, stream: bool
) -> None:
    client = client_of(gateway, virtual_key)
    model = f"{upstream_kind}/happy"
    mark = uuid.uuid4().hex
    if stream:
        with client.responses.stream(model=model, input=f"Who? {mark}", store=True) as told:
            one: Response = told.get_final_response()
    else:
        one = client.responses.create(model=model, input=f"Who? {mark}", store=True)
    shown = client.responses.retrieve(one.id)
    assert (shown.id, shown.output_text, shown.model_extra) == (one.id, one.output_text, shown.model_extra)
    two = client.responses.create(model=model, input="And then?", previous_response_id=one.id)
    assert two.previous_response_id == one.id
    items = list(client.responses.input_items.list(two.id, order="asc", limit=2))
    assert [item.type for item in items] == ["message"] * 3
    body = next(seen.body for seen in reversed(upstream.requests) if b"And then?" in seen.body)
    assert mark.encode() in body
    with pytest.raises(openai.BadRequestError, match="synchronous"):
        client.responses.cancel(two.id)
    client.responses.delete(one.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(one.id)
    stranger = client_of(gateway, gateway.virtual_key(f"stranger-{mark}", user_id="ada"))
    with pytest.raises(openai.NotFoundError):
        stranger.responses.retrieve(two.id)
    with pytest.raises(openai.BadRequestError) as refused:
        stranger.responses.create(model=model, input="x", previous_response_id=two.id)
    assert refused.value.code == "previous_response_not_found"
    with pytest.raises(openai.NotFoundError):
        client_of(gateway, gateway.key).responses.retrieve(two.id)


@pytest.mark.parametrize("upstream_kind", TRANSLATED)
def test_structured_output_is_asked_for_in_the_upstreams_words(
    gateway: Gateway, virtual_key: str, upstream: HostileUpstream, upstream_kind: str
) -> None:
    class Carrier(pydantic.BaseModel):
        carrier_of_the_load: str

    with pytest.raises(pydantic.ValidationError):  # the scripted answer is no JSON
        client_of(gateway, virtual_key).responses.parse(
            model=f"{upstream_kind}/happy", input="Who?", text_format=Carrier
        )
    assert b"carrier_of_the_load" in upstream.requests[-1].body


@pytest.mark.parametrize("script", ["cut_after_event", "error_frame"])
def test_a_stream_that_breaks_off_ends_with_a_failed_response(
    gateway: Gateway, virtual_key: str, script: str
) -> None:
    call_id, headers = named()
    with client_of(gateway, virtual_key).responses.create(
        model=f"hostile/{script}", input="x", stream=True, extra_headers=headers
    ) as stream:
        events = list(stream)
    assert events[-1].type == "response.failed"
    assert events[-1].response.error is not None
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert gateway.row(call_id).outcome in ("failed", "uncertain")


def test_errors_have_the_sdks_classes(gateway: Gateway, virtual_key: str) -> None:
    client = client_of(gateway, virtual_key)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="nobody", input="x")
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="anthropic/happy", input="x", tools=[{"type": "web_search"}])
    assert refused.value.param == "tools[0].type"
    with pytest.raises(openai.AuthenticationError):
        client_of(gateway, "sk-nobody").responses.create(model="hostile/happy", input="x")
    with pytest.raises(openai.RateLimitError):
        client.responses.create(model="hostile/status_429", input="x")


@pytest.mark.parametrize("upstream_kind", TRANSLATED)
def test_a_task_of_several_steps_without_any_store(
    gateway: Gateway, virtual_key: str, upstream_kind: str
) -> None:
    client = client_of(gateway, virtual_key)
    asked: ResponseInputParam = [{"role": "user", "content": "Mend the notes"}]
    steps = []
    while True:
        with client.responses.stream(
            model=f"{upstream_kind}/edits_a_file", input=asked, tools=TOOLS, store=False
        ) as stream:
            answer = stream.get_final_response()
        call = next((item for item in answer.output if item.type == "function_call"), None)
        asked += [item.model_dump(exclude_none=True) for item in answer.output]  # type: ignore[misc]
        if call is None:
            break
        steps.append(json.loads(call.arguments)["cmd"])
        asked.append({"type": "function_call_output", "call_id": call.call_id, "output": coder.BEFORE})
    assert (tuple(steps), answer.output_text) == (coder.STEPS, coder.DONE)


def test_a_conversation_goes_on_at_every_worker_and_after_a_restart(
    postgres_server: str, migrated_template: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    name = f"responses_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    dsn, env, config = (
        dsn_of(postgres_server, name),
        {"SWITCHGEAR_SALT_KEY": SALT_KEY},
        config_for(upstream.url),
    )
    last: str | None = None
    for _ in range(2):
        with serving(tmp_path, config, dsn, "--workers", "2", env=env) as gateway:
            for kind in (*UPSTREAMS, *UPSTREAMS):
                client = client_of(gateway, gateway.key)  # a new connection, at either worker
                last = client.responses.create(
                    model=f"{kind}/happy", input="And?", previous_response_id=last or openai.omit
                ).id
                client.close()
            assert last is not None
            assert client_of(gateway, gateway.key).responses.retrieve(last).id == last
    assert upstream.requests[-1].body.count(b"And?") == 16
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def test_an_outside_database_and_no_salt_key(
    postgres_server: str, migrated_template: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    name = f"responses_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    dsn, config = dsn_of(postgres_server, name), config_for(upstream.url)
    with serving(tmp_path, config, dsn, "--workers", "2") as gateway:
        assert gateway.process.log().count("no salt key") == 1
        client = client_of(gateway, gateway.key)
        answer = client.responses.create(model="hostile/happy", input="x")
        assert answer.model_dump()["store"] is False
        with pytest.raises(openai.BadRequestError, match="salt key"):
            client.responses.create(model="hostile/happy", input="x", store=True)
        assert not (tmp_path / "data" / "salt.key").exists()
    with serving(tmp_path, config, dsn, env={"LITELLM_SALT_KEY": SALT_KEY}) as gateway:
        client_of(gateway, gateway.key).responses.create(model="hostile/happy", input="x", store=True)
    with (
        pytest.raises(AssertionError, match="can't open what the database holds"),
        serving(tmp_path, config, dsn, env={"SWITCHGEAR_SALT_KEY": SALT_KEY + "-other"}),
    ):
        pass
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def test_the_embedded_model_answers(gateway: Gateway, virtual_key: str, model: Address) -> None:
    client = client_of(gateway, virtual_key)
    with client.responses.create(
        model="smollm2-local", input="Say hello.", instructions="Be brief.", max_output_tokens=6, stream=True
    ) as stream:
        last = list(stream)[-1]
    assert last.type in ("response.completed", "response.incomplete")
    one = last.response
    assert one.output_text
    two = client.responses.create(
        model="smollm2-local", input="And again?", previous_response_id=one.id, max_output_tokens=6
    )
    assert two.output_text
    assert two.usage is not None
    assert one.usage is not None
    assert two.usage.input_tokens > one.usage.input_tokens


def test_the_embedded_model_calls_a_tool_that_it_must_call(
    gateway: Gateway, virtual_key: str, model: Address
) -> None:
    weather: FunctionToolParam = {
        "type": "function",
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": False,
    }
    with client_of(gateway, virtual_key).responses.create(
        model="smollm2-local",
        input="What is the weather in Rome?",
        tools=[weather],
        tool_choice="required",
        max_output_tokens=60,
        temperature=0,
        stream=True,
    ) as stream:
        last = list(stream)[-1]
    assert last.type == "response.completed"
    (call,) = [item for item in last.response.output if item.type == "function_call"]
    assert call.name == "get_weather"
    assert "city" in json.loads(call.arguments)
