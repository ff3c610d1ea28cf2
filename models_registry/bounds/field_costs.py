"""What each field of a chat request does to the cost of its call, by dialect and provider: an allow-list.

Under a budget a field is either known to cost nothing, or it is counted in one of the ways of `Does`. A field
that is not here has no known bound. A call with it is refused, with the field's name, unless the config's
`free_params` or `max_call_cost` lets it through. `models_registry/bounds/judgement.py` reads a request by
these tables.

Sources: OpenAI's OpenAPI document 2.3.0; vLLM's and SGLang's `ChatCompletionRequest`; llama.cpp's
`tools/server/README.md`; the API references of OpenRouter, Groq and Mistral; requests recorded by clients.
"""

import enum
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import msgspec

from models_registry.backends.parameters import (
    CONSUMED,
    DROP_PARAMS,
    GATEWAY_FIELDS,
    STRIPPED,
)
from models_registry.dialects import Dialect
from models_registry.target import Target
from schema.cache_options import CACHE_FIELD
from schema.labels import METADATA_FIELDS


class Does(enum.Enum):
    """What a field does to the cost."""

    NOTHING = "neither a count nor a rate depends on it"
    TEXT = "its bytes may be read by the model"
    SCHEMA = "the same, and the provider may add a prompt of its own for it"
    FORCES = "a tool that must be called is told of in a schema; another choice costs nothing"
    LIMIT = "an answer has no more tokens; of several names the largest counts"
    LENGTHENS = "an answer may have so many tokens, whatever its limit is"
    BESIDE = "so many tokens of thinking may come beside the limit; -1 bounds none"
    THINKS = "an answer may think for so many tokens, whatever its limit is; -1: inside its limit"
    THINKS_BESIDE = "thinking comes beside the limit, and only a budget of its own bounds it"
    ANSWERS = "so many answers are made"
    RUNS_ON = "the answer goes on up to its limit, so it needs one"
    APART = "judged by code of its own: messages, tools, the service tier"


class Adds(msgspec.Struct, frozen=True):
    """A field with which the provider adds a text of its own, of at most `tokens` tokens."""

    tokens: int


class Only(msgspec.Struct, frozen=True):
    """A field that costs nothing with one of these values. Any other value has no known bound."""

    values: tuple[bytes, ...]


class Members(msgspec.Struct, frozen=True):
    """An object whose members are judged one by one."""

    fields: "Table"


FieldRule = Does | Adds | Only | Members


class Table:
    """Rules by the names of fields."""

    __slots__ = ("idle", "numbers", "rules")

    def __init__(self, *rules: Mapping[str, FieldRule]) -> None:
        self.rules: Mapping[str, FieldRule] = MappingProxyType(
            {k: v for each in rules for k, v in each.items()}
        )
        self.idle = frozenset(name for name, rule in self.rules.items() if rule in (Does.NOTHING, Does.APART))
        """The fields whose values need no look."""
        self.numbers = frozenset(
            name
            for name, rule in self.rules.items()
            if rule in (Does.LIMIT, Does.LENGTHENS, Does.THINKS, Does.BESIDE, Does.ANSWERS)
        )
        """The fields whose value is a number that counts something."""


OFF = frozenset({b"null", b"false", b"[]", b'""'})
"""Values that ask for nothing, whatever the field is called. An empty object is not one of them: it asks for
a feature with its defaults (`search_parameters`, `web_search_options`)."""


def _each(rule: FieldRule, names: str) -> dict[str, FieldRule]:
    return dict.fromkeys(names.split(), rule)


def _free(names: str) -> dict[str, FieldRule]:
    return _each(Does.NOTHING, names)


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


