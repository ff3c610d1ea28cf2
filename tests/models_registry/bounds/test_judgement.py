"""Which fields of a request cost something, and which have no known bound."""

import json
from typing import Any  # JSON as a client writes it

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends.anthropic.request import HONOURED as ANTHROPIC_HONOURED
from models_registry.backends.ollama.request import HONOURED as OLLAMA_HONOURED
from models_registry.backends.openai.backend import OpenAI
from models_registry.bounds.chat import ChatBounds
from models_registry.bounds.embeddings import EmbeddingsBounds
from models_registry.bounds.field_costs import (
    ANTHROPIC,
    MESSAGE_FIELDS,
    OLLAMA,
    OPENAI_COMPATIBLE,
    OUTPUT_LIMITS,
    Does,
)
from models_registry.bounds.judgement import Unbounded, sent_fields, unbounded_param
from models_registry.dialects import Dialect
from models_registry.facts.families import is_agent
from models_registry.prices.price import Price, Service
from models_registry.target import Target
from schema.chat import ChatRequest
from schema.wire import decode_body
from tests.models_registry.backends.making import FACTS, PIXEL, WEATHER, body_of, chat, embeddings, target

TARGET = target(Dialect.OPENAI)

VLLM = """use_beam_search top_k min_p repetition_penalty length_penalty stop_token_ids
    include_stop_str_in_output ignore_eos min_tokens skip_special_tokens spaces_between_special_tokens
    truncate_prompt_tokens prompt_logprobs allowed_token_ids bad_words echo add_generation_prompt
    continue_final_message add_special_tokens documents chat_template_kwargs structured_outputs priority
    request_id logits_processors return_tokens_as_token_ids return_token_ids cache_salt kv_transfer_params
    max_repetition_pattern_size min_repetition_pattern_size repetition_min_count include_reasoning
    guided_json guided_regex guided_choice guided_grammar guided_decoding_backend
    guided_whitespace_pattern thinking_token_budget best_of"""
SGLANG = """top_k min_p min_tokens regex ebnf repetition_penalty stop_token_ids stop_regex no_stop_trim
    ignore_eos continue_final_message skip_special_tokens lora_path separate_reasoning stream_reasoning
    chat_template_kwargs rid bootstrap_host bootstrap_port bootstrap_room return_hidden_states
    custom_logit_processor data_parallel_rank priority"""
LLAMA_CPP = """temperature dynatemp_range dynatemp_exponent top_k top_p min_p n_keep n_discard typical_p
    repeat_penalty repeat_last_n presence_penalty frequency_penalty dry_multiplier dry_base
    dry_allowed_length dry_penalty_last_n dry_sequence_breakers xtc_probability xtc_threshold mirostat
    mirostat_tau mirostat_eta grammar json_schema seed ignore_eos logit_bias n_probs min_keep
    t_max_predict_ms id_slot cache_prompt return_tokens samplers timings_per_token return_progress
    post_sampling_probs response_fields lora top_n_sigma reasoning_format chat_template_kwargs
    thinking_forced_open parse_tool_calls speculative.n_max speculative.n_min speculative.p_min
    grammar_lazy grammar_triggers preserved_tokens"""
OPENROUTER = """provider transforms reasoning usage user session_id trace top_k top_a min_p
    repetition_penalty verbosity include_reasoning cache_control structured_outputs logit_bias seed
    parallel_tool_calls"""
GROQ = """citation_options disable_tool_validation documents frequency_penalty include_reasoning logit_bias
    logprobs metadata parallel_tool_calls presence_penalty reasoning_effort reasoning_format
    response_format seed service_tier stop store stream stream_options temperature tool_choice
    top_logprobs top_p user"""
MISTRAL = """random_seed safe_prompt prompt_mode parallel_tool_calls presence_penalty frequency_penalty
    response_format tool_choice stop temperature top_p metadata prompt_cache_key reasoning_effort n"""
OPENAI = """frequency_penalty function_call functions logit_bias logprobs metadata n parallel_tool_calls
    presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort
    response_format safety_identifier seed stop store stream stream_options temperature tool_choice
    top_logprobs top_p user verbosity"""
