"""Every recorded answer with usage is priced by the plainest reading of its own counts, and the price is the
same in one piece and as a stream."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any  # recorded JSON, without types

import msgspec
import pytest

from models_registry.dialects import Dialect
from models_registry.prices.price import Price, cost_nano
from schema.usage import Usage
from tests.fakes import answers
from tests.models_registry.backends.asking import OPERATIONS
from tests.models_registry.backends.chatting import chat_answer, chat_stream
from tests.models_registry.backends.feeding import run
from tests.models_registry.backends.making import FACTS, chat, events_of, target
from tests.models_registry.backends.recordings import FOLDER, OWN, Exchange, enough, exchanges
from tests.models_registry.backends.retelling import as_plain, as_stream

EACH = 10**6
"""A nano-USD, so that every token shows in a cost."""
PRICE = Price(
    input=1_000_003 * EACH,
    output=5_000_011 * EACH,
    cached=100_003 * EACH,
    cache_write=1_250_009 * EACH,
    cache_write_1h=2_000_003 * EACH,
    reasoning=7_000_003 * EACH,
)
REPORTS = {Dialect.GEMINI: "usageMetadata"}
AT_LEAST = [
    (Dialect.OPENAI, 700),
    (Dialect.ANTHROPIC, 260),
    (Dialect.OLLAMA, 15),
    (Dialect.GEMINI, 240),
    (Dialect.BEDROCK, 130),
    (Dialect.COHERE, 45),
    (Dialect.RESPONSES, 150),
]


def used_in_one(dialect: Dialect, body: bytes) -> Usage | None:
    return chat_answer(body, chat(), target(dialect), FACTS)[1]


def used_in_pieces(dialect: Dialect, body: bytes) -> Usage | None:
    """The same where the client asked for the usage and where the gateway alone did."""
    quiet, loud = (
        run(
            chat_stream(chat(stream=True, stream_options={"include_usage": asked}), target(dialect), FACTS),
            [body],
        )
        for asked in (False, True)
    )
    assert quiet.error is None
    assert quiet.usage == loud.usage
    return quiet.usage


def answered(dialect: Dialect, folder: Path) -> Iterator[tuple[Exchange, Any]]:
    """The good exchanges with what they report: of a stream, all of it together."""
    for exchange in exchanges(OPERATIONS[dialect], folder=folder):
        if exchange.streaming and exchange.response.body.startswith("["):
            continue  # Google's other form of a stream, which the gateway does not ask for
        url = (exchange.request.url or "").partition("?")[0]
        is_answer = url.endswith("/responses") and b'"output"' in exchange.body
        if dialect is Dialect.RESPONSES and not is_answer:
            continue  # another endpoint, or the rest of a stream that was asked for again
        if exchange.response.status == 200 and b'"error":{' not in exchange.body.replace(b" ", b""):
            whole = as_plain(dialect, exchange.body) if exchange.streaming else exchange.body
            report = json.loads(whole)
            usage = report if dialect is Dialect.OLLAMA else report.get(REPORTS.get(dialect, "usage"))
            if usage and (dialect is not Dialect.GEMINI or "totalTokenCount" in usage):
                yield exchange, usage


def cost_by_hand(dialect: Dialect, usage: Any) -> int:
    """In nano-USD at PRICE, from a report as the vendor documents it."""
    if dialect is Dialect.OLLAMA:
        return priced(usage.get("prompt_eval_count") or 0, usage.get("eval_count") or 0)
    if dialect is Dialect.ANTHROPIC:
        read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
        return priced(
            usage["input_tokens"] + (read or 0) + (written or 0),
            usage["output_tokens"],
            read=read or 0,
            written=written or 0,
            hour=(usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens") or 0,
            reasoning=(usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0,
        )
    if dialect is Dialect.RESPONSES:
        of_input, of_output = (usage.get(f"{of}_tokens_details") or {} for of in ("input", "output"))
        return priced(
            usage["input_tokens"],
            usage["output_tokens"],
            read=of_input.get("cached_tokens") or 0,
            written=of_input.get("cache_write_tokens") or 0,
            reasoning=of_output.get("reasoning_tokens") or 0,
        )
    if dialect is Dialect.BEDROCK:
        read, written = usage.get("cacheReadInputTokens") or 0, usage.get("cacheWriteInputTokens") or 0
        return priced(
            usage["inputTokens"] + read + written, usage["outputTokens"], read=read, written=written
        )
    if dialect is Dialect.COHERE:
        billed, thought = usage["billed_units"], usage["tokens"].get("reasoning_tokens") or 0
        return priced(billed["input_tokens"], billed["output_tokens"], reasoning=thought)
    if dialect is Dialect.GEMINI:
        thought = usage.get("thoughtsTokenCount") or 0
        return priced(
            (usage.get("promptTokenCount") or 0) + (usage.get("toolUsePromptTokenCount") or 0),
            (usage.get("candidatesTokenCount") or 0) + thought,
            read=usage.get("cachedContentTokenCount") or 0,
            reasoning=thought,
        )
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    of_prompt, of_completion = (usage.get(f"{of}_tokens_details") or {} for of in ("prompt", "completion"))
    beside = max(0, (usage.get("total_tokens") or 0) - prompt - completion)
    spoken = beside and of_prompt.get("audio_tokens") == beside
    read = of_prompt.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")
    return priced(
        prompt + (beside if spoken else 0),
        completion + (0 if spoken else beside),
        read=read or usage.get("num_cached_tokens") or 0,
        written=of_prompt.get("cache_write_tokens") or 0,
        reasoning=of_completion.get("reasoning_tokens") or 0,
    )


def priced(
    prompt: int, completion: int, *, read: int = 0, written: int = 0, hour: int = 0, reasoning: int = 0
) -> int:
    read = min(read, prompt)
    reasoning = min(reasoning, completion)
    return (
        (prompt - read - written) * 1_000_003
        + read * 100_003
        + (written - hour) * 1_250_009
        + hour * 2_000_003
        + (completion - reasoning) * 5_000_011
        + reasoning * 7_000_003
    )


@pytest.mark.parametrize(("dialect", "at_least"), AT_LEAST)
def test_every_recording_with_usage_costs_what_its_report_says(dialect: Dialect, at_least: int) -> None:
    checked = 0
    for exchange, report in answered(dialect, FOLDER):
        read = used_in_pieces if exchange.streaming else used_in_one
        usage = read(dialect, exchange.body)
        assert usage is not None, exchange.id
        assert not usage.estimated
        usage = msgspec.structs.replace(usage, service_tier="")  # PRICE has the same rates at each
        assert cost_nano(PRICE, usage) == cost_by_hand(dialect, report), exchange.id
        checked += 1
    assert checked >= enough(at_least)


def same_cost(dialect: Dialect, body: bytes, *, streaming: bool) -> int:
    """An answer's cost, which is the same when it is told the other way."""
    if streaming:
        usage, other = used_in_pieces(dialect, body), used_in_one(dialect, as_plain(dialect, body))
    else:
        usage, other = used_in_one(dialect, body), used_in_pieces(dialect, as_stream(dialect, body))
    assert usage is not None
    assert usage == other
    return cost_nano(PRICE, usage)


