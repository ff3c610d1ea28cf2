"""Recordings of real providers against the bounds: no input is above its bound, and every field of every
request costs nothing, has a bound, or is refused by name."""

from collections.abc import Iterator
from functools import cache

import msgspec
import pytest

from models_registry.bounds.chat import ChatBounds
from models_registry.bounds.embeddings import EmbeddingsBounds
from models_registry.dialects import Dialect
from models_registry.facts.allowances import (
    OWN_TEXT_TOKENS,
    TEMPLATE_TOKENS,
    least_output,
    template_tokens,
    thinking_of,
)
from models_registry.facts.families import is_agent
from models_registry.target import Target
from schema.chat import ChatRequest
from schema.embeddings import EmbeddingsRequest
from schema.errors.requests import InvalidRequest
from schema.usage import Usage
from schema.wire import decode_body
from tests.models_registry.backends.asking import OPERATIONS, asked
from tests.models_registry.backends.making import target
from tests.models_registry.backends.recordings import FOLDER, Exchange, enough, exchanges
from tests.models_registry.backends.test_recorded_costs import answered, used_in_one, used_in_pieces

NOT_ASKED_HERE = {"document_input", "citations", "context_management", "media_cut"}
"""Requests in Anthropic's own dialect whose documents OpenAI's names as files, which have no bound; and those
whose media were cut before they were kept."""
CHANGED_BY_HAND = "70a399e015350d21"
"""It counts 107 tokens for `Hello!`."""
WINDOW = 131_072
"""Of most models that were recorded."""
UNBOUNDED = {
    "model",
    "messages.content.file",
    "messages.content.document_url",
    "messages.content.input_audio",
    "messages.content.video_url",
    "messages.images",
    "preset",
    "search_context_size",
    "service_tier",
    "venice_parameters.enable_web_search",
    "web_search_options",
}
"""All that was recorded in OpenAI's dialect and has no known bound."""


def deployed(dialect: Dialect, exchange: Exchange) -> Target:
    """A deployment at the recorded host."""
    own = OWN_TEXT_TOKENS if dialect is Dialect.OLLAMA else TEMPLATE_TOKENS
    model = exchange.model or "recorded"
    return msgspec.structs.replace(
        target(dialect),
        model=model,
        is_agent=is_agent(model),
        template_tokens=template_tokens(own, exchange.request.url or "", model),
        least_output_tokens=least_output(exchange.request.url or ""),
        thinking=thinking_of(exchange.request.url or "", model),
        context_window=WINDOW,
    )


@cache
def counted(dialect: Dialect) -> list[tuple[Exchange, ChatRequest, Usage]]:
    """The recorded calls whose input somebody counted."""
    found = []
    for exchange, _ in answered(dialect, FOLDER):
        request = asked(dialect, exchange)
        read = used_in_pieces if exchange.streaming else used_in_one
        usage = None if request is None else read(dialect, exchange.body)
        if request is not None and usage is not None and not NOT_ASKED_HERE & set(exchange.features):
            found.append((exchange, request, usage))
    return found


def bounded(dialect: Dialect) -> Iterator[tuple[Exchange, ChatRequest, Usage, ChatBounds]]:
    for exchange, request, usage in counted(dialect):
        bounds = ChatBounds(request, deployed(dialect, exchange))
        if bounds.unbounded_field() is None and exchange.id != CHANGED_BY_HAND:
            yield exchange, request, usage, bounds


@pytest.mark.parametrize("dialect", list(Dialect))
def test_no_recorded_input_is_above_its_bound(dialect: Dialect) -> None:
    above = [
        (exchange.id, exchange.provider, usage.prompt_tokens, bounds.prompt_tokens)
        for exchange, _, usage, bounds in bounded(dialect)
        if usage.prompt_tokens > bounds.prompt_tokens
    ]
    assert above == []
    assert len(counted(dialect)) > enough(
        {
            Dialect.OPENAI: 500,
            Dialect.ANTHROPIC: 100,
            Dialect.OLLAMA: 10,
            Dialect.GEMINI: 200,
            Dialect.BEDROCK: 100,
            Dialect.COHERE: 30,
            Dialect.RESPONSES: 60,
        }[dialect]
    )


@pytest.mark.parametrize("dialect", list(Dialect))
def test_no_recorded_output_is_above_the_bound_that_its_limit_makes(dialect: Dialect) -> None:
    limited = [each for each in bounded(dialect) if each[3].limited]
    above = [
        (exchange.id, exchange.provider, usage.completion_tokens, bounds.output_tokens)
        for exchange, _, usage, bounds in limited
        if usage.completion_tokens > (bounds.output_tokens or 0)
    ]
    assert above == []
    assert len(limited) > enough(
        {
            Dialect.OPENAI: 100,
            Dialect.ANTHROPIC: 100,
            Dialect.OLLAMA: -1,
            Dialect.GEMINI: 40,
            Dialect.BEDROCK: 20,
            Dialect.COHERE: -1,
            Dialect.RESPONSES: 10,
        }[dialect]
    )


def test_the_bound_of_a_prompt_in_plain_english_is_within_six_times_its_size() -> None:
    """At hosts that count what they bill for and add no text of their own."""
    ratios = [
        bounds.prompt_tokens / usage.prompt_tokens
        for exchange, request, usage, bounds in bounded(Dialect.OPENAI)
        if exchange.provider in ("openai", "groq")
        and not (
            request.tools or request.response_format or bounds.images or request.raw.keys() & {"functions"}
        )
    ]
    assert len(ratios) > enough(40)
    assert max(ratios) <= 6


def test_every_recorded_request_in_openais_dialect_is_known_or_refused_by_name() -> None:
    refused: dict[str, list[str]] = {}
    seen = 0
    for exchange in exchanges(OPERATIONS[Dialect.OPENAI]):
        request = asked(Dialect.OPENAI, exchange)
        if request is not None:
            seen += 1
            found = ChatBounds(request, deployed(Dialect.OPENAI, exchange)).unbounded_field()
            if found is not None:
                refused.setdefault(found.name, []).append(exchange.id)
    assert seen > enough(800)
    assert refused.keys() <= UNBOUNDED
    assert sum(map(len, refused.values())) < 50


def test_every_recorded_embeddings_request_is_known() -> None:
    decoder = msgspec.json.Decoder(EmbeddingsRequest)
    seen = 0
    for exchange in exchanges("embeddings"):
        try:
            request = decode_body(decoder, exchange.request.body.encode())
        except InvalidRequest:  # Cohere's and Google's own forms
            continue
        seen += 1
        assert EmbeddingsBounds(request, deployed(Dialect.OPENAI, exchange)).unbounded_field() is None, (
            exchange.id
        )
    assert seen > enough(20)
