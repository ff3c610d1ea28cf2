"""Requests of any shape: each is served, or refused with a 4xx. None is a failure of the gateway's own."""

import json
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
from anthropic.types import message_create_params
from anthropic.types.beta import message_create_params as beta_create_params
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends import BACKENDS
from models_registry.backends.anthropic.native import NativeMessages
from models_registry.bounds.estimate import estimated_input
from models_registry.bounds.surfaces import MessagesBounds
from models_registry.dialects import Dialect
from models_registry.fronts.messages.front import MessagesFront
from models_registry.fronts.messages.request import DROPPED, READ, REFUSED, left_out, page
from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest
from schema.messages import MessagesRequest
from schema.route_options import ROUTE_FIELDS
from schema.wire import decode_body
from tests.models_registry.backends.feeding import cut, run
from tests.models_registry.backends.making import FACTS, target

_DECODER = msgspec.json.Decoder(MessagesRequest)
FRONT, NATIVE = MessagesFront(), NativeMessages()
WORDS = st.sampled_from(
    [
        "type",
        "text",
        "image",
        "source",
        "base64",
        "url",
        "data",
        "document",
        "title",
        "tool_use",
        "tool_result",
        "id",
        "name",
        "input",
        "tool_use_id",
        "content",
        "thinking",
        "signature",
        "redacted_thinking",
        "cache_control",
        "role",
        "user",
        "assistant",
        "system",
        "custom",
        "any",
        "tool",
        "auto",
        "is_error",
        "enabled",
        "budget_tokens",
        "effort",
        "format",
        "json_schema",
        "schema",
        "edits",
        "clear_x",
        "media_type",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-2, 5000) | st.text(max_size=4) | WORDS
JSONS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
BLOCKS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "odd"]
        )
    },
    optional=dict.fromkeys(
        ("text", "source", "id", "name", "input", "tool_use_id", "content", "thinking", "data"), JSONS
    ),
)
TURNS = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"])},
    optional={"content": st.text(max_size=5) | st.lists(BLOCKS, max_size=3) | JSONS},
)
REQUESTS = st.fixed_dictionaries(
    {"model": st.just("public"), "messages": st.lists(TURNS, max_size=3) | JSONS},
    optional=dict.fromkeys(
        [
            "max_tokens",
            "system",
            "tools",
            "tool_choice",
            "thinking",
            "output_config",
            "metadata",
            "thread",
            "context_management",
            "stop_sequences",
            "service_tier",
            "container",
            "cache_control",
            "speed",
            "future",
        ],
        JSONS,
    ),
)


def asked(body: object) -> MessagesRequest | None:
    """The request. None: it is refused at the door."""
    try:
        return decode_body(_DECODER, json.dumps(body).encode())
    except InvalidRequest:
        return None


@given(REQUESTS)
def test_a_translation_serves_or_refuses(body: Any) -> None:
    request = asked(body)
    if request is None:
        return
    for dialect in (Dialect.OPENAI, Dialect.OLLAMA):
        to = target(dialect)
        try:
            turns = FRONT.read(request, to)
            left_out(request, to)
            assert estimated_input(turns) > 0
            fitted = BACKENDS[dialect].fitted(turns, to)
            BACKENDS[dialect].chat_request(turns if fitted is None else fitted.request, to, FACTS)
        except InvalidRequest:
            continue  # a 4xx, by its class


@given(REQUESTS)
def test_the_byte_path_sends_and_bounds_anything(body: Any) -> None:
    request = asked(body)
    if request is None:
        return
    to = target(Dialect.ANTHROPIC)
    try:
        fitted = NATIVE.fitted(request, to)
        NATIVE.request(request if fitted is None else fitted[0], to, FACTS)
    except InvalidRequest:
        pass  # a 4xx, by its class
    bounds = MessagesBounds(request, to)
    assert bounds.prompt_tokens > 0
    bounds.unbounded_field()
    assert bounds.usage().completion_tokens >= 0


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=3))
def test_no_bytes_break_the_byte_path(data: bytes, at: list[int]) -> None:
    outcome = run(
        NATIVE.stream(MessagesRequest(model="m", messages=[]), target(Dialect.ANTHROPIC)), cut(data, at)
    )
    assert outcome.error is not None


@given(JSONS)
def test_no_json_breaks_the_reading_of_an_answer(found: object) -> None:
    body = json.dumps(found).encode()
    for event in (body, b"data: " + body + b"\n\n"):
        stream = NATIVE.stream(MessagesRequest(model="m", messages=[]), target(Dialect.ANTHROPIC))
        assert run(stream, [event]).error is not None
    with pytest.raises(GatewayError):
        NATIVE.answer(body, MessagesRequest(model="m", messages=[]), target(Dialect.ANTHROPIC))


KINDS = (
    message_create_params.MessageCreateParamsBase,
    beta_create_params.MessageCreateParamsBase,
)
HANDLED = frozenset({"speed", "stream", *ROUTE_FIELDS})
"""Fields with a rule of their own. The gateway has fallbacks of its own."""
HEADERS = frozenset({"betas", "user_profile_id", "workspace_id"})
"""Parameters of the SDK that it may send as headers."""


@pytest.mark.parametrize("kind", KINDS, ids=["messages", "beta"])
def test_every_field_of_the_sdk_is_translated_dropped_or_refused(kind: type) -> None:
    known = READ | DROPPED.keys() | REFUSED.keys() | HANDLED | HEADERS
    assert set(get_type_hints(kind)) - known == set()


def test_the_page_on_surfaces_has_the_tables_of_what_is_dropped_and_what_is_refused() -> None:
    assert page() in (Path(__file__).parents[4] / "docs" / "surfaces.md").read_text()
