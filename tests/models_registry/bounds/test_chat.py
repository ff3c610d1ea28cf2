import msgspec
import pytest

from models_registry.bounds.chat import ChatBounds, with_output_limit
from models_registry.bounds.text import DEFAULT_OUTPUT_TOKENS, LONGEST_TOKEN_BYTES, UNRECEIVED_TOKENS
from models_registry.dialects import Dialect
from models_registry.facts.allowances import (
    IMAGE_TOKENS,
    MESSAGE_TOKENS,
    TEMPLATE_TOKENS,
    TOOLS_TOKENS,
    least_output,
    thinking_of,
)
from models_registry.target import Target
from schema.chat import ChatRequest, Message
from schema.usage import RareMeters, Usage
from schema.wire import decode_body
from tests.models_registry.backends.making import PIXEL, WEATHER, chat, target

TARGET = target(Dialect.OPENAI)
PLAIN = msgspec.structs.replace(TARGET, model="gpt-4o")
_CHAT = msgspec.json.Decoder(ChatRequest)


def prompt(request: ChatRequest, at: Target = TARGET) -> int:
    return ChatBounds(request, at).prompt_tokens


def output(request: ChatRequest, at: Target = TARGET) -> int:
    return ChatBounds(request, at).usage().completion_tokens


def test_a_short_prompt_is_bound_by_its_text_and_small_allowances() -> None:
    text = "What is the weather like in Berlin today, and"  # 44 bytes and one
    request = chat(messages=[{"role": "user", "content": text[:44]}])
    blanks = 3  # json.dumps puts them between names and values
    assert prompt(request) == 44 + 8 + 32 + blanks


def test_what_reaches_no_model_is_no_input() -> None:
    labels = {"metadata": {"a": "x" * 500}, "user": "y" * 500, "logit_bias": {"1": 1}, "stop": ["z" * 100]}
    assert prompt(chat(**labels)) == prompt(chat())


@pytest.mark.parametrize("place", ["request", "deployment"])
def test_every_text_that_may_reach_the_model_counts(place: str) -> None:
    long = "x" * 1000
    tool = {"type": "function", "function": {"name": "f", "description": long}}
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"description": long}}}
    plain = prompt(chat())
    for fields, allowance in (
        ({"tools": [tool]}, TOOLS_TOKENS),
        ({"functions": [tool]}, TOOLS_TOKENS),
        ({"response_format": schema}, TOOLS_TOKENS),
        ({"grammar": long}, TOOLS_TOKENS),
        ({"documents": [{"text": long}]}, 0),
        ({"chat_template_kwargs": {"preamble": long}}, 0),
        ({"nobody_knows": long}, 0),
    ):
        here = target(Dialect.OPENAI, params=fields) if place == "deployment" else TARGET
        asked = chat() if place == "deployment" else chat(**fields)
        assert prompt(asked, here) >= plain + 1000 + allowance, fields


