"""The parameters of `litellm_params` that go into requests, judged at start by the dialect that they go to.

Each has its effect, or is left out with a warning, or the deployment is in error: none is kept with which
every call would fail. A translation is asked whether it can send them, by translating a request.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from models_registry.backends import BACKENDS
from models_registry.backends.ollama.options import RUNNER, SAMPLING
from models_registry.config.entries import Deployment
from models_registry.config.known_keys import OPENAI_CHAT, OPENAI_EMBEDDINGS, REQUEST_PARAMS
from models_registry.numbers import BadDeployment
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from schema.chat import ChatRequest, TokenLimit
from schema.errors.base import GatewayError
from schema.errors.requests import UnsupportedParameter

OWN = frozenset({"model", "messages", "input", "prompt", "stream"})
"""ParamFields that each request says itself."""
OLLAMA_WORDS = RUNNER | {"think", "format", "options", "keep_alive"}
ASKS_FOR_USAGE = msgspec.Raw(b'{"include_usage":true}')
_ASKED = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
_ASKED_WITH_A_TOOL = _ASKED[:-1] + b',"tools":[{"type":"function","function":{"name":"f"}}]}'
_FACTS = CallFacts(request_id="", created=0)
_DURATION = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|ms|s|m|h))+")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?")

ParamFields = dict[str, msgspec.Raw]


class _OllamaParams(msgspec.Struct, frozen=True, kw_only=True):
    """Ollama's own words in a config, as its server takes them."""

    think: bool | Literal["low", "medium", "high", "max"] | None = None
    format: Literal["json"] | dict[str, Any] | None = None  # a JSON schema
    keep_alive: int | float | str | None = None
    num_ctx: TokenLimit | None = None
    num_predict: TokenLimit | None = None
    num_batch: TokenLimit | None = None
    num_gpu: int | None = None
    main_gpu: int | None = None
    num_thread: int | None = None
    num_keep: int | None = None
    draft_num_predict: int | None = None
    use_mmap: bool | None = None


def judged(deployment: Deployment, target: Target, *, declares_all: bool) -> tuple[Target, list[str]]:
    """The target with the parameters that can be sent, and warnings about the others. `declares_all`: the
    host is OpenAI's own, which refuses a call with a field that it does not declare. Raises BadDeployment."""
    path = f"{deployment.path}.litellm_params"
    fields = dict(target.params)
    warnings: list[str] = []
    for name in sorted(OWN & fields.keys()):
        if bytes(fields.pop(name)) != b"false":
            warnings.append(f"{path}.{name}: each request says that itself; it is ignored")
    if bytes(fields.pop("stream_options", ASKS_FOR_USAGE)) != bytes(ASKS_FOR_USAGE):
        warnings.append(
            f"{path}.stream_options: is ignored; a stream is always asked for its usage, unless it is "
            "{include_usage: false}"
        )
    if target.dialect.facts.has_options:
        fields = _as_ollama_takes(fields, path, warnings)
    elif declares_all:
        is_embedding = deployment.entry.model_info.mode == "embedding"
        declared = OPENAI_EMBEDDINGS if is_embedding else OPENAI_CHAT
        for name in sorted(fields.keys() & deployment.params.keys() - declared):
            del fields[name]
            warnings.append(f"{path}.{name}: {_no_word(name, target)}; it is left out")
    fields = _typed(fields, deployment, path)
    if not target.dialect.facts.forwards_unknown:
        fields = _translatable(fields, target, path, warnings)
    else:
        for name in sorted(fields.keys() & deployment.params.keys() - REQUEST_PARAMS):
            doubt = f"; {OLLAMA_HINT}" if name in OLLAMA_WORDS else ""
            warnings.append(f"{path}.{name}: unknown key, sent to the provider with every request{doubt}")
    return msgspec.structs.replace(target, params=fields), warnings


OLLAMA_HINT = "a model of Ollama's has it as ollama_chat/<model>"


def _no_word(name: str, target: Target) -> str:
    hint = f" ({OLLAMA_HINT})" if name in OLLAMA_WORDS else ""
    return f"{target.provider} has no word for it{hint}"


def _typed(fields: ParamFields, deployment: Deployment, path: str) -> ParamFields:
    """The fields with the types of a request: the environment gives numbers as text. Raises BadDeployment for
    one that no request may have."""
    asked = {**msgspec.json.decode(_ASKED, type=dict[str, msgspec.Raw]), **fields}
    try:
        request = msgspec.json.decode(msgspec.json.encode(asked), type=ChatRequest, strict=False)
    except msgspec.ValidationError as exc:
        what, _, where = str(exc).partition(" - at `$.")
        name = re.split(r"[.\[`]", where)[0]
        inside = "" if name in deployment.params else "extra_body."
        raise BadDeployment(f"{path}.{inside}{where.rstrip('`')}", what) from None
    typed = dict(fields)
    for name, raw in fields.items():
        value = getattr(request, name, None)
        if bytes(raw).startswith(b'"') and isinstance(value, bool | int | float):
            typed[name] = msgspec.Raw(msgspec.json.encode(value))
    return typed


