"""Legacy completions at a provider that has them: the byte path, as that of chat."""

import msgspec

from models_registry.backends.backend import UpstreamRequest
from models_registry.backends.openai.chat import with_usage
from models_registry.backends.openai.stream import OpenAIStream
from models_registry.backends.openai.wire import fields_of, outgoing, post
from models_registry.backends.tolerance import decoded
from models_registry.backends.usage import from_wire
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from schema.completions import Completion, CompletionsRequest
from schema.errors.upstream import UpstreamMalformed
from schema.usage import Usage

_COMPLETIONS = msgspec.json.Decoder(Completion)


class NativeCompletions:
    """Implements Native."""

    def fitted(self, request: CompletionsRequest, target: Target) -> None:
        """Nothing is known of what models take here."""
        return

    def request(self, request: CompletionsRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST /completions. A stream is asked for its usage unless the server refuses that."""
        fields = outgoing(request.fields(), target, stored_there=False)
        if request.stream and target.asks_for_usage:
            fields["stream_options"] = with_usage(fields.get("stream_options"))
        return post("/completions", fields, target, facts)

    def answer(
        self, body: bytes, request: CompletionsRequest, target: Target
    ) -> tuple[Completion, Usage | None]:
        """Raises UpstreamMalformed for a body that is no completion, and the mapped error for an `error`
        inside it."""
        fields_of(body, target)
        try:
            completion = decoded(_COMPLETIONS, body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise UpstreamMalformed(f"The provider's answer is not a completion: {exc}") from exc
        if not completion.choices:
            raise UpstreamMalformed("The provider's answer has no choices.")
        completion.with_wire(body)
        return completion, None if completion.usage is None else from_wire(completion.usage, None)

    def told_bytes(self, answer: Completion) -> int:
        return sum(len(choice.text.encode()) for choice in answer.choices)

    def stream(self, request: CompletionsRequest, target: Target) -> OpenAIStream:
        options = request.stream_options
        prompts = request.prompt if isinstance(request.prompt, list) else ()
        texts = len(prompts) if prompts and not isinstance(prompts[0], int) else 1
        return OpenAIStream(
            target,
            choices=texts * (request.n or 1),
            keep_usage=options is not None and bool(options.include_usage),
        )