def test_calls_and_unknown_fields_of_messages_count() -> None:
    long = "x" * 1000
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": long}}
    for message in (
        {"role": "assistant", "tool_calls": [call]},
        {"role": "assistant", "content": "a", "reasoning_content": long},
        {"role": "user", "content": "a", "brand_new": long},
        {"role": long, "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "a", "brand_new": long}]},
        {"role": "user", "content": [{"type": long}]},
    ):
        assert prompt(chat(messages=[message])) >= 1000


def test_a_provider_that_adds_a_text_where_it_is_asked_to_is_allowed_for() -> None:
    assert prompt(chat(safe_prompt=True)) > prompt(chat(safe_prompt=False)) + 100


def test_an_image_counts_as_its_ceiling_and_not_as_its_bytes() -> None:
    def bound(url: str) -> int:
        part = {"type": "image_url", "image_url": {"url": url}}
        return prompt(chat(messages=[{"role": "user", "content": [part, part]}]))

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


def test_an_image_in_a_part_of_another_kind_is_one() -> None:
    part = {"type": "text", "text": "look", "image_url": {"url": "https://example.com/a.png"}}
    bounds = ChatBounds(chat(messages=[{"role": "user", "content": [part]}]), TARGET)
    assert (bounds.images, bounds.prompt_tokens > IMAGE_TOKENS) == (1, True)


def test_a_request_built_in_code_has_the_bound_of_its_json() -> None:
    built = ChatRequest(model="m", messages=[Message(role="user", content="é" * 100)])
    assert prompt(built) == 200 + MESSAGE_TOKENS + TEMPLATE_TOKENS


def test_a_local_model_that_thinks_in_a_form_reads_its_thoughts_again() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    ollama = target(Dialect.OLLAMA)
    assert prompt(chat(response_format=schema, max_tokens=9_000), ollama) > prompt(chat(), ollama) + 9_000


def test_the_output_is_bounded_by_the_largest_limit_times_the_answers() -> None:
    assert output(chat(max_tokens=5)) == 5
    assert output(chat(max_tokens=5, max_completion_tokens=9, n=3)) == 27
    assert output(chat(n=2)) == 8192
    assert output(chat(max_tokens=5, n=2, best_of=7)) == 35


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({"min_tokens": 900}, 900),
        ({"reasoning": {"effort": "high", "max_tokens": 900}}, 900),
        ({"thinking": {"type": "enabled", "budget_tokens": 900}}, 900),
        ({"google": {"thinking_config": {"thinking_budget": 900}}}, 900),
        ({"thinking_budget": 900}, 901),
        ({"ignore_eos": True}, 1),
    ],
)
def test_what_may_make_an_answer_longer_than_its_limit_is_in_the_bound(
    fields: dict[str, object], most: int
) -> None:
    assert output(chat(max_tokens=1, **fields)) == most
    assert output(chat(max_tokens=1), target(Dialect.OPENAI, params=fields)) == most


def test_an_answer_that_goes_on_for_ever_is_bounded_by_a_limit_alone() -> None:
    known = target(Dialect.OPENAI, max_output_tokens=64_000)
    assert ChatBounds(chat(), known).output_tokens == 64_000
    assert ChatBounds(chat(ignore_eos=True), known).output_tokens is None
    assert ChatBounds(chat(ignore_eos=True, max_tokens=9), known).output_tokens == 9


def test_a_servers_own_name_of_the_limit_counts_where_it_is_honoured() -> None:
    llamacpp = msgspec.structs.replace(TARGET, more_limits=("n_predict",))
    assert output(chat(max_tokens=1, n_predict=4_000), llamacpp) == 4_000
    assert ChatBounds(chat(n_predict=4_000), llamacpp).limited
    assert not ChatBounds(chat(n_predict=4_000), TARGET).limited


def test_without_a_callers_limit_the_deployments_holds() -> None:
    big = target(Dialect.OPENAI, max_output_tokens=64000)
    assert output(chat(), big) == 64000
    assert output(chat(), target(Dialect.OPENAI, params={"max_tokens": 7}, max_output_tokens=9)) == 7
    assert output(chat(), target(Dialect.OPENAI, params={"max_tokens": 7, "n": 3})) == 21


def test_a_limit_of_our_own_has_the_name_that_the_server_knows() -> None:
    newer = msgspec.structs.replace(TARGET, limit_field="max_completion_tokens")
    assert with_output_limit(TARGET, 5).params == {"max_tokens": msgspec.Raw(b"5")}
    assert with_output_limit(newer, 5).params == {"max_completion_tokens": msgspec.Raw(b"5")}


def test_tools_of_the_fixture_are_tools() -> None:
    assert prompt(chat(tools=[WEATHER])) > prompt(chat()) + TOOLS_TOKENS


def test_what_was_made_and_never_came_is_in_the_bound_of_an_answer_that_broke_off() -> None:
    bounds = ChatBounds(chat(n=2, max_tokens=10_000), PLAIN)
    assert bounds.produced(100, whole=True).completion_tokens == 100
    assert bounds.produced(100).completion_tokens == 100 + 2 * UNRECEIVED_TOKENS
    assert ChatBounds(chat(max_tokens=500), PLAIN).produced(100).completion_tokens == 500
    local = msgspec.structs.replace(PLAIN, local=True)
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


