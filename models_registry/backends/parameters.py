"""Which body fields belong to the gateway, and which a translated request may leave out.

Nothing that a caller sent is dropped in silence. A field is honoured, or it is on a list here with the reason
why leaving it out changes nothing, or it is refused by name. With `drop_params` (LiteLLM's setting, for a
deployment or in the body) a field that the provider can't honour is dropped and not refused. `drop_params`
never lets a field of the gateway through to a provider.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.changes import Changes
from models_registry.target import Target
from schema.chat import ChatRequest
from schema.errors import GatewayError, UnsupportedParameter, shortened
from schema.labels import (
    METADATA_FIELD,
    OWN_METADATA_FIELD,
    SESSION_FIELD,
    TAGS_FIELD,
    stored_texts,
)
from schema.route_options import ROUTE_FIELDS

DROP_PARAMS = "drop_params"
STORE = "store"

_NOT_YET = "this version of the gateway does not have it"
_CONFIG = "it is set in the gateway's config, not by callers"

GATEWAY_FIELDS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        (
            "max_retries",
            "timeout",
            "request_timeout",
            "stream_timeout",
            "cache",
            "caching",
            "ttl",
            "guardrails",
            "mock_response",
            "mock_timeout",
            "no-log",
            "prompt_id",
            "prompt_variables",
            "litellm_call_id",
            "litellm_trace_id",
        ),
        _NOT_YET,
    )
    | dict.fromkeys(
        (
            "api_key",
            "api_base",
            "base_url",
            "api_version",
            "api_type",
            "organization",
            "custom_llm_provider",
            "extra_headers",
            "headers",
            "extra_body",
            "additional_drop_params",
            "allowed_openai_params",
            "model_info",
            "model_list",
            "user_config",
            "aws_access_key_id",
            "aws_secret_access_key",
            "aws_session_token",
            "vertex_credentials",
            "azure_ad_token",
        ),
        _CONFIG,
    )
)
"""LiteLLM's own fields in a request's body, each with the reason why it is refused. A field whose value asks
for nothing (null, false, 0, empty) is taken out and not refused."""

CONSUMED = frozenset({TAGS_FIELD, SESSION_FIELD, OWN_METADATA_FIELD}) | ROUTE_FIELDS
"""Fields that the gateway uses itself and takes out: the ledger's labels (`schema/labels.py`), and the
options of the router (`schema/route_options.py`)."""

LIMITS = frozenset({"max_tokens", "max_completion_tokens"})


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


def take_gateway_fields(fields: dict[str, msgspec.Raw]) -> None:
    """Take the gateway's own fields out of a body. Raises UnsupportedParameter for one of GATEWAY_FIELDS that
    asks for something."""
    for name in GATEWAY_FIELDS.keys() & fields.keys():
        if msgspec.json.decode(fields.pop(name)):
            raise UnsupportedParameter(
                f"'{name}' can't be set in a request: {GATEWAY_FIELDS[name]}. Leave it out.", param=name
            )
    for name in CONSUMED & fields.keys():
        del fields[name]
    fields.pop(DROP_PARAMS, None)


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
    take_gateway_fields(fields)
    dropping = drops_params(request, target)
    for name, raw in fields.items():
        if name in honoured or bytes(raw) == b"null" or _may_leave_out(name, raw):
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


def _may_leave_out(name: str, raw: msgspec.Raw) -> bool:
    ignorable = IGNORABLE.get(name)
    if ignorable is None:
        return False
    return ignorable.values is None or msgspec.json.decode(raw) in ignorable.values


def _sent(fields: Mapping[str, msgspec.Raw], name: str) -> bool:
    return name in fields and bytes(fields[name]) != b"null"
