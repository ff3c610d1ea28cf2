"""Every provider that speaks OpenAI's dialect, called at a fake one.

What each fake expects stands in `provider_expectations.jsonl`: its address, its key, its names of fields. A
line of that file comes from a recording, or from a list of another project that was read for it, with source
and date, and never from the row in `models_registry/config/openai_like.py`."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from genai_prices import data as prices

from functions.chat import chat
from models_registry.backends.backend import UpstreamRequest
from models_registry.config import deployment_prices, deployments, providers, target_facts, wildcards
from models_registry.config.openai_like import TABLE, rows_of
from models_registry.config.provider import Provider
from models_registry.config.provider_page import VERIFIED
from models_registry.config.providers import PROVIDERS, split
from models_registry.target import Deadlines
from runtime.blueprint import check
from schema.chat import ChatCompletion, ChatRequest
from schema.errors.base import GatewayError
from schema.ledger.rows import Outcome
from schema.wire import decode_body
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeResponse, FakeUpstream
from tests.functions.contexts import model_ctx
from tests.functions.test_chat import drain

KEY = "sk-of-the-provider"
PLACES = {"CLOUDFLARE_ACCOUNT_ID": "acc", "DATABRICKS_HOST": "acme.example", "SNOWFLAKE_ACCOUNT": "acme"}
LINES = {line.partition(" ")[0]: line for line in TABLE.strip().splitlines()}
FLAGS = ("older-limit", "no-stream-options", "joined-content", "no-store", "local", "header=x-api-key")
BACK = ("reasoning_content", "reasoning", "provider_specific_fields", "thinking_blocks")
"""What clients send back of an earlier answer."""
LIMITS = {False: "max_completion_tokens", True: "max_tokens"}
"""The limit of a plain and of a streamed call, in OpenAI's newer and older word."""
FREE = {"input_cost_per_token": 0, "output_cost_per_token": 0}


class StreamShape(msgspec.Struct, frozen=True):
    """How the provider streams, where it differs from OpenAI."""

    done: bool = True
    reasoning: str = ""
    """The field that holds thinking."""
    usage: str = "last"
    comments: bool = False


class Expectation(msgspec.Struct, frozen=True):
    prefix: str
    address: str
    variable: str
    source: str
    date: str
    header: str = "authorization"
    key: str = "required"
    limit: str = ""
    limit_source: str = ""
    local: bool = False
    content: str = ""
    content_parts: bool = False
    """Whether its answers have lists of parts."""
    store: bool | None = None
    stream_options: bool = True
    error: str = "object"
    stream: StreamShape = StreamShape()
    price: str | None = "by address"
    also: list[str] = []
    """Its other names in configs."""
    messages: str = ""
    """Where it has Anthropic's Messages."""
    not_back: list[str] = []
    """Fields of an earlier answer that it refuses in a message."""
    more_source: str = ""
    """The source of the last three."""

    @property
    def base(self) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: PLACES[found[1]], self.address)

    @property
    def price_id(self) -> str | None:
        """Its id in the price data, by the data's own patterns of addresses."""
        if self.price is None:
            return None
        found = [each.id for each in prices.providers if re.search(each.api_pattern, self.base)]
        return next((id for id in found if not id.startswith("huggingface")), None)


EXPECTED = [
    msgspec.json.decode(line, type=Expectation)
    for line in Path(__file__).with_name("provider_expectations.jsonl").read_bytes().splitlines()
]