DOCUMENTED = {
    "vLLM": VLLM,
    "SGLang": SGLANG,
    "llama.cpp": LLAMA_CPP,
    "OpenRouter": OPENROUTER,
    "Groq": GROQ,
    "Mistral": MISTRAL,
    "OpenAI": OPENAI,
}
VALUES: dict[str, Any] = {
    "ignore_eos": True,
    "min_tokens": 3,
    "best_of": 2,
    "n": 2,
    "thinking_token_budget": 100,
    "reasoning": {"effort": "low", "exclude": True},
    "usage": {"include": True},
    "provider": {"order": ["a"], "allow_fallbacks": False, "max_price": {"prompt": 1}},
    "service_tier": "on_demand",
    "use_beam_search": False,
    "stop": ["x"],
    "stream": True,
    "stream_options": {"include_usage": True},
    "tool_choice": "auto",
    "user": "ada",
    "response_format": {"type": "json_object"},
    "logprobs": True,
    "parallel_tool_calls": False,
    "reasoning_effort": "low",
}
"""Of fields whose values are typed or judged; of all others any value costs nothing."""
NUMBERS = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "top_logprobs")


def found(request: ChatRequest, at: Target = TARGET) -> Unbounded | None:
    return ChatBounds(request, at).unbounded_field()


def name_of(request: ChatRequest, at: Target = TARGET) -> str | None:
    unbounded = found(request, at)
    return None if unbounded is None else unbounded.name


@pytest.mark.parametrize("server", DOCUMENTED)
def test_every_sampling_template_and_routing_field_of_a_server_is_known(server: str) -> None:
    for name in DOCUMENTED[server].split():
        value = VALUES.get(name, 1 if name in NUMBERS else {"a": 1})
        assert name_of(chat(**{name: value}, max_tokens=5)) is None, name


@pytest.mark.parametrize(
    "fields",
    [
        {"search_parameters": {"mode": "on"}},
        {"enable_search": True},
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prediction": {"type": "content", "content": "x"}},
        {"models": ["a/dear", "b/dearer"]},
        {"route": "fallback"},
        {"plugins": [{"id": "web"}]},
        {"preset": "@preset/comedian"},
        {"web_search_options": {"search_context_size": "low"}},
        {"audio": {"voice": "alloy", "format": "wav"}},
        {"modalities": ["text", "audio"]},
        {"use_beam_search": True},
        {"num_beams": 8},
        {"n_predict": 5},
        {"max_new_tokens": 5},
        {"max_output_tokens": 5},
        {"num_predict": 5},
        {"max_length": 5},
        {"min_tokens": -1},
        {"best_of": "many"},
        {"options": {"num_predict": 4_000}},
        {"options": "num_predict=4000"},
        {"generation_config": {"max_output_tokens": 4_000}},
        {"generation_config": {"candidate_count": 4}},
        {"google": {"cached_content": "cachedContents/1"}},
        {"reasoning": {"search": True}},
        {"thinking": {"budget_tokens": "endless"}},
        {"venice_parameters": {"enable_web_search": "auto"}},
        {"compound_custom": {"tools": {"enabled_tools": ["web_search"]}}},
        {"search_settings": {"country": "de"}},
        {"chat_template": "{% for i in range(99999) %}x{% endfor %}"},
        {"session_params": {"id": "s"}},
        {"mm_processor_kwargs": {"max_pixels": 10**9}},
        {"image_config": {"aspect_ratio": "1:1"}},
        {"service_tier": "priority"},
        {"brand_new": 1},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_what_has_no_known_bound_is_refused_by_its_name_beside_a_limit(fields: dict[str, Any]) -> None:
    request = chat(**fields, max_tokens=1)
    unbounded = found(request)
    assert unbounded is not None
    (name,) = fields
    assert unbounded.path.split(".")[0] == name
    allowed = msgspec.structs.replace(TARGET, free_params=frozenset({unbounded.name}))
    assert found(request, allowed) is None
    configured = target(Dialect.OPENAI, params=fields)
    assert found(chat(max_tokens=1), configured) == unbounded_param(configured) == unbounded


@pytest.mark.parametrize(
    "fields",
    [
        {"moderation": {"mode": "low"}},
        {"stop_sequences": ["x"]},
        {"do_sample": True},
        {"tool_stream": True},
        {"keep_alive": "5m"},
        {"safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
    ],
    ids=str,
)
def test_fields_of_everyday_requests_cost_nothing(fields: dict[str, Any]) -> None:
    assert found(chat(**fields)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"parsed": {"city": "Berlin"}},
        {"provider_specific_fields": {"citations": ["x"]}},
        {"provider_specific_fields": {}},
        {"thinking_blocks": [{"type": "thinking", "thinking": "a", "signature": "s"}]},
        {"extra_content": {"google": {"thought_signature": "s"}}},
        {"id": "msg_1"},
        {"weight": 1},
    ],
    ids=str,
)
def test_what_sdks_add_to_an_answer_is_text_when_it_comes_back(fields: dict[str, Any]) -> None:
    user = {"role": "user", "content": "Hello"}
    answer = {"role": "assistant", "content": "Hi", **fields}
    request = chat(messages=[user, answer])
    assert found(request) is None
    bare = ChatBounds(chat(messages=[user, {"role": "assistant", "content": "Hi"}]), TARGET)
    more = ChatBounds(request, TARGET).prompt_tokens - bare.prompt_tokens
    assert more >= len(msgspec.json.encode(fields)) - 2


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o-search-preview",
        "openai/gpt-4o-search-preview",
        "gpt-5-search-api",
        "sonar",
        "perplexity/sonar-pro",
    ],
)
def test_a_model_that_searches_at_every_call_needs_a_price_of_a_search(model: str) -> None:
    unpriced = msgspec.structs.replace(TARGET, model=model, price=Price(input=1, output=1))
    assert found(chat(), unpriced) == ("model", "model")
    assert found(chat(web_search_options={}), unpriced) == ("web_search_options", "web_search_options")
    priced = msgspec.structs.replace(unpriced, price=Price(input=1, searches=(1, 2, 3)))
    assert found(chat(), priced) is None
    assert ChatBounds(chat(), priced).searches == 1
    assert found(chat(), msgspec.structs.replace(unpriced, free_params=frozenset({"model"}))) is None