def completed(usage: Usage | None, shown_bytes: int, **fields: object) -> Usage:
    bounds = ChatBounds(chat(**fields), PLAIN)
    return bounds.completed(usage, shown_bytes, lambda: shown_bytes)


def test_an_answer_of_another_shape_overrides_no_count_but_none() -> None:
    bounds = ChatBounds(chat(), PLAIN)
    report = Usage(prompt_tokens=9, completion_tokens=1)
    assert bounds.completed(report, 3_000, lambda: None) is report
    assert bounds.completed(Usage(prompt_tokens=9), 3_000, lambda: None).completion_tokens == 3_000
    assert bounds.completed(None, 3_000, lambda: None).completion_tokens == 3_000


def test_an_honest_report_is_booked_as_it_is_and_the_answer_is_not_looked_at() -> None:
    def nobody() -> int:
        raise AssertionError("the bytes were counted")

    report = Usage(prompt_tokens=9, completion_tokens=40, rare=RareMeters(audio_input_tokens=1))
    assert ChatBounds(chat(), PLAIN).completed(report, 40 * LONGEST_TOKEN_BYTES, nobody) is report
    far_above = Usage(prompt_tokens=9, completion_tokens=10**6)
    assert ChatBounds(chat(max_tokens=1), PLAIN).completed(far_above, 1, nobody) is far_above
    empty = Usage(prompt_tokens=9)
    assert completed(empty, 0) is empty


@pytest.mark.parametrize(("counted", "shown"), [(0, 1), (0, 5_000), (1, LONGEST_TOKEN_BYTES + 1), (9, 5_000)])
def test_what_was_produced_is_not_booked_below_what_its_bytes_say(counted: int, shown: int) -> None:
    booked = completed(Usage(prompt_tokens=9, completion_tokens=counted), shown)
    assert booked.completion_tokens == min(shown, DEFAULT_OUTPUT_TOKENS) or booked.completion_tokens == shown
    assert (booked.prompt_tokens, booked.estimated, booked.input_reported) == (9, True, True)


def test_an_input_that_was_not_counted_is_booked_at_its_bound() -> None:
    bound = prompt(chat(), PLAIN)
    for report in (Usage(completion_tokens=7), Usage(completion_tokens=7, estimated=True)):
        booked = completed(report, 20)
        assert (booked.prompt_tokens, booked.completion_tokens) == (bound, 7)
        assert (booked.estimated, booked.input_reported) == (True, False)


def test_an_output_that_was_not_counted_is_booked_at_its_bound() -> None:
    booked = completed(Usage(prompt_tokens=9, estimated=True, input_reported=True), 33)
    assert (booked.prompt_tokens, booked.completion_tokens, booked.estimated) == (9, 33, True)
    assert completed(None, 33) == ChatBounds(chat(), PLAIN).produced(33, whole=True)


def test_an_answer_that_broke_off_has_the_input_that_was_reported_and_a_bound_of_the_rest() -> None:
    bounds = ChatBounds(chat(), PLAIN)
    reported = Usage(prompt_tokens=9, completion_tokens=2, estimated=True, input_reported=True)
    booked = bounds.broken(reported, 50)
    assert (booked.prompt_tokens, booked.completion_tokens) == (9, 50 + UNRECEIVED_TOKENS)
    unknown = bounds.broken(Usage(completion_tokens=9_999, estimated=True), 50)
    assert (unknown.prompt_tokens, unknown.completion_tokens) == (bounds.prompt_tokens, 9_999)
    assert not unknown.input_reported


def at(host: str, model: str = "qwen3-32b", **facts: object) -> Target:
    """A deployment as one is made for a host."""
    address = f"https://{host}/v1"
    found = msgspec.structs.replace(
        TARGET,
        model=model,
        api_base=address,
        thinking=thinking_of(address, model),
        least_output_tokens=least_output(address),
        context_window=100_000,
    )
    return msgspec.structs.replace(found, **facts)


