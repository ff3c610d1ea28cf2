"""Translates to Anthropic's Messages API, which has no embeddings.

`input_tokens` leaves out cached tokens, read and written, so they are added to it. Thinking is inside the
output. A stream reports its input at its start, and all counts at its end.
"""

from collections.abc import Mapping

import msgspec

from models_registry.backends.anthropic.citations import cited
from models_registry.backends.anthropic.fitting import fitted
from models_registry.backends.anthropic.request import ANSWER_TOOL, answers_by_tool, messages_request
from models_registry.backends.anthropic.stream import AnthropicStream
from models_registry.backends.anthropic.thinking import thinking_block
from models_registry.backends.anthropic.usage import counts_in, finish_reason, usage_of
from models_registry.backends.backend import CallFacts, UpstreamRequest
from models_registry.backends.changes import Changes
from models_registry.backends.content import arguments_text
from models_registry.backends.fitting import Fitted
from models_registry.backends.headers import upstream_headers
from models_registry.backends.provider_errors import error_instead, provider_error
from models_registry.backends.tolerance import decoded
from models_registry.backends.usage import to_wire
from models_registry.target import Target
from schema.chat import AnswerMessage, CalledFunction, ChatCompletion, ChatRequest, Choice, ToolCall
from schema.dialects.anthropic import AnswerBlock, MessagesResponse
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors import UnsupportedParameter, UpstreamError, UpstreamMalformed
from schema.usage import Usage
from schema.wire import ABSENT, MaybeRaw, present

VERSION = "2023-06-01"
"""The `anthropic-version`. Later versions refuse sampling parameters, which callers in OpenAI's dialect
send."""

_FOREIGN = ("openai-", "anthropic-version")


class _AnswerHead(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    kind: str = ""
    error: MaybeRaw = ABSENT


_ANSWERS = msgspec.json.Decoder(_AnswerHead)
_MESSAGES = msgspec.json.Decoder(MessagesResponse)


class Anthropic:
    """Implements Backend."""

    def fitted(self, request: ChatRequest, target: Target) -> Fitted | None:
        """See `models_registry/backends/anthropic/fitting.py`."""
        return fitted(request, target)

    def chat_request(self, request: ChatRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST /v1/messages."""
        changes = Changes()
        body = msgspec.json.encode(messages_request(request, target, changes))
        credential = {"anthropic-version": VERSION}
        if target.api_key is not None:
            credential["x-api-key"] = target.api_key.reveal()
        headers = upstream_headers(target, facts, credential=credential, foreign=_FOREIGN)
        url = f"{target.api_base}/v1/messages"
        return UpstreamRequest(url=url, headers=headers, body=body, tls=target.tls, changed=changes.names)

    def chat_response(
        self, body: bytes, request: ChatRequest, target: Target, facts: CallFacts
    ) -> tuple[ChatCompletion, Usage | None]:
        """Blocks of the provider's own tools are left out. Raises UpstreamMalformed for a body that is no
        message, and the mapped error for an error in a 200."""
        message = _decode(body, target)
        counts = counts_in(message.usage)
        usage = None if counts is None else usage_of(counts)
        by_tool, finished = answers_by_tool(request, target), finish_reason(message.stop_reason)
        completion = ChatCompletion(
            id=message.id,
            object="chat.completion",
            created=facts.created,
            model=message.model or target.model,
            choices=[
                Choice(
                    index=0,
                    message=_answer(message.content, by_tool=by_tool),
                    finish_reason="stop" if by_tool and finished == "tool_calls" else finished,
                )
            ],
            usage=to_wire(usage) if usage is not None else None,
        )
        return completion, usage

    def chat_stream(self, request: ChatRequest, target: Target, facts: CallFacts) -> AnthropicStream:
        options = request.stream_options
        include_usage = options is not None and bool(options.include_usage)
        answer_tool = ANSWER_TOOL if answers_by_tool(request, target) else None
        return AnthropicStream(target, facts, include_usage=include_usage, answer_tool=answer_tool)

    def embeddings_request(
        self, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> UpstreamRequest:
        """Raises UnsupportedParameter, since Anthropic has no such endpoint."""
        raise UnsupportedParameter(
            f"The model '{target.public_name}' is Anthropic's, which has no embeddings. Ask another model.",
            param="model",
        )

    def embeddings_response(
        self, body: bytes, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> tuple[EmbeddingList, Usage | None]:
        raise UpstreamMalformed("Anthropic has no embeddings, so it can't have answered with some.")

    def error(self, status: int, headers: Mapping[str, str], body: bytes, target: Target) -> UpstreamError:
        return provider_error(status, headers, body, target)


def _decode(body: bytes, target: Target) -> MessagesResponse:
    try:
        answer = decoded(_ANSWERS, body)
        if answer.kind == "error" or present(answer.error):
            raise error_instead(body, target, "The provider's answer is an error.")
        return decoded(_MESSAGES, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise error_instead(body, target, f"The provider's answer is not a message: {exc}") from exc


def _answer(blocks: list[AnswerBlock], *, by_tool: bool) -> AnswerMessage:
    if by_tool:
        said = [block for block in blocks if block.kind == "tool_use" and block.name == ANSWER_TOOL]
        if said:
            return AnswerMessage(content=arguments_text(said[0].input))
    text = "".join(block.text or "" for block in blocks if block.kind == "text")
    thinking = "".join(block.thinking or "" for block in blocks if block.kind == "thinking")
    calls = [_call(block) for block in blocks if block.kind == "tool_use"]
    signed = [found for block in blocks if (found := thinking_block(block)) is not None]
    annotations, fields = cited(blocks)
    return AnswerMessage(
        content=text or (None if calls else ""),
        reasoning_content=thinking or msgspec.UNSET,
        tool_calls=calls or msgspec.UNSET,
        thinking_blocks=_raw(signed) if signed else ABSENT,
        annotations=_raw(annotations) if annotations else ABSENT,
        provider_specific_fields=ABSENT if fields is None else _raw(fields),
    )


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _call(block: AnswerBlock) -> ToolCall:
    function = CalledFunction(name=block.name, arguments=arguments_text(block.input))
    return ToolCall(id=block.id, kind="function", function=function)