def test_a_search_that_is_asked_for_is_bounded_where_it_has_a_price() -> None:
    priced = msgspec.structs.replace(TARGET, price=Price(input=1, searches=(1, 2, 3)))
    asked = chat(web_search_options={"search_context_size": "high"})
    assert (found(asked, priced), ChatBounds(asked, priced).searches) == (None, 1)
    configured = target(Dialect.OPENAI, params={"web_search_options": {}})
    assert found(chat(), configured) == ("web_search_options", "web_search_options")
    assert unbounded_param(configured) == ("web_search_options", "web_search_options")
    both = msgspec.structs.replace(configured, price=priced.price)
    assert (found(chat(), both), ChatBounds(chat(), both).searches) == (None, 1)


@pytest.mark.parametrize("model", ["gpt-4o", "my-research-model", "sonarqube", "sonar2"])
def test_a_model_that_does_not_search_needs_no_price_of_one(model: str) -> None:
    assert found(chat(), msgspec.structs.replace(TARGET, model=model)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"search_parameters": {}},
        {"web_search_options": {}},
        {"plugins": {}},
        {"audio": {}},
        {"brand_new": {}},
        {"venice_parameters": {"enable_web_search": {}}},
        {"messages": [{"role": "assistant", "audio": {}}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "video": {}}]}]},
        {"tools": [{"type": "function", "function": {"name": "f"}, "search": {}}]},
    ],
    ids=str,
)
def test_an_empty_object_switches_a_feature_on(fields: dict[str, Any]) -> None:
    assert found(chat(**fields)) is not None


@pytest.mark.parametrize(
    "name",
    [
        "options",
        "reasoning",
        "thinking",
        "generation_config",
        "google",
        "usage",
        "venice_parameters",
        "metadata",
        "logit_bias",
        "response_format",
        "chat_template_kwargs",
        "provider",
        "stream_options",
    ],
)
def test_an_empty_object_is_nothing_where_the_field_is_known(name: str) -> None:
    value = {"type": "text"} if name == "response_format" else {}
    assert found(chat(**{name: value})) is None


@pytest.mark.parametrize("name", ["litellm_disabled_callbacks", "_litellm_x", "use_chat_completions_api"])
def test_a_field_of_litellms_own_is_not_sent_and_costs_nothing(name: str) -> None:
    assert found(chat(**{name: ["x"]})) is None


