"""Which body fields belong to the gateway, and which a translated request may leave out.

Nothing that a caller sent is dropped in silence. A field is honoured, or it is on a list here with the reason
why leaving it out changes nothing, or it is refused by name. With `drop_params` (LiteLLM's setting, for a
deployment or in the body) a field that the provider can't honour is dropped and not refused. `drop_params`
never lets a field of the gateway through to a provider.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import msgspec

from models_registry.backends.changes import Changes
from models_registry.prices.fields import is_price_field
from models_registry.target import Target
from schema.cache_options import CACHE_FIELD
from schema.chat import ChatRequest
from schema.errors.base import MAX_NAME_CHARS, GatewayError, shortened
from schema.errors.requests import UnsupportedParameter
from schema.labels import (
    METADATA_FIELD,
    OWN_METADATA_FIELD,
    SESSION_FIELD,
    TAGS_FIELD,
    TRACE_FIELD,
    stored_texts,
)
from schema.route_options import ROUTE_FIELDS
from schema.wire import value_of

DROP_PARAMS = "drop_params"
STORE = "store"
CACHE_POINTS_FIELD = "cache_control_injection_points"
GUARDRAILS_FIELD = "guardrails"
"""The guardrails that a request wants to pass, beside those that it has to."""

_NOT_YET = "this version of the gateway does not have it"
_CONFIG = "it is set in the gateway's config, not by callers"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


GATEWAY_FIELDS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        _names(
            """caching policies mock_response mock_timeout no-log turn_off_message_logging
            prompt_id prompt_variables prompt_label prompt_version litellm_system_prompt search_tool_name
            retry_policy routing_strategy ensure_alternating_roles
            merge_reasoning_content_in_choices enable_json_schema_validation callbacks success_callback
            failure_callback"""
        ),
        _NOT_YET,
    )
    | dict.fromkeys(
        _names(
            """langfuse_public_key langfuse_secret langfuse_secret_key langfuse_host langfuse_prompt_version
            gcs_bucket_name gcs_path_service_account langsmith_api_key langsmith_project langsmith_base_url
            langsmith_sampling_rate langsmith_tenant_id humanloop_api_key arize_api_key arize_space_key
            arize_space_id posthog_api_key posthog_api_url wandb_api_key weave_project_id dd_api_key dd_site
            dd_agent_host dd_agent_port"""
        ),
        "this version of the gateway logs to no such service",
    )
    | dict.fromkeys(
        _names(
            """api_key api_base base_url api_version api_type organization custom_llm_provider extra_headers
            headers default_headers extra_body provider_specific_header litellm_credential_name litellm_params
            max_budget budget_duration additional_drop_params allowed_openai_params enable_tag_filtering
            model_info model_list user_config ssl_verify ssl_certificate aws_access_key_id
            aws_secret_access_key aws_session_token aws_region_name aws_session_name aws_profile_name
            aws_role_name aws_web_identity_token aws_sts_endpoint aws_external_id aws_bedrock_runtime_endpoint
            vertex_credentials vertex_project vertex_location vertex_ai_credentials vertex_ai_project
            vertex_ai_location azure_ad_token azure_ad_token_provider azure_username azure_password
            azure_scope tenant_id client_id client_secret use_xai_oauth auto_router_config_path
            auto_router_config auto_router_default_model auto_router_embedding_model complexity_router_config
            complexity_router_default_model adaptive_router_config adaptive_router_default_model
            quality_router_config quality_router_default_model"""
        ),
        _CONFIG,
    )
)
"""LiteLLM's own fields in a request's body, each with the reason why it is refused. A field whose value asks
for nothing (null, false, 0, empty) is taken out and not refused."""

STRIPPED = _names(
    """priority rpm tpm itpm otpm rpd tpd max_parallel_requests weight order cooldown_time fallback_depth
    max_fallbacks fastest_response force_timeout retry_strategy caching_groups ttl cache_key preset_cache_key
    mock_testing_fallbacks mock_testing_context_fallbacks mock_testing_content_policy_fallbacks
    mock_testing_rate_limit_error disable_global_guardrails disable_add_transform_inline_image_block
    litellm_call_id litellm_request_debug litellm_logging_obj litellm_proxy_rate_limit_response logger_fn
    verbose use_client use_litellm_proxy use_in_pass_through shared_session proxy_server_request secret_fields
    id azure client self acompletion aembedding atext_completion text_completion aimg_generation
    complete_response model_file_id_mapping model_config base_model hf_model_name region_name tag_regex
    supports_system_message user_continue_message assistant_continue_message roles initial_prompt_value
    final_prompt_value bos_token eos_token configurable_clientside_auth_params specific_deployment
    use_chat_completions_api default_api_key_rpm_limit default_api_key_tpm_limit max_agentic_loops
    max_file_size_mb keepalive_seconds allow_client_keepalive_override output_vector_size
    regional_processing_uplift_multiplier_eu regional_processing_uplift_multiplier_us"""
)
"""LiteLLM's own fields that are taken out without a word, since they ask for nothing that changes an answer
here. Prices (`input_cost_per_token`) are taken out as well. Where a provider's servers know one of the names
too, as vLLM does `priority`, the provider's row says so (`own_fields`), and the field is sent on."""
STRIPPED_PREFIXES = (
    "litellm_",
    "_litellm_",
    "_agentic_loop_",
    "_code_interpreter_interception_",
    "user_api_key",
)
"""How the names begin that are LiteLLM's own whatever follows. They are taken out like STRIPPED."""

