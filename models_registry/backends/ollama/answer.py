"""Ollama's answers as events of the core. Whole answers and streams share these functions."""

import hashlib

import msgspec

from models_registry.backends.content import arguments_text
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.tolerance import decoded
from models_registry.backends.usage import count_in, usage_from
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, StopReason, Text, Thought, ToolArguments, ToolBegan
from schema.dialects.ollama import OllamaAnswer, OllamaToolCall
from schema.errors.upstream import UpstreamCut
from schema.usage import Usage
from schema.wire import ABSENT, present

_ANSWERS = msgspec.json.Decoder(OllamaAnswer)


def decode_answer(data: bytes, target: Target) -> OllamaAnswer:
    """A whole answer, or one line of a stream. Raises the mapped error for `{"error": ...}`, and
    UpstreamMalformed for anything that is no answer."""
    try:
        answer = decoded(_ANSWERS, data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise error_instead(data, target, f"The provider's answer is not one of Ollama's: {exc}") from exc
    if present(answer.error):
        raise error_instead(data, target, "The provider's answer is an error.")
    if answer.message is None and not answer.done:
        raise error_instead(data, target, "The provider's answer has no message.")
    if answer.done and not (answer.done_reason or present(answer.eval_count) or _has_prompt(answer)):
        # The server leaves the reason and the counts out where its runner went away.
        raise UpstreamCut("The provider's answer broke off: its last line has no reason and no counts.")
    return answer


def _has_prompt(answer: OllamaAnswer) -> bool:
    return present(answer.prompt_eval_count)


def usage_of(answer: OllamaAnswer) -> Usage | None:
    """The usage that an answer reports. Ollama leaves a count of zero out. So a missing count of output is
    zero, and a missing count of the prompt is unknown, since a prompt always has tokens. `prompt_eval_count`
    includes cached tokens, and nothing tells how many they are."""
    prompt, completion = count_in(answer.prompt_eval_count), count_in(answer.eval_count)
    if completion is None and answer.eval_count is ABSENT:
        completion = 0
    return usage_from(prompt, completion, Usage())


def stop_reason(answer: OllamaAnswer, *, called_tools: bool) -> StopReason:
    """Why an answer ended. Ollama says `stop` for tool calls as well."""
    if answer.done_reason == "length":
        return StopReason.LENGTH
    return StopReason.TOOLS if called_tools else StopReason.END


def message_events(answer: OllamaAnswer, calls: int, request_id: str) -> list[AnswerEvent]:
    """The events of a whole answer's message, or of that of one line. `calls` tool calls came before."""
    message = answer.message
    if message is None:
        return []
    found: list[AnswerEvent] = []
    if message.thinking:
        found.append(Thought(message.thinking))
    logprobs = logprobs_of(answer) or ABSENT
    if message.content or logprobs:
        found.append(Text(message.content or "", logprobs))
    for at, call in enumerate(message.tool_calls or (), calls):
        found.append(ToolBegan(at, call_id(call, at, request_id), call.function.name))
        found.append(ToolArguments(at, arguments_of(call)))
    return found


def call_id(call: OllamaToolCall, index: int, request_id: str) -> str:
    """The id of a tool call. Older servers send none, and then it is made from the request's id and the
    index."""
    return call.id or made_id(index, request_id)


def made_id(index: int, request_id: str) -> str:
    return "call_" + hashlib.sha256(f"{request_id}/{index}".encode()).hexdigest()[:24]


def arguments_of(call: OllamaToolCall) -> str:
    """The arguments as OpenAI has them: JSON as text."""
    return arguments_text(call.function.arguments)


def logprobs_of(answer: OllamaAnswer) -> msgspec.Raw | None:
    """OpenAI's `logprobs` object. Its entries are the same as Ollama's. None: the answer has none."""
    if not present(answer.logprobs):
        return None
    return msgspec.Raw(b'{"content":' + bytes(answer.logprobs) + b',"refusal":null}')