@pytest.mark.parametrize("nothing", [None, False, [], ""])
def test_an_unknown_field_that_asks_for_nothing_costs_nothing(nothing: object) -> None:
    assert found(chat(enable_search=nothing, brand_new=nothing, plugins=nothing)) is None


@pytest.mark.parametrize(
    ("message", "path", "name"),
    [
        ({"role": "assistant", "audio": {"id": "a"}}, "messages[1].audio", "messages.audio"),
        ({"role": "user", "content": "x", "images": ["AAAA"]}, "messages[1].images", "messages.images"),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]},
            "messages[1].content[0]",
            "messages.content.file",
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "input_audio"}]},
            "messages[1].content[1]",
            "messages.content.input_audio",
        ),
        (
            {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://a.test/b"}}]},
            "messages[1].content[0]",
            "messages.content.video_url",
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": "x", "file": {"file_id": "f"}}]},
            "messages[1].content[0].file",
            "messages.content.file",
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": "x", "input_audio": {"data": "A"}}]},
            "messages[1].content[0].input_audio",
            "messages.content.input_audio",
        ),
        (
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "data:application/pdf;base64,A"}}],
            },
            "messages[1].content[0].image_url",
            "messages.content.image_url",
        ),
        (
            {
                "role": "user",
                "content": [{"type": "text", "text": "x", "image_url": "data:video/mp4;base64,A"}],
            },
            "messages[1].content[0].image_url",
            "messages.content.image_url",
        ),
    ],
)
def test_every_kind_that_a_message_carries_is_judged(message: dict[str, Any], path: str, name: str) -> None:
    request = chat(messages=[{"role": "user", "content": "hi"}, message])
    assert found(request) == Unbounded(path, name)
    assert found(request, msgspec.structs.replace(TARGET, free_params=frozenset({name}))) is None


def test_texts_and_pictures_are_bounded_in_every_spelling() -> None:
    parts = [
        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "high"}},
        {"type": "image_url", "image_url": "https://example.com/a.png"},
        {"type": "text", "text": "x", "file": None},
    ]
    said = dict.fromkeys(MESSAGE_FIELDS - {"role", "content", "tool_calls", "function_call"}, "x")
    messages = [{"role": "user", "content": parts}, {"role": "assistant", **said, "content": "é\n"}]
    assert found(chat(messages=messages)) is None


@pytest.mark.parametrize(
    ("tool", "path", "name"),
    [
        ({"type": "web_search"}, "tools[1]", "tools.web_search"),
        ({"type": "code_interpreter", "container": {"type": "auto"}}, "tools[1]", "tools.code_interpreter"),
        (WEATHER | {"web_search": {"enable": True}}, "tools[1].web_search", "tools.web_search"),
    ],
)
def test_a_tool_that_the_provider_runs_has_no_bound(tool: dict[str, Any], path: str, name: str) -> None:
    assert found(chat(tools=[WEATHER, tool])) == Unbounded(path, name)
    allowed = msgspec.structs.replace(TARGET, free_params=frozenset({name}))
    assert found(chat(tools=[WEATHER, tool]), allowed) is None


def test_a_tier_is_bounded_where_the_price_has_rates_for_it() -> None:
    fast = Price(input=1, services=(Service(name="priority", price=Price(input=2)),))
    assert name_of(chat(service_tier="priority")) == "service_tier"
    assert found(chat(service_tier="priority"), msgspec.structs.replace(TARGET, price=fast)) is None
    for tier in ("auto", "default", "flex", "on_demand", None):
        assert found(chat(service_tier=tier)) is None


def test_a_model_that_runs_tools_of_its_own_has_no_bound() -> None:
    for model in (
        "compound-beta",
        "groq/compound",
        "compound-beta-mini",
        "openai/gpt-4o:online",
        "sonar-deep-research",
        "openrouter/auto",
    ):
        assert is_agent(model)
        agent = msgspec.structs.replace(TARGET, is_agent=is_agent(model))
        assert name_of(chat(max_tokens=1), agent) == "model"
    for model in ("gpt-4o", "openrouter/autoround-7b", "compoundlm-7b", "openai/gpt-4o:nitro"):
        assert not is_agent(model)