CACHE_REQUESTS = frozenset({"no-cache", "no-store", "s-maxage", "s-max-age", "ttl", "namespace", "use-cache"})
"""What `cache` may hold (`schema/cache_options.py`). Where nothing is cached, each of these wishes is met."""

CONSUMED = (
    frozenset(
        {TAGS_FIELD, SESSION_FIELD, TRACE_FIELD, OWN_METADATA_FIELD, GUARDRAILS_FIELD, CACHE_POINTS_FIELD}
    )
    | ROUTE_FIELDS
)
"""Fields that the gateway uses itself and takes out: the ledger's labels (`schema/labels.py`), the options of
the router (`schema/route_options.py`), the guardrails that a call asks for, and where it is marked for the
provider's cache (`models_registry/backends/injection_points.py`)."""

_TAKEN = CONSUMED | STRIPPED | {DROP_PARAMS}
USUAL = frozenset({"input", *ChatRequest.__struct_encode_fields__}).difference(_TAKEN, GATEWAY_FIELDS)
"""Fields that most requests have, and that are never taken out."""

LIMITS = frozenset({"max_tokens", "max_completion_tokens"})

TRANSLATED = frozenset(
    {
        "model",
        "messages",
        *LIMITS,
        "temperature",
        "top_p",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
    }
)
"""OpenAI's fields that every translation of a chat honours."""


class Ignorable(msgspec.Struct, frozen=True):
    """Why a field may be left out. `values` are the values with which it may be; None: any value."""

    reason: str
    values: tuple[object, ...] | None = None


IGNORABLE: Mapping[str, Ignorable] = MappingProxyType(
    {
        "n": Ignorable("one answer is what the provider gives", (1,)),
        "frequency_penalty": Ignorable("zero is no penalty", (0,)),
        "presence_penalty": Ignorable("zero is no penalty", (0,)),
        "logit_bias": Ignorable("an empty one biases nothing", ({},)),
        "logprobs": Ignorable("false asks for nothing", (False,)),
        "top_logprobs": Ignorable("zero asks for nothing", (0,)),
        "parallel_tool_calls": Ignorable("true is what the provider does", (True,)),
        "modalities": Ignorable("text is what the provider gives", (["text"],)),
        "service_tier": Ignorable("it is the provider's default", ("auto", "default")),
        STORE: Ignorable("nothing is stored", (False,)),
        METADATA_FIELD: Ignorable("labels of the row, which is here; no answer is stored there"),
        "user": Ignorable("a label for the provider's abuse reports; the answer is the same"),
        "safety_identifier": Ignorable("a label for the provider's abuse reports; the answer is the same"),
        "prompt_cache_key": Ignorable("a hint to OpenAI's cache; the answer is the same"),
        "prompt_cache_retention": Ignorable("a hint to OpenAI's cache; the answer is the same"),
        "prompt_cache_options": Ignorable("a hint to OpenAI's cache; the answer is the same"),
        "stream": Ignorable("consumed by the translation"),
        "stream_options": Ignorable("consumed by the translation"),
        DROP_PARAMS: Ignorable("consumed by the gateway"),
    }
)
"""OpenAI's fields that a translation may leave out. A backend that honours such a field uses it."""


def take_gateway_fields(fields: dict[str, msgspec.Raw], target: Target) -> None:
    """Take the gateway's own fields out of a body. Raises UnsupportedParameter for one of GATEWAY_FIELDS that
    asks for something."""
    for name in [name for name in fields if name not in USUAL]:
        if name in GATEWAY_FIELDS:
            if value_of(fields.pop(name), name):
                raise UnsupportedParameter(
                    f"'{name}' can't be set in a request: {GATEWAY_FIELDS[name]}. Leave it out.", param=name
                )
        elif name == CACHE_FIELD:
            _check_cache(fields.pop(name))
        elif (name in _TAKEN and name not in target.own_fields) or is_litellms(name):
            del fields[name]


