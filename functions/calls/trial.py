"""The smallest real call to a deployment, to see whether the deployment works."""

import time
from typing import Literal

import msgspec

from functions.calls.attempt import Attempts
from functions.calls.chat_exchange import ChatExchange
from functions.calls.vectors import EmbeddingsExchange
from functions.ports.context import ModelContext
from models_registry.config.diagnosis import Diagnosis, diagnosed
from models_registry.target import Target
from schema.chat import ChatCompletion, ChatRequest, Message
from schema.embeddings import EmbeddingsRequest
from schema.errors.base import GatewayError

TrialMode = Literal["chat", "embedding"]
QUESTION = "Hi"
MAX_TOKENS = 16
"""The least that every provider takes as a limit."""
MAX_CHARS = 200


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How a call went. `answer`: what the model said, its first 200 characters, or how many numbers a vector
    has. `diagnosis` None: the deployment works."""

    took_ms: int
    answer: str = ""
    diagnosis: Diagnosis | None = None


async def tried(target: Target, mode: TrialMode, ctx: ModelContext, *, max_tokens: int = MAX_TOKENS) -> Trial:
    """Call a deployment once, for an answer of so many tokens at most. A failure, of the provider or of the
    gateway itself, is told in the result."""
    began = time.monotonic()
    try:
        if mode == "embedding":
            answer = await _vector(target, ctx)
        else:
            answer = await _answer(target, ctx, max_tokens)
    except GatewayError as error:
        return Trial(took_ms=_since(began), diagnosis=diagnosed(error, target))
    return Trial(took_ms=_since(began), answer=answer)


async def _answer(target: Target, ctx: ModelContext, max_tokens: int) -> str:
    request = ChatRequest(
        model=target.public_name,
        messages=[Message(role="user", content=QUESTION)],
        max_tokens=max_tokens,
    )
    request.with_raw(request.fields())
    attempts = Attempts(request, ctx, ChatExchange)
    try:
        answer = await attempts.at(target)
    except GatewayError as error:
        attempts.end(error, final=True)
        raise
    assert isinstance(answer, ChatCompletion), "no stream was asked for"
    message = answer.choices[0].message if answer.choices else None
    return ((message and message.content) or "")[:MAX_CHARS]


async def _vector(target: Target, ctx: ModelContext) -> str:
    request = EmbeddingsRequest(model=target.public_name, input=QUESTION)
    request.with_raw(request.fields())
    attempts = Attempts(request, ctx, EmbeddingsExchange)
    try:
        found = await attempts.at(target)
    except GatewayError as error:
        attempts.end(error, final=True)
        raise
    first = found.data[0].embedding if found.data else []
    return f"{len(first)} numbers"


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