def test_a_callers_limit_counts_alone_before_the_deployments() -> None:
    """As it is sent: both names of the limit are one."""
    long = target(Dialect.OPENAI, params={"max_completion_tokens": 9_000, "n": 3})
    assert ChatBounds(chat(max_tokens=5), long).output_tokens == 15
    assert ChatBounds(chat(max_tokens=5, max_completion_tokens=None), long).output_tokens == 15
    assert ChatBounds(chat(max_tokens=None), long).output_tokens == 27_000


SOME = st.dictionaries(
    st.sampled_from(["max_tokens", "max_completion_tokens", "n", "best_of", "seed"]),
    st.none() | st.integers(1, 9),
)


@given(SOME, SOME)
def test_what_is_judged_is_what_is_sent(asked: dict[str, Any], configured: dict[str, Any]) -> None:
    at = target(Dialect.OPENAI, params={name: value for name, value in configured.items() if value})
    request = chat(**asked)
    body = body_of(OpenAI().chat_request(request, at, FACTS))
    judged = {name: json.loads(bytes(raw)) for name, raw in sent_fields(request.raw, at).items()}
    assert judged == body | {"model": "public"}


def test_a_callers_field_counts_before_the_deployments() -> None:
    dear = target(Dialect.OPENAI, params={"service_tier": "priority", "modalities": ["audio"]})
    assert name_of(chat(), dear) == "modalities"
    assert found(chat(service_tier="flex", modalities=["text"]), dear) is None
    assert name_of(chat(service_tier=None, modalities=["text"]), dear) == "service_tier"


@pytest.mark.parametrize("dialect", [Dialect.ANTHROPIC, Dialect.OLLAMA])
def test_a_field_that_a_translation_drops_costs_nothing(dialect: Dialect) -> None:
    dropping = target(dialect, drop_params=True)
    message = {"role": "user", "content": "x", "audio": {"id": "a"}}
    assert found(chat(messages=[message], plugins=[1], n_predict=9, best_of=3), dropping) is None
    assert ChatBounds(chat(best_of=3), dropping).answers == 1


def test_every_field_that_a_translation_honours_is_judged() -> None:
    assert ANTHROPIC.rules.keys() >= ANTHROPIC_HONOURED
    assert OLLAMA.rules.keys() >= OLLAMA_HONOURED


def test_every_name_of_a_limit_is_one_or_unknown() -> None:
    for table in (OPENAI_COMPATIBLE, ANTHROPIC, OLLAMA):
        limits = {name for name, rule in table.rules.items() if rule is Does.LIMIT}
        assert {"max_tokens", "max_completion_tokens"} <= limits <= OUTPUT_LIMITS
        assert not limits & table.idle


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"encoding_format": "base64", "dimensions": 3, "input_type": "query", "truncate": "END"}, None),
        ({"instruction": "Represent"}, None),
        ({"messages": [{"role": "user", "content": "x"}]}, "messages"),
        ({"images": ["https://a.test/b.png"]}, "images"),
        ({"documents": ["a"]}, "documents"),
    ],
)
def test_embeddings_are_judged_by_a_list_of_their_own(fields: dict[str, Any], name: str | None) -> None:
    unbounded = EmbeddingsBounds(embeddings(**fields), TARGET).unbounded_field()
    assert (None if unbounded is None else unbounded.name) == name
    configured = target(Dialect.OPENAI, params=fields)
    unbounded = EmbeddingsBounds(embeddings(), configured).unbounded_field()
    assert (None if unbounded is None else unbounded.name) == name


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("thinking", '{"budget_tokens":99999,"type":"enabled","budget_tokens":1}'),
        ("reasoning", '{"max_tokens": 99999, "max_tokens": 1}'),
        ("google", '{"thinking_config":{"thinking_budget":99999,"thinking_budget":1}}'),
        ("venice_parameters", '{"disable_thinking":true,"disable_thinking":false}'),
        ("options", '{"num_\\u0063tx":1,"num_ctx":2}'),
    ],
)
def test_an_object_that_has_a_field_twice_has_no_bound(name: str, inside: str) -> None:
    plain = (
        f'{{"model":"public","max_tokens":5,"messages":[{{"role":"user","content":"x"}}],"{name}":{inside}}}'
    )
    request = decode_body(msgspec.json.Decoder(ChatRequest), plain.encode())
    unbounded = found(request)
    assert unbounded is not None
    assert unbounded.path.split(".")[0] == name