class FakeProvider(FakeUpstream):
    """Answers as the expectation says, and refuses what the provider would."""

    def __init__(self, expected: Expectation) -> None:
        super().__init__(Answer())
        self._expected = expected

    async def open(
        self, request: UpstreamRequest, deadlines: Deadlines, *, near: bool = False, judged: bool = False
    ) -> FakeResponse:
        self.requests.append(request)
        return FakeResponse(self._answer(request))

    def _answer(self, request: UpstreamRequest) -> Answer:
        expected, body = self._expected, json.loads(request.body)
        if request.url != f"{expected.base}/chat/completions":
            return Answer(status=404, body=b"<h1>Not Found</h1>")
        credential = KEY if expected.header != "authorization" else f"Bearer {KEY}"
        if request.headers.get(expected.header) != credential:
            return self._refused(401, "No such key.")
        others = {"authorization", "x-api-key", "api-key"} - {expected.header}
        if others & request.headers.keys():
            return self._refused(400, "Two keys.")
        limits = {"max_tokens", "max_completion_tokens"} & body.keys()
        if limits != {expected.limit or LIMITS[bool(body.get("stream"))]}:
            return self._refused(400, f"Unknown field {limits}.")
        if any(set(expected.not_back) & message.keys() for message in body["messages"]):
            return self._refused(422, "Extra inputs are not permitted.")
        if not expected.stream_options and "stream_options" in body:
            return self._refused(400, "Unknown field stream_options.")
        if isinstance(body["messages"][0]["content"], str) is not (expected.content == "text"):
            return self._refused(400, "The content has another form.")
        if body.get("store") is not expected.store:
            return self._refused(400, "Nothing is stored.")
        return Answer(chunks=self._stream(body)) if body.get("stream") else Answer(body=self._whole())

    def _refused(self, status: int, message: str) -> Answer:
        shapes: dict[str, Any] = {
            "object": {"error": {"message": message, "type": "invalid_request_error"}},
            "top-level": {"object": "error", "message": message, "type": "invalid", "code": "3210"},
            "text": {"code": "Client specified an invalid argument", "error": message},
            "message": {"id": "x", "message": message},
        }
        return Answer(status=status, body=json.dumps(shapes[self._expected.error]).encode())

    def _whole(self) -> bytes:
        answer = json.loads(answers.openai_chat())
        if self._expected.content_parts:
            text = answer["choices"][0]["message"]["content"]
            answer["choices"][0]["message"]["content"] = [{"type": "text", "text": text}]
        return json.dumps(answer).encode()

    def _stream(self, body: dict[str, Any]) -> list[bytes]:
        shape = self._expected.stream
        asked = "stream_options" in body
        events = [json.loads(chunk[6:]) for chunk in answers.openai_stream(usage=asked, done=False)]
        if shape.reasoning:
            events[1]["choices"][0]["delta"][shape.reasoning] = "Hm."
        if shape.usage == "every" or not self._expected.stream_options:
            events = [event for event in events if event["choices"]]
            for event in events:
                event["usage"] = answers.openai_usage()
        chunks = answers.sse(events)
        if shape.comments:
            chunks.insert(0, b": PROCESSING\n\n")
        return [*chunks, b"data: [DONE]\n\n"] if shape.done else chunks


def config_of(expected: Expectation) -> dict[str, Any]:
    params = {"model": f"{expected.prefix}/some-model", "api_key": f"os.environ/{expected.variable}", **FREE}
    if expected.local:
        params["api_base"] = expected.base
    return {
        "model_list": [{"model_name": "m", "litellm_params": params}],
        "router_settings": {"num_retries": 0},
    }


def asked(*, stream: bool) -> ChatRequest:
    content = [{"type": "text", "text": "Hi"}]
    user = {"role": "user", "content": content}
    answer = {"role": "assistant", "content": "Hi.", **dict.fromkeys(BACK, "Hm."), "reasoning_details": []}
    fields = {"model": "m", "messages": [user, answer, user], "stream": stream, LIMITS[stream]: 99}
    return decode_body(msgspec.json.Decoder(ChatRequest), json.dumps(fields).encode())


async def called(expected: Expectation, document: dict[str, Any], *, stream: bool) -> str | None:
    """What is wrong with one call. None: nothing."""
    ledger, upstream = FakeLedger(), FakeProvider(expected)
    ctx = model_ctx(upstream, ledger=ledger, config=document)
    try:
        answer = await chat(asked(stream=stream), ctx)
        if isinstance(answer, ChatCompletion):
            sent = answer.wire
        else:
            sent = await drain(answer)
    except GatewayError as error:
        return f"{type(error).__name__}: {error.message}"
    (row,) = ledger.rows
    if (row.outcome, row.completion_tokens, row.estimated) != (Outcome.OK, answers.COMPLETION_TOKENS, False):
        return f"booked as {row.outcome} with {row.completion_tokens} tokens"
    return None if b"Switch" in sent else "no text came"