@pytest.mark.parametrize(("dialect", "at_least"), AT_LEAST)
def test_a_stream_and_a_plain_call_of_a_recorded_answer_cost_the_same(
    dialect: Dialect, at_least: int
) -> None:
    costs = [
        same_cost(dialect, exchange.body, streaming=exchange.streaming)
        for exchange, _ in answered(dialect, FOLDER)
    ]
    assert len(costs) >= enough(at_least)
    assert sum(costs) > 0


def test_the_embedded_models_answers_cost_the_same_streamed_or_plain() -> None:
    """Its recordings have one question asked in both ways, too."""
    asked: dict[bool, Usage] = {}
    for exchange, _ in answered(Dialect.OPENAI, OWN):
        assert same_cost(Dialect.OPENAI, exchange.body, streaming=exchange.streaming) > 0
        if not set(exchange.features) - {"stream_options"}:
            usage = (used_in_pieces if exchange.streaming else used_in_one)(Dialect.OPENAI, exchange.body)
            assert usage is not None
            asked[exchange.streaming] = usage
    flat = Price(input=3 * EACH, output=7 * EACH)
    assert asked.keys() == {False, True}
    assert cost_nano(flat, asked[False]) == cost_nano(flat, asked[True]) > 0


@pytest.mark.parametrize(
    ("dialect", "whole", "pieces"),
    [
        (Dialect.OPENAI, answers.openai_chat(), answers.openai_stream()),
        (Dialect.ANTHROPIC, answers.anthropic_message(), answers.anthropic_stream()),
        (Dialect.OLLAMA, answers.ollama_chat(), answers.ollama_stream()),
    ],
)
def test_one_answer_costs_the_same_streamed_or_plain(
    dialect: Dialect, whole: bytes, pieces: list[bytes]
) -> None:
    assert used_in_one(dialect, whole) == used_in_pieces(dialect, b"".join(pieces))
    assert same_cost(dialect, whole, streaming=False) == same_cost(dialect, b"".join(pieces), streaming=True)


def test_events_of_a_retold_answer_are_events() -> None:
    assert events_of(as_stream(Dialect.OPENAI, answers.openai_chat()))[-1] == "[DONE]"