_SAMPLING = _free(
    """temperature top_p top_k top_a min_p typical_p typ_p tfs_z top_n_sigma seed random_seed stop
    frequency_penalty presence_penalty repetition_penalty repeat_penalty repeat_last_n penalize_nl
    length_penalty early_stopping no_repeat_ngram_size logit_bias logprobs top_logprobs prompt_logprobs
    n_probs post_sampling_probs min_keep mirostat mirostat_tau mirostat_eta dynatemp_range dynatemp_exponent
    xtc_probability xtc_threshold dry_multiplier dry_base dry_allowed_length dry_penalty_last_n
    dry_sequence_breakers adaptive_target adaptive_decay samplers sampler_seq backend_sampling bad_words
    allowed_token_ids stop_token_ids stop_regex include_stop_str_in_output no_stop_trim
    skip_special_tokens spaces_between_special_tokens logits_processors custom_logit_processor
    max_repetition_pattern_size min_repetition_pattern_size repetition_min_count repetition_detection
    truncate_prompt_tokens do_sample stop_sequences"""
)
"""Fields for how a token is chosen, and for what stops an answer early."""
_ANSWER_FORM = _free(
    """stream stream_options verbosity reasoning_effort reasoning_format include_reasoning
    separate_reasoning stream_reasoning reasoning_in_content reasoning_split thinking_forced_open
    clear_thinking tool_choice function_call parallel_tool_calls parse_tool_calls
    disable_tool_validation echo return_tokens_as_token_ids return_token_ids return_hidden_states
    return_routed_experts return_cached_tokens_details return_meta_info return_prompt_token_ids
    return_progress return_tokens tool_stream moderation safety_settings
    timings_per_token response_fields citation_options chat_format grammar_lazy
    grammar_triggers preserved_tokens"""
)
_LABELS = _free(
    """model user metadata store safety_identifier request_id rid session_id trace extra_key debug
    cache_prompt cache_salt prompt_cache_key prompt_cache_options prompt_cache_retention cache_control"""
)
"""Fields for names and for caches. Tokens that are written to a cache are covered, since a budget holds the
price's dearest rate for all input."""
_ROUTING = _free(
    """provider transforms priority data_parallel_rank routed_dp_rank bootstrap_host bootstrap_port
    bootstrap_room kv_transfer_params id_slot lora lora_path speculative.n_max speculative.n_min
    speculative.p_min speculative.type t_max_predict_ms t_max_prompt_ms n_indent n_keep n_discard
    n_cache_reuse keep_alive"""
)
"""Fields for which machine or host of the same model serves, and how fast. OpenRouter chooses among the hosts
of a model even without `provider`."""
_TEMPLATE = _free("add_generation_prompt continue_final_message add_special_tokens media_marker")
_TEXTS: Mapping[str, FieldRule] = MappingProxyType(
    {
        **_each(Does.TEXT, "documents chat_template_kwargs generation_prompt"),
        **_each(
            Does.SCHEMA,
            """functions response_format structured_outputs guided_json guided_regex guided_choice
        guided_grammar guided_decoding_backend guided_whitespace_pattern structural_tag regex ebnf grammar
        json_schema""",
        ),
    }
)
_RUNNER = _free(
    """num_ctx num_batch num_gpu main_gpu num_thread num_keep use_mmap use_mlock numa low_vram
    draft_num_predict"""
)
_OPTIONS = Table(_SAMPLING, _RUNNER)
"""Ollama's `options`, as people send them to its OpenAI endpoints."""
_THINKING_CONFIG = Members(
    Table(
        _free("include_thoughts thinking_level includeThoughts thinkingLevel"),
        {"thinking_budget": Does.THINKS, "thinkingBudget": Does.THINKS},
    )
)
_NESTED: Mapping[str, FieldRule] = MappingProxyType(
    {
        "options": Members(_OPTIONS),
        "reasoning": Members(
            Table(_free("effort summary generate_summary exclude enabled"), {"max_tokens": Does.THINKS})
        ),
        "thinking": Members(Table(_free("type clear_thinking keep display"), {"budget_tokens": Does.THINKS})),
        "generation_config": Members(
            Table(_SAMPLING, {"thinking_config": _THINKING_CONFIG, "thinkingConfig": _THINKING_CONFIG})
        ),
        "google": Members(Table({"thinking_config": _THINKING_CONFIG, "safety_settings": Does.NOTHING})),
        "usage": Members(Table(_free("include"))),
        "venice_parameters": Members(
            Table(_free("disable_thinking strip_thinking_response include_venice_system_prompt"))
        ),
    }
)
CONSUMED_FIELDS = frozenset(
    {*GATEWAY_FIELDS, *CONSUMED, *STRIPPED, *METADATA_FIELDS, DROP_PARAMS, CACHE_FIELD}
)
"""The gateway's own fields. None of them goes on to a provider, or only as a label."""
_CONSUMED: Mapping[str, FieldRule] = dict.fromkeys(CONSUMED_FIELDS, Does.NOTHING)

