"""Writes a translated stream as OpenAI's chunks."""

import msgspec

from models_registry.fronts.chat.words import REDACTED, THINKING, annotated
from models_registry.fronts.openai_words import FINISH_REASONS, to_wire
from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Cited,
    Counted,
    Media,
    Pinged,
    Refused,
    Sealed,
    Stopped,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
)
from models_registry.turns.sse import DONE, PING, failure_frame, frame
from schema.chat import (
    CalledFunction,
    ChatChunk,
    ChunkChoice,
    CitationFields,
    Delta,
    ThinkingBlock,
    ToolCall,
    WireUsage,
)
from schema.errors.base import GatewayError
from schema.usage import Usage

_ENCODER = msgspec.json.Encoder()


class ChatWriter:
    """Implements EventWriter. Every chunk of a stream has the same id, time and model. The first chunk has
    the role and no text."""

    def __init__(self, *, id: str, created: int, model: str, include_usage: bool) -> None:
        """`id` and `model` count where the provider names none."""
        self._id = id
        self._created = created
        self._model = model
        self._include_usage = include_usage
        self._usage: Usage | None = None
        self._said_chars = 0
        """The characters of the text so far."""
        self._cites: list[Cited] = []
        """The sources of the open text, which began at `_text_at`."""
        self._text_at = 0

    def write(self, event: AnswerEvent) -> bytes:
        """See EventWriter."""
        match event:
            case Text():
                return self._text(event)
            case Thought():
                return self._sourced() + self._thought(event)
            case ToolArguments():
                function = CalledFunction(arguments=event.text)
                return self._delta(Delta(tool_calls=[ToolCall(index=event.index, function=function)]))
            case ToolBegan():
                return self._sourced() + self._tool(event)
            case Cited():
                self._cites.append(event)
                fields = CitationFields(citation=event.source)
                return self._delta(Delta(provider_specific_fields=fields))
            case Sealed():
                block = ThinkingBlock(kind=REDACTED, data=event.data)
                return self._sourced() + self._delta(Delta(thinking_blocks=[block]))
            case Refused():
                return self._delta(Delta(refusal=event.text))
            case Media():
                return self._delta(msgspec.structs.replace(Delta(), **{event.name: event.value}))
            case Began():
                self._id, self._model = event.id or self._id, event.model or self._model
                return self._delta(Delta(role="assistant", content=""))
            case Stopped():
                return self._sourced() + self._delta(Delta(), finish_reason=FINISH_REASONS[event.reason])
            case Counted():
                self._usage = event.usage
                return b""
            case Pinged():
                return PING
            case _:
                return b""

    def end(self) -> bytes:
        """The usage chunk where one is wanted, and `[DONE]`."""
        if not self._include_usage or self._usage is None:
            return DONE
        return self._chunk([], to_wire(self._usage)) + DONE

    def failed(self, error: GatewayError) -> bytes:
        return failure_frame(error)

    def _text(self, event: Text) -> bytes:
        sourced = self._sourced() if event.begins else b""
        if event.begins:
            self._text_at = self._said_chars
        self._said_chars += len(event.text)
        if not event.text and not event.logprobs:
            return sourced
        choice = ChunkChoice(delta=Delta(content=event.text))
        if event.logprobs:
            choice = msgspec.structs.replace(choice, logprobs=event.logprobs)
        return sourced + self._chunk([choice], None)

    def _thought(self, event: Thought) -> bytes:
        """A piece of thinking. Where it is signed, it can be sent back: then its signature comes too."""
        if not event.is_signed:
            return self._delta(Delta(reasoning_content=event.text)) if event.text else b""
        if not event.text and not event.signature:
            return b""
        block = ThinkingBlock(kind=THINKING, thinking=event.text, signature=event.signature)
        return self._delta(Delta(reasoning_content=event.text or None, thinking_blocks=[block]))

    def _tool(self, event: ToolBegan) -> bytes:
        function = CalledFunction(name=event.name, arguments="")
        call = ToolCall(index=event.index, id=event.id, kind="function", function=function)
        return self._delta(Delta(tool_calls=[call]))

    def _sourced(self) -> bytes:
        """The sources of a text that has ended, in OpenAI's form. The length of the text is known now."""
        if not self._cites:
            return b""
        found = annotated(self._cites, self._text_at, self._said_chars)
        self._cites = []
        return self._delta(Delta(annotations=found)) if found else b""

    def _delta(self, delta: Delta, *, finish_reason: str | None = None) -> bytes:
        return self._chunk([ChunkChoice(delta=delta, finish_reason=finish_reason)], None)

    def _chunk(self, choices: list[ChunkChoice], usage: WireUsage | None) -> bytes:
        chunk = ChatChunk(
            id=self._id,
            object="chat.completion.chunk",
            created=self._created,
            model=self._model,
            choices=choices,
            usage=usage,
        )
        return frame(_ENCODER.encode(chunk))
