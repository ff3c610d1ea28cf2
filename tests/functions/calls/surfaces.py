"""The surfaces that calls come by, and answers of providers for each of them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from functions.chat import chat
from functions.completions import completions
from functions.embeddings import embeddings
from functions.messages import messages
from functions.ports.context import ModelContext
from functions.responses import responses
from schema.chat import ChatRequest
from schema.completions import CompletionsRequest
from schema.embeddings import EmbeddingsRequest
from schema.messages import MessagesRequest
from schema.responses import ResponsesRequest
from schema.wire import Wire
from tests.fakes import answers
from tests.fakes.upstream import Answer

HELLO = [{"role": "user", "content": "Hello"}]
Ask = Callable[[Any, ModelContext], Awaitable[Any]]
SURFACES: Mapping[str, tuple[Ask, type[Wire], dict[str, Any], str]] = {
    "chat": (chat, ChatRequest, {"messages": HELLO}, "acompletion"),
    "completions": (completions, CompletionsRequest, {"prompt": "Hello"}, "atext_completion"),
    "messages": (messages, MessagesRequest, {"messages": HELLO, "max_tokens": 9}, "anthropic_messages"),
    "responses": (responses, ResponsesRequest, {"input": "Hello"}, "aresponses"),
    "embeddings": (embeddings, EmbeddingsRequest, {"input": "Hello"}, "aembedding"),
}
MODELS = ("gpt", "claude", "mistral-local")
WHOLE = {
    "gpt": answers.openai_chat(),
    "claude": answers.anthropic_message(),
    "mistral-local": answers.ollama_chat(),
}
STREAMS = {
    "gpt": answers.openai_stream(),
    "claude": answers.anthropic_stream(),
    "mistral-local": answers.ollama_stream(),
}
VECTORS = {"gpt": answers.openai_embeddings(), "mistral-local": answers.ollama_embed()}
PAIRS = [(surface, model) for surface in SURFACES for model in MODELS if surface != "embeddings"]
PAIRS += [("embeddings", model) for model in VECTORS]


def answer_of(surface: str, model: str, stream: object) -> Answer:
    """What a model's provider answers."""
    if surface == "embeddings":
        return Answer(body=VECTORS[model])
    return Answer(chunks=STREAMS[model]) if stream else Answer(body=WHOLE[model])