_EVERYWHERE: Mapping[str, FieldRule] = MappingProxyType(
    {
        "messages": Does.APART,
        "tools": Does.APART,
        "service_tier": Does.APART,
        "web_search_options": Does.APART,
        "max_tokens": Does.LIMIT,
        "max_completion_tokens": Does.LIMIT,
        "n": Does.ANSWERS,
    }
)
OPENAI_COMPATIBLE = Table(
    _CONSUMED,
    _SAMPLING,
    _ANSWER_FORM,
    _LABELS,
    _ROUTING,
    _TEMPLATE,
    _TEXTS,
    _NESTED,
    _EVERYWHERE,
    {
        "best_of": Does.ANSWERS,
        "min_tokens": Does.LENGTHENS,
        "thinking_token_budget": Does.THINKS,
        "thinking_budget_tokens": Does.THINKS,
        "thinking_budget": Does.BESIDE,
        "enable_thinking": Does.THINKS_BESIDE,
        "ignore_eos": Does.RUNS_ON,
        "modalities": Only((b'["text"]',)),
        "safe_prompt": Adds(128),
        "prompt_mode": Adds(512),
    },
)
"""The fields of any server of OpenAI's dialect. A field of these that a server does not know costs nothing
there."""
ANTHROPIC = Table(
    _EVERYWHERE,
    _free("model temperature top_p top_k stop tool_choice parallel_tool_calls reasoning_effort user"),
    _free("cache_control"),
    {
        "response_format": Does.SCHEMA,
        "thinking": Members(Table(_free("type display"), {"budget_tokens": Does.THINKS})),
    },
)
"""The fields that the translation honours. Every other field is refused or dropped before a call is
judged."""
OLLAMA = Table(
    _EVERYWHERE,
    _free("model temperature top_p seed stop frequency_penalty presence_penalty parallel_tool_calls"),
    _free("reasoning_effort logprobs top_logprobs"),
    _free("top_k min_p typical_p repeat_penalty repeat_last_n tfs_z mirostat mirostat_eta mirostat_tau"),
    _free("keep_alive think"),
    _RUNNER,
    {
        "response_format": Does.SCHEMA,
        "tool_choice": Does.FORCES,
        "format": Does.SCHEMA,
        "options": Members(Table(_SAMPLING, _RUNNER, {"num_predict": Does.LIMIT})),
    },
)
GEMINI = Table(
    _EVERYWHERE,
    _free("model temperature top_p top_k seed stop frequency_penalty presence_penalty tool_choice"),
    _free("reasoning_effort logprobs top_logprobs safety_settings labels parallel_tool_calls"),
    {
        "response_format": Does.SCHEMA,
        "thinking": Members(Table(_free("type display"), {"budget_tokens": Does.THINKS})),
        "modalities": Only((b'["text"]',)),
        "cached_content": Only(()),  # what it holds is input
    },
)
COHERE = Table(
    _EVERYWHERE,
    _free("model temperature top_p top_k seed stop frequency_penalty presence_penalty tool_choice"),
    _free("reasoning_effort parallel_tool_calls citation_options safety_mode"),
    {
        "response_format": Does.SCHEMA,
        "documents": Does.TEXT,
        "thinking": Members(
            Table(_free("type display"), {"budget_tokens": Does.THINKS, "token_budget": Does.THINKS})
        ),
    },
)
RESPONSES = Table(
    _EVERYWHERE,
    _free("model temperature top_p logprobs top_logprobs tool_choice parallel_tool_calls reasoning_effort"),
    _free("verbosity user safety_identifier prompt_cache_key prompt_cache_retention"),
    {"response_format": Does.SCHEMA},
)
MESSAGES = Table(
    _CONSUMED,
    _free("model stream temperature top_p top_k stop_sequences tool_choice cache_control diagnostics"),
    _free("user_profile_id workspace_id"),
    {
        "messages": Does.APART,
        "tools": Does.APART,
        "service_tier": Does.APART,
        "context_management": Does.APART,
        "system": Does.TEXT,
        "prefill": Does.TEXT,
        "max_tokens": Does.LIMIT,
        "thinking": Members(Table(_free("type display"), {"budget_tokens": Does.THINKS})),
        "output_config": Members(Table(_free("effort task_budget"), {"format": Does.SCHEMA})),
        "thread": Only((b'{"type":"create"}', b'{"type": "create"}')),
        "speed": Only((b'"standard"',)),
        "inference_geo": Only((b'"global"',)),
    },
)
"""The fields of Anthropic's Messages on the byte path. What the provider runs itself (`container`,
`mcp_servers`, `compaction`) has no bound, nor has a conversation that the provider kept (`thread` with an
id)."""
COMPLETIONS = Table(OPENAI_COMPATIBLE.rules, {"prompt": Does.APART, "suffix": Does.TEXT})
"""The fields of legacy completions on the byte path."""
BLOCK_KINDS = _names("text image thinking redacted_thinking tool_use tool_result search_result")
"""Kinds of blocks that have a bound: text by its bytes, a picture by IMAGE_TOKENS. The pages of a document
have none, nor has what came sealed of the provider's own tools."""
BLOCK_FIELDS = _names(
    """type text source id name input tool_use_id content is_error thinking signature data title context
    citations cache_control caller"""
)
CLIENT_TOOL = re.compile(r"(?:bash|text_editor|memory|computer)_[0-9]{8}")
"""The types of Anthropic's tools that the caller runs. A toolset holds many of them, and has no known
bound."""
CLIENT_TOOL_TOKENS = 1024
"""The tokens that Anthropic adds for one of its tools that the caller runs. Documented: 735 for `computer_`,
700 for `text_editor_`, 245 for `bash_`."""
CALLERS_OWN = frozenset({"", "custom"})
"""Types of the caller's own tools in Messages."""
EDITS = "clear_"
"""How the kinds of edits of `context_management` begin that only take something out of a prompt."""
BEDROCK = Table(
    _EVERYWHERE,
    _free(
        """model temperature top_p top_k stop tool_choice parallel_tool_calls reasoning_effort
        performanceConfig requestMetadata"""
    ),
    {
        "response_format": Does.SCHEMA,
        "thinking": Members(Table(_free("type display"), {"budget_tokens": Does.THINKS})),
        "guardrailConfig": Only(()),  # it is billed by the text that it reads
    },
)
EMBEDDINGS = Table(
    _CONSUMED,
    _free(
        """model encoding_format encoding_formats embedding_type embedding_types dimensions
        output_dimension output_dtype user input_type task task_type truncate truncation
        truncate_prompt_tokens normalized normalize late_chunking add_special_tokens priority request_id
        rid keep_alive"""
    ),
    {"input": Does.APART, "instruction": Does.TEXT},
)
"""The fields of an embeddings request. The call has no output, and its input is bounded by its bytes."""

