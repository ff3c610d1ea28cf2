"""Ollama's answers in OpenAI's terms. Whole answers and streams share these functions."""

import hashlib

import msgspec

from models_registry.backends.provider_errors import error_inside
from models_registry.backends.tolerance import decoded
from models_registry.backends.usage import count_in, usage_from
from models_registry.target import Target
from schema.dialects.ollama import OllamaAnswer, OllamaToolCall
from schema.errors import UpstreamMalformed
from schema.usage import Usage
from schema.wire import ABSENT, present

_ANSWERS = msgspec.json.Decoder(OllamaAnswer)


def decode_answer(data: bytes, target: Target) -> OllamaAnswer:
    """A whole answer, or one line of a stream. Raises the mapped error for `{"error": ...}`, and
    UpstreamMalformed for anything that is no answer."""
    try:
        answer = decoded(_ANSWERS, data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise UpstreamMalformed(f"The provider's answer is not one of Ollama's: {exc}") from exc
    if present(answer.error):
        raise error_inside(bytes(answer.error), target)
    if answer.message is None and not answer.done:
        raise UpstreamMalformed("The provider's answer has no message.")
    return answer


def usage_of(answer: OllamaAnswer) -> Usage | None:
    """The usage that an answer reports. Ollama leaves a count of zero out. So a missing count of output is
    zero, and a missing count of the prompt is unknown, since a prompt always has tokens. `prompt_eval_count`
    includes cached tokens, and nothing tells how many they are."""
    prompt, completion = count_in(answer.prompt_eval_count), count_in(answer.eval_count)
    if completion is None and answer.eval_count is ABSENT:
        completion = 0
    return usage_from(prompt, completion, Usage())


def finish_reason(answer: OllamaAnswer, *, called_tools: bool) -> str:
    """OpenAI's finish reason. Ollama says `stop` for tool calls as well."""
    if answer.done_reason == "length":
        return "length"
    return "tool_calls" if called_tools else "stop"


def call_id(call: OllamaToolCall, index: int, request_id: str) -> str:
    """The id of a tool call. Older servers send none, and then it is made from the request's id and the
    index."""
    if call.id:
        return call.id
    return "call_" + hashlib.sha256(f"{request_id}/{index}".encode()).hexdigest()[:24]


def arguments_of(call: OllamaToolCall) -> str:
    """The arguments as OpenAI has them: JSON as text."""
    raw = call.function.arguments
    return bytes(raw).decode("utf-8", "replace") if present(raw) else "{}"


def logprobs_of(answer: OllamaAnswer) -> msgspec.Raw | None:
    """OpenAI's `logprobs` object. Its entries are the same as Ollama's. None: the answer has none."""
    if not present(answer.logprobs):
        return None
    return msgspec.Raw(b'{"content":' + bytes(answer.logprobs) + b',"refusal":null}')