def _check_cache(raw: msgspec.Raw) -> None:
    """Raise UnsupportedParameter where a caller asks for more of a cache than there is."""
    asked = value_of(raw, CACHE_FIELD)
    if not asked:
        return
    found = asked.items() if isinstance(asked, dict) else [("", asked)]
    for name, value in found:
        if name not in CACHE_REQUESTS and value:
            param = f"{CACHE_FIELD}.{shortened(name)}" if name else CACHE_FIELD
            raise UnsupportedParameter(
                f"'{param}' can't be set in a request: {_NOT_YET}. Leave it out.", param=param
            )


@lru_cache(maxsize=1024)
def is_litellms(name: str) -> bool:
    """Whether a field of a body is LiteLLM's own by the form of its name: a price, such as
    `output_cost_per_token`, or a name that begins like one of STRIPPED_PREFIXES."""
    return len(name) <= MAX_NAME_CHARS and (name.startswith(STRIPPED_PREFIXES) or is_price_field(name))


def keep_metadata_here(fields: dict[str, msgspec.Raw], *, stored_there: bool) -> None:
    """Take `metadata` out of a body that goes to a provider, since it holds labels of the row, as at LiteLLM.
    Where the provider is asked to store the answer and keeps metadata (`stored_there`), the texts in it
    stay."""
    metadata = fields.pop(METADATA_FIELD, None)
    if metadata is None or not stored_there or bytes(fields.get(STORE, b"")) != b"true":
        return
    texts = stored_texts(metadata)
    if texts is not None:
        fields[METADATA_FIELD] = texts


def add_defaults(fields: dict[str, msgspec.Raw], target: Target) -> None:
    """Add the deployment's parameters where the caller sent none. `max_tokens` and `max_completion_tokens`
    count as one parameter."""
    if not target.params:
        return
    limited = any(_sent(fields, name) for name in LIMITS)
    for name, value in target.params.items():
        if not _sent(fields, name) and not (limited and name in LIMITS):
            fields[name] = value


def with_defaults(request: ChatRequest, target: Target) -> ChatRequest:
    """The request with the deployment's parameters added, `raw` included. Raises GatewayError when
    one of them has the wrong type."""
    if not target.params:
        return request
    fields = request.fields()
    add_defaults(fields, target)
    try:
        merged = msgspec.json.decode(msgspec.json.encode(fields), type=ChatRequest)
    except msgspec.ValidationError as exc:
        raise GatewayError(
            f"The deployment '{target.model_id}' of '{target.public_name}' has a wrong litellm_params: {exc}"
        ) from exc
    merged.with_raw(fields)
    return merged


def refuse_unsupported(
    request: ChatRequest, target: Target, honoured: frozenset[str], changes: Changes
) -> None:
    """Check the top-level fields of a request that is to be translated, and name those that `drop_params`
    drops. Raises UnsupportedParameter for the first that is neither honoured, nor ignorable, nor dropped."""
    fields = request.fields()
    take_gateway_fields(fields, target)
    dropping = drops_params(request, target)
    for name, raw in fields.items():
        if name in honoured or bytes(raw) == b"null" or may_leave_out(name, raw):
            continue
        if not dropping:
            raise unsupported(name, target)
        changes.add(name)


def drops_params(request: ChatRequest, target: Target) -> bool:
    """Whether `drop_params` is on: as the caller says, else as the deployment says."""
    raw = request.raw.get(DROP_PARAMS)
    return target.drop_params if raw is None else bytes(raw) == b"true"


def unsupported(param: str, target: Target, why: str = "") -> UnsupportedParameter:
    """The refusal of a parameter by name."""
    origin = ""
    if param in target.params:
        origin = " (it is in the deployment's litellm_params)"
    return UnsupportedParameter(
        f"'{shortened(param)}' is not supported by the provider '{target.provider}' of "
        f"'{target.public_name}'{origin}{': ' + why if why else ''}. "
        "Leave it out, or set drop_params to have it dropped.",
        param=param,
    )


def may_leave_out(name: str, raw: msgspec.Raw) -> bool:
    """Whether a field with this value asks for nothing that an answer could lack."""
    ignorable = IGNORABLE.get(name)
    if ignorable is None:
        return False
    return ignorable.values is None or value_of(raw, name) in ignorable.values


def _sent(fields: Mapping[str, msgspec.Raw], name: str) -> bool:
    return name in fields and bytes(fields[name]) != b"null"