def problems(row: Provider, expected: Expectation) -> Iterator[str]:
    """What is wrong with a row, by what its provider expects."""
    env = {expected.variable: KEY, **PLACES}
    document = config_of(expected)
    del document["model_list"][0]["litellm_params"]["api_key"]  # the environment's, for the row's own hosts
    found = check(document, env)
    if found.skipped:
        yield found.skipped_lines[0]
        return
    inside = {**document["model_list"][0]["litellm_params"], "api_key": KEY, "api_base": None}
    target = found.registry.target("m", allowed=(), roll=0.0)
    if target.api_key is None or target.api_key.reveal() != KEY:
        yield "the environment's key does not come"
    if (target.local, row.price_id) != (expected.local, expected.price_id):
        yield f"local: {target.local}, price data: {row.price_id}"
    if expected.local and row.usual_base != expected.base:
        yield f"the usual address is {row.usual_base}"
    if target.messages_base != expected.messages:
        yield f"Messages are at {target.messages_base!r}"
    without = check(document, PLACES)
    if bool(without.skipped) is (expected.key == "optional"):
        yield "a key is needed, or is not"
    if not target.api_base.startswith(expected.base):
        yield f"the address is {target.api_base}"
    written = {name: value for name, value in inside.items() if value is not None}
    written["api_base"] = target.api_base
    document["model_list"][0]["litellm_params"] = written
    for stream in (False, True):
        wrong = asyncio.run(called(expected, document, stream=stream))
        if wrong is not None:
            yield wrong


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda each: each.prefix)
def test_a_provider_takes_a_plain_and_a_streamed_call(expected: Expectation) -> None:
    assert list(problems(PROVIDERS[expected.prefix], expected)) == []
    if expected.prefix in LINES:
        assert names_of(LINES[expected.prefix]) == {expected.prefix, *expected.also}


def names_of(line: str) -> set[str]:
    return {row.prefix for row in rows_of(line)}


def test_at_least_a_hundred_rows_have_a_fake_and_forty_have_two_sources() -> None:
    assert len({each.prefix for each in EXPECTED}) >= 100
    rows = [row for line in LINES.values() for row in rows_of(line)]
    assert sum(len(row.sources) >= VERIFIED for row in rows) >= 40
    assert all(row.sources for row in rows)


def mutants(line: str) -> Iterator[str]:
    """The line with one of its fields changed."""
    prefix, address, variables, differs, sources = (part.strip() for part in line.split("|", 4))
    flags = differs.split()

    def made(**changed: str) -> str:
        fields = {"address": address, "variables": variables, "differs": differs} | changed
        return " | ".join([prefix, *fields.values(), sources])

    yield made(address=f"{address}/v9")
    yield made(address=address.replace("://", "://x"))
    yield made(variables="ANOTHER_KEY")
    for flag in FLAGS:
        name = flag.partition("=")[0]
        others = [each for each in flags if each.partition("=")[0] != name]
        yield made(differs=" ".join(others if len(others) < len(flags) else [*flags, flag]))
    if "key-optional" in flags and "local" not in flags:
        yield made(differs=" ".join(each for each in flags if each != "key-optional"))
    elif "local" not in flags:
        yield made(differs=" ".join([*flags, "key-optional"]))
    priced = [each for each in flags if not each.startswith("price=")]
    yield made(differs=" ".join([*priced, "price=another"]))
    if len(priced) < len(flags):
        yield made(differs=" ".join(priced))
    for place, flag in enumerate(flags):
        name, _, value = flag.partition("=")
        others = [*flags[:place], *flags[place + 1 :]]
        if name in ("also", "messages", "newer-limit"):
            yield made(differs=" ".join(others))
            yield (
                made(differs=" ".join([*others, f"{name}={value}x"]))
                if value
                else made(differs="older-limit")
            )
        for field in value.split(",") if name == "not-back" else ():
            fewer = ",".join(each for each in value.split(",") if each != field)
            yield made(differs=" ".join([*others, f"not-back={fewer}"]))
    if "local" not in flags and not any(flag.startswith("messages=") for flag in flags):
        yield made(differs=" ".join([*flags, "messages=https://x.example/v1"]))


MUTATED = [each for each in EXPECTED if each.prefix in LINES]


@pytest.mark.parametrize("expected", MUTATED, ids=lambda each: each.prefix)
def test_a_row_with_one_field_changed_does_not_pass(
    expected: Expectation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in mutants(LINES[expected.prefix]):
        if "no-stream-options" in line and expected.stream.usage == "every":
            continue  # it reports its usage unasked
        row = next(rows_of(line))
        if names_of(line) != {expected.prefix, *expected.also}:
            continue  # the other test tells
        changed = {**PROVIDERS, expected.prefix: row}
        for module in (providers, deployments, deployment_prices, target_facts, wildcards):
            monkeypatch.setattr(module, "PROVIDERS", changed)
        assert list(problems(row, expected)) != [], line


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("openai/responses/gpt-5.2-pro", "gpt-5.2-pro"),
        ("azure/responses/gpt-5-codex", "gpt-5-codex"),
        ("openai/gpt-5", "gpt-5"),
        ("mistral/responses/x", "responses/x"),
    ],
)
def test_litellms_mark_for_responses_is_no_part_of_a_name(model: str, name: str) -> None:
    assert split(model, None)[1] == name
    provider, _, rest = model.partition("/")
    assert split(model, provider)[1] == split(rest, provider)[1] == name