_BY_DIALECT: Mapping[Dialect, Table] = MappingProxyType(
    {Dialect.OPENAI: OPENAI_COMPATIBLE, Dialect.ANTHROPIC: ANTHROPIC, Dialect.OLLAMA: OLLAMA}
    | {Dialect.GEMINI: GEMINI, Dialect.BEDROCK: BEDROCK, Dialect.COHERE: COHERE}
    | {Dialect.RESPONSES: RESPONSES}
)
OUTPUT_LIMITS = _names(
    "max_tokens max_completion_tokens max_output_tokens max_new_tokens n_predict num_predict"
)
"""All names of a limit on the output, at any server. A value below 1 is no limit."""

MESSAGE_FIELDS = _names(
    """role content name refusal tool_calls tool_call_id function_call reasoning_content reasoning
    reasoning_details annotations prefix partial thinking cache_control prompt_cache_breakpoint
    parsed provider_specific_fields thinking_blocks extra_content id weight"""
)
"""Fields of a message that hold text or nothing. They include fields that SDKs add to answers and send back
with the next call. `audio` is not one of them: it names a recording by its id, which bounds nothing."""
PART_FIELDS = _names(
    """type text refusal thinking signature image_url cache_control prompt_cache_breakpoint annotations
    extra_content"""
)
PART_KINDS = frozenset({"text", "refusal", "thinking", "image_url"})
"""Kinds of parts that have a bound: text by its bytes, a picture by IMAGE_TOKENS. The pages of a file and the
seconds of audio or video have none."""
TOOL_FIELDS = frozenset({"type", "function", "custom", "cache_control", "strict"})
TOOL_KINDS = frozenset({"function", "custom"})
"""Kinds of tools that the caller runs. The provider's own tools (search, code) are billed by use."""


def table_of(target: Target) -> Table:
    """The table for the requests to a deployment."""
    return _table(target.dialect, target.more_limits)


@lru_cache(maxsize=64)
def _table(dialect: Dialect, more_limits: tuple[str, ...]) -> Table:
    of_dialect = _BY_DIALECT[dialect]
    return Table(of_dialect.rules, dict.fromkeys(more_limits, Does.LIMIT)) if more_limits else of_dialect
