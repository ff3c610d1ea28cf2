"""OpenAI's legacy completions: request, answer, stream chunk.

Source: OpenAI's OpenAPI document 2.3.0, `CreateCompletion*`.
"""

from typing import Annotated

import msgspec

from schema.chat import MAX_ANSWERS, StreamOptions, TokenLimit, WireUsage
from schema.wire import ABSENT, MaybeRaw, Wire


class CompletionsRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /v1/completions. `prompt` is a text, a list of texts, or tokens as numbers."""

    model: str
    prompt: str | list[str | int | list[int]] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: TokenLimit | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_ANSWERS)] | None = None
    best_of: Annotated[int, msgspec.Meta(ge=1, le=MAX_ANSWERS)] | None = None
    echo: bool | None = None
    suffix: str | None = None
    logprobs: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    user: str | None = None


class CompletionChoice(msgspec.Struct, frozen=True, kw_only=True):
    """`logprobs` is null in the gateway's own answers, and is written all the same, as OpenAI does."""

    text: str
    index: int = 0
    logprobs: MaybeRaw = ABSENT
    finish_reason: str | None = None


class Completion(Wire, frozen=True, kw_only=True, dict=True):
    """The answer, and a chunk of a stream. `choices` is empty in the chunk that has the usage."""

    id: str = ""
    object: str = ""
    created: int = 0
    model: str = ""
    choices: list[CompletionChoice]
    usage: WireUsage | None = None
    service_tier: MaybeRaw = ABSENT
