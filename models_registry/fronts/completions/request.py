"""A prompt as turns: one message of the user. The other fields of a request have the same names in chat."""

import msgspec

from models_registry.turns.asked import turns_of
from schema.chat import ChatRequest, Message
from schema.completions import CompletionsRequest
from schema.errors.requests import InvalidRequest, UnsupportedParameter

OWN = ("prompt", "suffix", "echo", "best_of", "logprobs")
"""Fields that chat doesn't have, or has in another form."""
CHAT_ALONE = ("messages", "tools", "tool_choice", "functions", "function_call", "audio", "modalities")
"""Fields of chat that ask for what a completion can't hold."""


def turns_from(request: CompletionsRequest) -> ChatRequest:
    """The request as turns. `echo` is the writer's to do. Raises InvalidRequest, and UnsupportedParameter for
    what a chat model has no way to honour."""
    text = _text_of(request)
    for name in CHAT_ALONE:
        if name in request.raw:
            raise _unsupported(name, "it belongs to /v1/chat/completions")
    if request.suffix:
        raise _unsupported("suffix", "a chat model has no way to write in front of a text")
    if request.best_of is not None and request.best_of > 1:
        raise _unsupported("best_of", "a chat model gives one answer")
    if request.n is not None and request.n > 1:
        raise _unsupported("n", "a chat model gives one answer here")
    if request.logprobs:
        raise _unsupported("logprobs", "chat models give them in another form")
    fields = {name: raw for name, raw in request.fields().items() if name not in OWN}
    fields["messages"] = msgspec.Raw(msgspec.json.encode([Message(role="user", content=text)]))
    return turns_of(fields)


def echoed(request: CompletionsRequest) -> str:
    """What stands before the answer's text: the prompt, where the request asks for it."""
    return _text_of(request) if request.echo else ""


def _text_of(request: CompletionsRequest) -> str:
    prompt = request.prompt
    one = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
    if isinstance(one, str) and one:
        return one
    if not one:
        raise InvalidRequest("'prompt' must be a text.", param="prompt")
    raise _unsupported("prompt", "it must be one text, and no list of several texts or of tokens")


def _unsupported(name: str, why: str) -> UnsupportedParameter:
    return UnsupportedParameter(f"'{name}' is not supported for this model: {why}.", param=name)
