"""Ollama's `options`: sampling, the limit on the answer, and the size of the context.

A change of `num_ctx` makes the server load the model again, so it is one of a few sizes (BUCKETS). The prompt
is estimated at two bytes a token. Dense text comes near that, and English has far fewer tokens. Too small a
context would refuse a prompt that fits the model. Too large a context would cost memory.
"""

from collections.abc import Mapping

import msgspec

from models_registry.target import Target
from schema.chat import ChatRequest, Tool
from schema.dialects.ollama import OllamaMessage, Option
from schema.errors.requests import InvalidRequest

NULL = b"null"
BUCKETS = (4096, 8192, 16384, 32768, 65536, 131072)
BYTES_PER_TOKEN = 2
ANSWER_TOKENS = 2048
"""The tokens of context for the answer where the caller set no limit. Such an answer ends where the context
ends."""
IMAGE_TOKENS = 2048
CALL_TOKENS = 512
"""The tokens of context for a system text of the model's own."""
MESSAGE_TOKENS = 16

SAMPLING = frozenset(
    {"top_k", "min_p", "typical_p", "repeat_penalty", "repeat_last_n", "tfs_z", "mirostat"}
    | {"mirostat_eta", "mirostat_tau"}
)
"""Ollama's own options that callers may send as fields of the body, as at LiteLLM."""
RUNNER = frozenset(
    {"num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_keep", "use_mmap"}
    | {"draft_num_predict"}
)
"""Options that make the server load the model anew where they differ from those of the loaded one."""
NAMED = SAMPLING | RUNNER | {"temperature", "top_p", "seed", "frequency_penalty", "presence_penalty"}
"""Fields of a body that are options of the same name."""
OPTIONS, STOP, LIMIT = "options", "stop", "num_predict"
LIMITS = ("max_completion_tokens", "max_tokens")
"""OpenAI's names of the limit. The first counts where both are sent."""
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_COUNT = msgspec.json.Decoder(int)


def options_of(
    caller: ChatRequest, tools: list[Tool], messages: list[OllamaMessage], target: Target, loaded: int
) -> dict[str, Option]:
    """The options that were set: the caller's, before those of the config. What was not set is the model's
    own default. A context that nobody set is the one that the host has `loaded` the model with, where that is
    enough: a smaller one would make the host load the model anew."""
    options = {**set_options(target.params), **set_options(caller.raw or caller.fields())}
    if "num_ctx" not in options:
        options["num_ctx"] = max(loaded, context_size(tools, messages, _count(options.get(LIMIT))))
    return options


def set_options(fields: Mapping[str, msgspec.Raw]) -> dict[str, Option]:
    """The options that the fields of a body set. A field counts before a member of `options`. A limit that
    limits nothing (-1) is left out, so that a limit of the gateway's own holds. Raises InvalidRequest where
    `options` is no object."""
    options: dict[str, Option] = {**_members(fields)}
    for name, raw in fields.items():
        if name in NAMED and bytes(raw) != NULL:
            options[name] = raw
    stop = fields.get(STOP)
    if stop is not None and bytes(stop) != NULL:
        options[STOP] = stop if bytes(stop)[:1] == b"[" else msgspec.Raw(b"[" + bytes(stop) + b"]")
    limits = (fields[name] for name in LIMITS if bytes(fields.get(name, NULL)) != NULL)
    limit = next(limits, options.pop(LIMIT, None))
    if (_count(limit) or 0) > 0 and limit is not None:
        options[LIMIT] = limit
    return options


def _members(fields: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    raw = fields.get(OPTIONS)
    if raw is None or bytes(raw) == NULL:
        return {}
    try:
        return {name: each for name, each in _OBJECT.decode(raw).items() if bytes(each) != NULL}
    except msgspec.DecodeError as exc:
        raise InvalidRequest("'options' must be an object, as Ollama's.", param=OPTIONS) from exc


def _count(value: Option | None) -> int | None:
    try:
        return _COUNT.decode(value) if isinstance(value, msgspec.Raw) else None
    except msgspec.DecodeError:
        return None


def context_size(tools: list[Tool], messages: list[OllamaMessage], limit: int | None) -> int:
    """The smallest size of BUCKETS that holds the prompt and the answer, else the largest. The server refuses
    a prompt that is too long for the model."""
    text = msgspec.json.encode(tools) if tools else b""
    size = len(text) // BYTES_PER_TOKEN + CALL_TOKENS + MESSAGE_TOKENS * len(messages)
    for message in messages:
        size += _bytes(message) // BYTES_PER_TOKEN + IMAGE_TOKENS * len(message.images or ())
    needed = size + (ANSWER_TOKENS if limit is None or limit < 0 else limit)
    return next((bucket for bucket in BUCKETS if bucket >= needed), BUCKETS[-1])


def _bytes(message: OllamaMessage) -> int:
    total = len((message.content or "").encode()) + len((message.thinking or "").encode())
    for call in message.tool_calls or ():
        arguments = call.function.arguments
        total += len(call.function.name) + (len(bytes(arguments)) if arguments else 0)
    return total
