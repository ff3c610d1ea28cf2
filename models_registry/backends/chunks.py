"""Writes a translated stream: OpenAI's chunks as SSE, and the count of what they hold."""

import msgspec

from models_registry.backends.sse import DONE, frame
from schema.chat import (
    Annotation,
    CalledFunction,
    ChatChunk,
    ChunkChoice,
    CitationFields,
    Delta,
    ThinkingBlock,
    ToolCall,
    WireUsage,
)
from schema.wire import ABSENT, MaybeRaw

_ENCODER = msgspec.json.Encoder()


class ChunkWriter:
    """Every chunk of a stream has the same id, time and model. `produced_bytes` is the UTF-8 length
    of all text, reasoning, tool names and arguments written so far."""

    def __init__(self, *, id: str, created: int, model: str) -> None:
        self._id = id
        self._created = created
        self._model = model
        self._tools = 0
        self.produced_bytes = 0

    def role(self) -> bytes:
        """The first chunk, which has the role and no text."""
        return self._choice(Delta(role="assistant", content=""))

    def text(self, piece: str, logprobs: MaybeRaw = ABSENT) -> bytes:
        self.count(piece)
        return self._choice(Delta(content=piece), logprobs=logprobs)

    def reasoning(self, piece: str) -> bytes:
        self.count(piece)
        return self._choice(Delta(reasoning_content=piece))

    def thinking(self, block: ThinkingBlock) -> bytes:
        """A piece of thinking that can be sent back: its text, its signature, or encrypted data."""
        piece = block.thinking or ""
        self.count(piece)
        return self._choice(Delta(reasoning_content=piece or None, thinking_blocks=[block]))

    def citation(self, source: msgspec.Raw) -> bytes:
        """A source of the text, as the provider has it."""
        return self._choice(Delta(provider_specific_fields=CitationFields(citation=source)))

    def annotations(self, found: list[Annotation]) -> bytes:
        """The sources of a part of the text, in OpenAI's form."""
        return self._choice(Delta(annotations=found))

    def tool(self, *, id: str, name: str, arguments: str = "") -> bytes:
        """Begin a tool call. Its index counts tool calls alone."""
        self.count(name)
        self.count(arguments)
        call = ToolCall(
            index=self._tools,
            id=id,
            kind="function",
            function=CalledFunction(name=name, arguments=arguments),
        )
        self._tools += 1
        return self._choice(Delta(tool_calls=[call]))

    def arguments(self, piece: str) -> bytes:
        """More of the last tool call's arguments."""
        self.count(piece)
        call = ToolCall(index=self._tools - 1, function=CalledFunction(arguments=piece))
        return self._choice(Delta(tool_calls=[call]))

    def finish(self, reason: str) -> bytes:
        return self._choice(Delta(), finish_reason=reason)

    def end(self, usage: WireUsage | None) -> bytes:
        """The usage chunk where one is wanted, and `[DONE]`."""
        return (self._chunk([], usage) if usage is not None else b"") + DONE

    @property
    def called_tools(self) -> bool:
        return self._tools > 0

    def count(self, piece: str) -> None:
        """Count a piece of output, also one that no chunk carries."""
        self.produced_bytes += len(piece) if piece.isascii() else len(piece.encode())

    def _choice(
        self, delta: Delta, *, finish_reason: str | None = None, logprobs: MaybeRaw = ABSENT
    ) -> bytes:
        choice = ChunkChoice(delta=delta, finish_reason=finish_reason)
        if logprobs:
            choice = msgspec.structs.replace(choice, logprobs=logprobs)
        return self._chunk([choice], None)

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