@pytest.mark.parametrize(
    "target",
    [
        at("api.x.ai", "grok-4"),
        at("api.x.ai", "grok-3-mini-latest"),
        at("api.doubleword.ai", "Qwen/Qwen3.5-397B-A17B-FP8"),
        at("dashscope-intl.aliyuncs.com"),
        at("api.siliconflow.cn"),
        at("openrouter.ai", "x-ai/grok-4"),
    ],
    ids=lambda target: target.api_base,
)
def test_thinking_beside_the_limit_is_bounded_by_the_window_or_by_nothing(target: Target) -> None:
    bounds = ChatBounds(chat(max_tokens=10, n=2), target)
    assert bounds.output_tokens == 2 * (max(10, target.least_output_tokens) + 100_000)
    assert bounds.unbounded_field() is None
    assert ChatBounds(chat(), target).output_tokens == 100_000 + target.least_output_tokens
    bounds.cap(50)
    assert bounds.output_tokens == 2 * (50 + 100_000)
    assert bounds.estimate(0) < 100
    stated = msgspec.structs.replace(target, context_window=None, max_output_tokens=5_000)
    limited = max(10, target.least_output_tokens)
    assert ChatBounds(chat(max_tokens=10), stated).output_tokens == limited + 5_000
    unknown = msgspec.structs.replace(target, context_window=None)
    assert ChatBounds(chat(max_tokens=10), unknown).unbounded_field() == ("model", "model")


@pytest.mark.parametrize(
    "target",
    [
        at("api.x.ai", "grok-3"),
        at("api.x.ai", "grok-4-fast-non-reasoning"),
        at("api.x.ai", "grok-4", supports_reasoning=False),
        at("api.openai.com", "o3"),
        at("api.x.ai.evil.test", "qwen3"),
    ],
    ids=lambda target: target.model,
)
def test_what_does_not_think_beside_its_limit_is_bounded_by_that(target: Target) -> None:
    assert ChatBounds(chat(max_tokens=10), target).output_tokens == 10


def test_thinking_that_is_switched_on_needs_a_budget_of_its_own() -> None:
    for host in ("gateway.test", "dashscope.aliyuncs.com"):
        target = at(host)
        assert ChatBounds(chat(max_tokens=10, enable_thinking=True), target).output_tokens == 100_010
        budgeted = chat(max_tokens=10, enable_thinking=True, thinking_budget=90)
        assert ChatBounds(budgeted, target).output_tokens == 100
        endless = chat(max_tokens=10, enable_thinking=True, thinking_budget=-1)
        assert ChatBounds(endless, target).output_tokens == 100_010
    assert ChatBounds(chat(max_tokens=10, enable_thinking=False), at("gateway.test")).output_tokens == 10
    local = at("gpu.test", local=True)
    assert ChatBounds(chat(max_tokens=10, enable_thinking=True), local).output_tokens == 10
    ignored = chat(max_tokens=10, thinking_budget=1)
    assert ChatBounds(ignored, at("api.x.ai", "grok-4")).output_tokens == 100_011


def test_a_host_that_raises_small_limits_is_held_at_what_it_makes_of_them() -> None:
    target = at("openrouter.ai", "openai/gpt-4.1-mini")
    assert ChatBounds(chat(max_tokens=1, n=2), target).output_tokens == 32
    assert ChatBounds(chat(max_tokens=17), target).output_tokens == 17


@pytest.mark.parametrize(
    "fields",
    [
        {"thinking_budget": -1},
        {"google": {"thinking_config": {"thinking_budget": -1}}},
        {"generation_config": {"thinkingConfig": {"thinkingBudget": -1}}},
        {"thinking_budget_tokens": -1},
    ],
)
def test_thinking_that_is_left_to_the_model_is_inside_its_limit(fields: dict[str, object]) -> None:
    bounds = ChatBounds(chat(max_tokens=10, **fields), at("gateway.test", "gemini-2.5-flash"))
    assert (bounds.unbounded_field(), bounds.output_tokens) == (None, 10)
