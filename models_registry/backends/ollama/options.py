"""Ollama's `options`: sampling, the limit on the answer, and the size of the context.

A change of `num_ctx` makes the server load the model again, so it is one of a few sizes (BUCKETS). The prompt
is estimated at two bytes a token. Dense text comes near that, and English has far fewer tokens. Too small a
context would refuse a prompt that fits the model. Too large a context would cost memory.
"""

from collections.abc import Mapping

import msgspec

from models_registry.target import Target
from schema.chat import ChatRequest
from schema.dialects.ollama import OllamaMessage, Option

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
"""Options that make the server load the model anew. Only the config (`litellm_params`) may set them."""


def options_of(request: ChatRequest, messages: list[OllamaMessage], target: Target) -> dict[str, Option]:
    """The options that were set. What was not set is the model's own default."""
    options: dict[str, Option] = {
        name: raw for name, raw in request.raw.items() if name in SAMPLING and bytes(raw) != b"null"
    }
    set_here: Mapping[str, Option | None] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "stop": [request.stop] if isinstance(request.stop, str) else request.stop,
        "num_predict": answer_limit(request),
    }
    options.update((name, value) for name, value in set_here.items() if value is not None)
    options["num_ctx"] = context_size(request, messages)
    options.update(runner_options(target))
    return options


def runner_options(target: Target) -> dict[str, Option]:
    """The options that the config sets. They win over all others."""
    return {name: raw for name, raw in target.params.items() if name in RUNNER}


def answer_limit(request: ChatRequest) -> int | None:
    """The caller's limit on the answer. `max_completion_tokens` counts where both names are sent."""
    if request.max_completion_tokens is not None:
        return request.max_completion_tokens
    return request.max_tokens


def context_size(request: ChatRequest, messages: list[OllamaMessage]) -> int:
    """The smallest size of BUCKETS that holds the prompt and the answer, else the largest. The server refuses
    a prompt that is too long for the model."""
    text = msgspec.json.encode(request.tools or []) if request.tools else b""
    size = len(text) // BYTES_PER_TOKEN + CALL_TOKENS + MESSAGE_TOKENS * len(messages)
    for message in messages:
        size += _bytes(message) // BYTES_PER_TOKEN + IMAGE_TOKENS * len(message.images or ())
    limit = answer_limit(request)
    needed = size + (ANSWER_TOKENS if limit is None or limit < 0 else limit)
    return next((bucket for bucket in BUCKETS if bucket >= needed), BUCKETS[-1])


def _bytes(message: OllamaMessage) -> int:
    total = len((message.content or "").encode()) + len((message.thinking or "").encode())
    for call in message.tool_calls or ():
        arguments = call.function.arguments
        total += len(call.function.name) + (len(bytes(arguments)) if arguments else 0)
    return total
