"""Chat completions at a provider that has them: the byte path.

A request is forwarded with its fields as they came. Only `model` is replaced, the deployment's parameters are
added, and the gateway's own fields are taken out. An answer is decoded for what the gateway must know, and is
sent on with the bytes of its fields.
"""

from typing import Any

import msgspec

from models_registry.backends.backend import UpstreamRequest
from models_registry.backends.fitting import Fitted
from models_registry.backends.openai.answer import told_bytes
from models_registry.backends.openai.failures import FailedChoice, choice_error
from models_registry.backends.openai.fitting import fitted
from models_registry.backends.openai.stream import OpenAIStream
from models_registry.backends.openai.wire import fields_of, outgoing, post
from models_registry.backends.search import search_context, with_search
from models_registry.backends.tolerance import decoded
from models_registry.backends.usage import USAGES, from_wire, report_in
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from schema.chat import AnswerMessage, ChatCompletion, ChatRequest, Choice
from schema.errors.requests import InvalidRequest
from schema.errors.upstream import UpstreamMalformed
from schema.usage import Usage
from schema.wire import ABSENT, MaybeRaw, present


class _LooseChoice(msgspec.Struct, frozen=True):
    """A choice whose message is not quite OpenAI's, such as content that is a list of parts or an object."""

    index: int = 0
    message: dict[str, msgspec.Raw] | None = None
    finish_reason: str | None = None


class _LooseCompletion(msgspec.Struct, frozen=True):
    choices: list[_LooseChoice]
    usage: MaybeRaw = ABSENT
    service_tier: Any = None  # text, as a rule


class _FailedCompletion(msgspec.Struct, gc=False):
    choices: list[FailedChoice]


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_COMPLETIONS = msgspec.json.Decoder(ChatCompletion)
_FAILED = msgspec.json.Decoder(_FailedCompletion)
_LOOSE_COMPLETIONS = msgspec.json.Decoder(_LooseCompletion)
_TRUE = msgspec.Raw(b"true")


class NativeChat:
    """Implements Native."""

    def fitted(self, request: ChatRequest, target: Target) -> Fitted | None:
        """See `models_registry/backends/openai/fitting.py`."""
        return fitted(request, target)

    def request(self, request: ChatRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST /chat/completions. A stream is asked for its usage unless the server refuses that."""
        fields = outgoing(request.fields(), target, stored_there=target.takes_metadata)
        if request.stream and target.asks_for_usage:
            fields["stream_options"] = with_usage(fields.get("stream_options"))
        return post("/chat/completions", fields, target, facts)

    def answer(
        self, body: bytes, request: ChatRequest, target: Target
    ) -> tuple[ChatCompletion, Usage | None]:
        """Raises UpstreamMalformed for a body that is no chat completion or has no choices, and the mapped
        error for an `error` inside it."""
        try:
            completion = decoded(_COMPLETIONS, body)
        except msgspec.ValidationError:
            fields_of(body, target)
            completion = _loosely(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise UpstreamMalformed("The provider's answer is not a JSON object.") from exc
        if b'"error"' in body:
            fields_of(body, target)
            _check_choices(body, target)
        if not completion.choices:
            raise UpstreamMalformed("The provider's answer has no choices.")
        completion.with_wire(body)
        usage = from_wire(completion.usage, completion.service_tier) if completion.usage is not None else None
        return completion, with_search(usage, search_context(request, target))

    def told_bytes(self, answer: ChatCompletion) -> int | None:
        return told_bytes(answer)

    def stream(self, request: ChatRequest, target: Target) -> OpenAIStream:
        options = request.stream_options
        keep_usage = options is not None and bool(options.include_usage)
        return OpenAIStream(
            target,
            choices=request.n or 1,
            keep_usage=keep_usage,
            search=search_context(request, target),
        )


def with_usage(options: msgspec.Raw | None) -> msgspec.Raw:
    """The `stream_options` that ask for the usage. Raises InvalidRequest."""
    if options is None or not present(options):
        return msgspec.Raw(b'{"include_usage":true}')
    try:
        fields = _FIELDS.decode(options)
    except msgspec.ValidationError as exc:
        raise InvalidRequest("'stream_options' must be an object.", param="stream_options") from exc
    fields["include_usage"] = _TRUE
    return msgspec.Raw(msgspec.json.encode(fields))


def _check_choices(body: bytes, target: Target) -> None:
    """Raise the error that stands in a choice, or that a choice ended with."""
    try:
        choices = decoded(_FAILED, body).choices
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    for choice in choices:
        if choice.failed:
            raise choice_error(choice.error, target)


def _loosely(body: bytes) -> ChatCompletion:
    """An answer with a message or usage of another shape. Its bytes are sent on all the same. For code, the
    text of such a message is the JSON that stands there."""
    try:
        found = decoded(_LOOSE_COMPLETIONS, body)
    except (msgspec.ValidationError, UnicodeDecodeError) as exc:
        raise UpstreamMalformed(f"The provider's answer is not a chat completion: {exc}") from exc
    choices = [
        Choice(
            index=choice.index,
            message=AnswerMessage(content=_text(choice.message.get("content")) if choice.message else None),
            finish_reason=choice.finish_reason,
        )
        for choice in found.choices
    ]
    tier = found.service_tier if isinstance(found.service_tier, str) else None
    return ChatCompletion(choices=choices, usage=report_in(found.usage, USAGES), service_tier=tier)


def _text(content: msgspec.Raw | None) -> str | None:
    if content is None or not present(content):
        return None
    try:
        return msgspec.json.decode(content, type=str)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return bytes(content).decode("utf-8", "replace")
