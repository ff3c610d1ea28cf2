"""Upper bounds of what a call can use, from the request alone. They are what a budget holds.

A token of a byte-level tokenizer is at least one byte of text, and a JSON text is at least as long
as the UTF-8 in it, so the length of the body bounds the tokens of the text in it from above. What
a provider adds of its own has stated allowances. Images are counted apart, since a picture's tokens
have nothing to do with its bytes.
"""

import msgspec

from models_registry.target import Dialect, Target
from schema.chat import ChatRequest, Message
from schema.embeddings import EmbeddingsRequest

CALL_TOKENS = 512
"""What a chat template adds to any call: its own system text, the opening of the answer."""
MESSAGE_TOKENS = 16
"""Role and separators of a message, beside its text."""
TOOLS_TOKENS = 1024
"""The prompt a provider adds when there are tools (Anthropic: up to 530; llama.cpp's templates)."""
IMAGE_TOKENS = 50_000
"""An image at its dearest: gpt-4o-mini at high detail takes 2,833 + 8 tiles of 5,667."""
INPUT_TOKENS = 8
"""The frame of one embedded text."""
DEFAULT_OUTPUT_TOKENS = 4096

_IMAGE = b'"image_url"'


MAX_BOUND = 2**31 - 1
UNSEEN = ("o1", "o3", "o4", "gpt-5", "gpt-6")
"""OpenAI's families that reason behind the scenes."""


def input_bound(request: ChatRequest) -> int:
    """Most tokens the input can be. Audio and files are bounded by their bytes in the body; one
    named by an id or address alone has no bound here."""
    fields = request.fields()
    total = CALL_TOKENS + sum(_length(value) for value in fields.values())
    total += MESSAGE_TOKENS * len(request.messages)
    if request.tools:
        total += TOOLS_TOKENS
    if _IMAGE in bytes(fields["messages"]):
        total += sum(_image_bound(message) for message in request.messages)
    return total


def embeddings_bound(request: EmbeddingsRequest) -> int:
    """Most tokens the input can be: its bytes, whether text or token ids, and a frame each."""
    count = 1 if isinstance(request.input, str) else len(request.input)
    return _length(request.fields()["input"]) + INPUT_TOKENS * count


def output_bound(request: ChatRequest, target: Target) -> int:
    """Most tokens the answers can be: the caller's limit (the larger, where both names are used),
    else the deployment's own, else the model's maximum, else DEFAULT_OUTPUT_TOKENS; times `n`."""
    limits = [limit for limit in (request.max_tokens, request.max_completion_tokens) if limit is not None]
    limits = limits or _configured(target)
    limit = max(limits) if limits else target.max_output_tokens or DEFAULT_OUTPUT_TOKENS
    if target.max_output_tokens is not None:
        limit = min(limit, target.max_output_tokens)
    return min(max(1, request.n or 1) * max(0, limit), MAX_BOUND)


def reasons_unseen(request: ChatRequest, target: Target) -> bool:
    """Whether the output may hold reasoning that is billed and not shown: what was relayed is then
    no bound of it."""
    if target.local or target.dialect is not Dialect.OPENAI:
        return False
    return request.reasoning_effort not in (None, "none") or target.model.startswith(UNSEEN)


def _configured(target: Target) -> list[int]:
    found = [target.params[name] for name in ("max_tokens", "max_completion_tokens") if name in target.params]
    return [int(value) for value in map(msgspec.json.decode, found) if isinstance(value, int)]


def _image_bound(message: Message) -> int:
    """The ceiling of a message's images, less the bytes of those that stand in the body."""
    total = 0
    if isinstance(message.content, list):
        for part in message.content:
            if part.kind == "image_url" and part.image_url is not None:
                url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
                total += IMAGE_TOKENS - len(url)
    return total


def _length(raw: msgspec.Raw) -> int:
    return memoryview(raw).nbytes
