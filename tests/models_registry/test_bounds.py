import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.bounds import (
    CALL_TOKENS,
    DEFAULT_OUTPUT_TOKENS,
    IMAGE_TOKENS,
    MESSAGE_TOKENS,
    TOOLS_TOKENS,
    UNRECEIVED_TOKENS,
    ChatBounds,
    embeddings_bound,
    input_bound,
    output_bound,
)
from models_registry.target import Dialect
from schema.chat import ChatRequest, Message
from schema.embeddings import EmbeddingsRequest
from schema.wire import decode_body
from tests.models_registry.backends.making import PIXEL, WEATHER, chat, embeddings, target

TARGET = target(Dialect.OPENAI)
_CHAT = msgspec.json.Decoder(ChatRequest)


@given(st.lists(st.text(max_size=40), max_size=4), st.booleans())
def test_the_bound_is_above_the_utf8_of_all_text_however_it_is_escaped(
    texts: list[str], ascii_only: bool
) -> None:
    messages = [{"role": "user", "name": text, "content": text} for text in texts]
    body = json.dumps({"model": "m", "messages": messages}, ensure_ascii=ascii_only)
    request = decode_body(_CHAT, body.encode("utf-8", "surrogatepass"))
    total = sum(2 * len(text.encode("utf-8", "surrogatepass")) for text in texts)
    assert input_bound(request) >= total + CALL_TOKENS + MESSAGE_TOKENS * len(texts)


def test_tools_calls_and_schemas_count() -> None:
    long = "x" * 1000
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": long}}
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"description": long}}}
    tool = {"type": "function", "function": {"name": "f", "description": long}}
    plain = input_bound(chat())
    assert input_bound(chat(messages=[{"role": "assistant", "tool_calls": [call]}])) >= 1000
    assert input_bound(chat(response_format=schema)) >= plain + 1000
    assert input_bound(chat(tools=[tool])) >= plain + 1000 + TOOLS_TOKENS
    assert input_bound(chat(functions=[tool])) >= plain + 1000


def test_an_image_counts_as_its_ceiling_and_not_as_its_bytes() -> None:
    def bound(url: str) -> int:
        part = {"type": "image_url", "image_url": {"url": url}}
        return input_bound(chat(messages=[{"role": "user", "content": [part, part]}]))

    assert 2 * IMAGE_TOKENS < bound(PIXEL) < 2 * IMAGE_TOKENS + 1000
    assert bound("data:image/png;base64," + "A" * 1_000_000) == bound(PIXEL)
    assert bound("https://example.com/a.png") == bound(PIXEL)


@pytest.mark.parametrize("name", ["image_url", r"image\u005furl", r"\u0069mage_url"])
def test_an_image_is_one_however_its_name_is_spelt(name: str) -> None:
    part = f'{{"type":"{name}","{name}":{{"url":"https://example.com/a.png"}}}}'
    body = f'{{"model":"m","messages":[{{"role":"user","content":[{part},{part}]}}]}}'
    bounds = ChatBounds(decode_body(_CHAT, body.encode()), TARGET)
    assert bounds.images == 2
    assert bounds.prompt_tokens > 2 * IMAGE_TOKENS


def test_a_request_built_in_code_has_the_bound_of_its_json() -> None:
    built = ChatRequest(model="m", messages=[Message(role="user", content="é" * 100)])
    assert 200 + CALL_TOKENS <= input_bound(built) < 400 + CALL_TOKENS


def test_the_output_is_bounded_by_the_callers_limit_times_the_answers() -> None:
    assert output_bound(chat(max_tokens=5), TARGET) == 5
    assert output_bound(chat(max_tokens=5, max_completion_tokens=9, n=3), TARGET) == 27
    assert output_bound(chat(n=2), TARGET) == 8192
    assert output_bound(chat(max_tokens=-1), TARGET) == 0


def test_without_a_callers_limit_the_deployments_holds() -> None:
    big = target(Dialect.OPENAI, max_output_tokens=64000)
    assert output_bound(chat(), big) == 64000
    assert output_bound(chat(), target(Dialect.OPENAI, params={"max_tokens": 7}, max_output_tokens=9)) == 7


def test_embeddings_are_bounded_by_bytes_for_text_and_for_token_ids() -> None:
    assert embeddings_bound(embeddings(input="é" * 50)) >= 100
    assert embeddings_bound(embeddings(input=[1, 2, 3])) >= 3
    assert embeddings_bound(embeddings(input=[[1, 2], [3]])) >= 3
    assert embeddings_bound(EmbeddingsRequest(model="m", input=["ab", "cd"])) >= 4


def test_tools_of_the_fixture_are_tools() -> None:
    assert input_bound(chat(tools=[WEATHER])) > input_bound(chat()) + TOOLS_TOKENS


def test_what_was_made_and_never_came_is_in_the_bound_of_an_answer_that_broke_off() -> None:
    plain = msgspec.structs.replace(TARGET, model="gpt-4o")
    bounds = ChatBounds(chat(n=2, max_tokens=10_000), plain)
    assert bounds.produced(100, whole=True).completion_tokens == 100
    assert bounds.produced(100).completion_tokens == 100 + 2 * UNRECEIVED_TOKENS
    assert ChatBounds(chat(max_tokens=500), plain).produced(100).completion_tokens == 500
    local = msgspec.structs.replace(plain, local=True)
    assert ChatBounds(chat(), local).produced(100).completion_tokens == 100


def test_where_a_model_may_reason_unseen_all_that_it_can_make_is_the_bound() -> None:
    unknown = msgspec.structs.replace(TARGET, model="openai/o3")
    assert ChatBounds(chat(max_tokens=20_000), unknown).produced(40).completion_tokens == 20_000
    assert ChatBounds(chat(max_tokens=100), unknown).produced(400).completion_tokens == 100
    assert ChatBounds(chat(), unknown).produced(0).completion_tokens == DEFAULT_OUTPUT_TOKENS
    assert ChatBounds(chat(), unknown).produced(9_000, whole=True).completion_tokens == 9_000
    wide = msgspec.structs.replace(unknown, context_window=200_000)
    bounds = ChatBounds(chat(), wide)
    assert bounds.produced(40).completion_tokens == bounds.usage().completion_tokens == 200_000