def _translatable(fields: ParamFields, target: Target, path: str, warnings: list[str]) -> ParamFields:
    """The fields that a translation can send."""
    fields = dict(fields)
    while True:
        error = _refusal(_ASKED, fields, target)
        if error is None:
            return fields
        top = re.split(r"[.\[]", error.param or "")[0]
        if isinstance(error, UnsupportedParameter) and top in fields:
            del fields[top]
            warnings.append(
                f"{path}.{top}: {target.provider} has no word for it, or not for this value; it is left out"
            )
        elif _refusal(_ASKED_WITH_A_TOOL, fields, target) is None:
            return fields
        else:
            where = f"{path}.{top}" if top in fields else path
            raise BadDeployment(where, f"with it {target.provider} can be sent no request")


def _refusal(body: bytes, fields: ParamFields, target: Target) -> GatewayError | None:
    request = msgspec.json.decode(body, type=ChatRequest)
    request.with_raw(msgspec.json.decode(body, type=dict[str, msgspec.Raw]))
    asked = msgspec.structs.replace(target, params=fields, drop_params=False)
    try:
        BACKENDS[target.dialect].chat_request(request, asked, _FACTS)
    except GatewayError as error:
        return error
    return None


def _as_ollama_takes(fields: ParamFields, path: str, warnings: list[str]) -> ParamFields:
    """Ollama's own words as this gateway's: `options` are unpacked, `format` and `num_predict` have names in
    a request. Raises BadDeployment for what its server would refuse."""
    fields = dict(fields)
    options = _options_in(fields.pop("options", None), path)
    for name, raw in options.items():
        if name in RUNNER | SAMPLING | {"num_predict", "temperature", "top_p", "seed", "stop"} | PENALTIES:
            fields.setdefault(name, raw)
        else:
            warnings.append(f"{path}.options.{name}: is none of Ollama's options; it is left out")
    words = _words_in(fields, path)
    for name in _OllamaParams.__struct_fields__:
        value = getattr(words, name)
        if name in fields and value is not None:
            fields[name] = msgspec.Raw(msgspec.json.encode(value))
    limit = fields.pop("num_predict", None)
    if limit is not None and "max_completion_tokens" not in fields:
        fields.setdefault("max_tokens", limit)
    form = fields.pop("format", None)
    if form is not None:
        fields.setdefault("response_format", _response_format(words.format))
    return fields


PENALTIES = frozenset({"presence_penalty", "frequency_penalty"})


def _options_in(raw: msgspec.Raw | None, path: str) -> ParamFields:
    try:
        return {} if raw is None else msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        raise BadDeployment(f"{path}.options", "expected a mapping of Ollama's options") from None


def _words_in(fields: Mapping[str, msgspec.Raw], path: str) -> _OllamaParams:
    named = {name: raw for name, raw in fields.items() if name in _OllamaParams.__struct_fields__}
    try:
        words = msgspec.json.decode(msgspec.json.encode(named), type=_OllamaParams, strict=False)
    except msgspec.ValidationError as exc:
        what, _, where = str(exc).partition(" - at `$.")
        raise BadDeployment(f"{path}.{where.rstrip('`')}", _expected(where.rstrip("`"), what)) from None
    if not isinstance(words.keep_alive, str):
        return words
    if _NUMBER.fullmatch(words.keep_alive):
        return msgspec.structs.replace(words, keep_alive=msgspec.json.decode(words.keep_alive))
    if not _DURATION.fullmatch(words.keep_alive):
        raise BadDeployment(
            f"{path}.keep_alive", "expected a number of seconds, or a duration such as 5m or 24h"
        )
    return words


def _expected(name: str, what: str) -> str:
    """msgspec's own words may have a value in them."""
    if name == "think":
        return "expected true, false, low, medium, high or max"
    if name == "format":
        return "expected json, or a JSON schema"
    return what


def _response_format(form: object) -> msgspec.Raw:
    if form == "json":
        return msgspec.Raw(b'{"type":"json_object"}')
    schema = {"type": "json_schema", "json_schema": {"name": "format", "schema": form}}
    return msgspec.Raw(msgspec.json.encode(schema))
