"""Ollama's NDJSON stream as OpenAI's chunks.

A line holds a piece of text, a piece of thinking, or whole tool calls. The line with `done` has the counts
and ends the stream. A stream without such a line was cut.
"""

from models_registry.backends.backend import MAX_FRAME_BYTES, Broken, CallFacts
from models_registry.backends.chunks import ChunkWriter
from models_registry.backends.ndjson import LineCutter
from models_registry.backends.ollama.answer import (
    arguments_of,
    call_id,
    decode_answer,
    finish_reason,
    logprobs_of,
    usage_of,
)
from models_registry.backends.usage import to_wire
from models_registry.target import Target
from schema.dialects.ollama import OllamaAnswer
from schema.errors import UpstreamCut, UpstreamError, UpstreamMalformed
from schema.usage import Usage
from schema.wire import ABSENT


class OllamaStream:
    """Implements ChatStream."""

    service_tier: str | None = None

    def __init__(self, target: Target, facts: CallFacts, *, include_usage: bool) -> None:
        self._target = target
        self._facts = facts
        self._include_usage = include_usage
        self._cutter = LineCutter(MAX_FRAME_BYTES)
        self._writer = ChunkWriter(
            id=f"chatcmpl-{facts.request_id}", created=facts.created, model=target.model
        )
        self._begun = False
        self._calls = 0
        self.usage: Usage | None = None
        self.done = False

    @property
    def produced_bytes(self) -> int:
        return self._writer.produced_bytes

    @property
    def most_bytes(self) -> int:
        return self.produced_bytes

    @property
    def told_bytes(self) -> int | None:
        return self.produced_bytes

    def feed(self, data: bytes) -> bytes | Broken:
        """See ChatStream."""
        if self.done:
            return b""
        try:
            lines = self._cutter.feed(data)
        except UpstreamError as error:
            return Broken.of(error)
        return self._lines(lines)

    def close(self) -> bytes | Broken:
        """See ChatStream."""
        if self.done:
            return b""
        out = self._lines(self._cutter.close())
        if isinstance(out, Broken):
            if self._begun and out.failure.kind is UpstreamMalformed:
                return Broken.of(UpstreamCut("The provider's stream broke off in the middle of a line."))
            return out
        if self.done:
            return out
        if not self._begun:
            return Broken.of(UpstreamMalformed("The provider answered with an empty stream."))
        return Broken.of(UpstreamCut("The provider's stream broke off before it was complete."), ahead=out)

    def _lines(self, lines: list[bytes]) -> bytes | Broken:
        out: list[bytes] = []
        try:
            for line in lines:
                if not self.done:
                    out.append(self._line(line))
        except UpstreamError as error:
            return Broken.of(error, ahead=b"".join(out))
        return b"".join(out)

    def _line(self, line: bytes) -> bytes:
        answer = decode_answer(line, self._target)
        pieces: list[bytes] = []
        if not self._begun:
            self._begun = True
            pieces.append(self._writer.role())
        pieces += self._message(answer)
        if answer.done:
            self.done = True
            self.usage = usage_of(answer)
            pieces.append(self._writer.finish(finish_reason(answer, called_tools=self._writer.called_tools)))
            wanted = self.usage if self._include_usage else None
            pieces.append(self._writer.end(None if wanted is None else to_wire(wanted)))
        return b"".join(pieces)

    def _message(self, answer: OllamaAnswer) -> list[bytes]:
        message = answer.message
        if message is None:
            return []
        pieces: list[bytes] = []
        if message.thinking:
            pieces.append(self._writer.reasoning(message.thinking))
        logprobs = logprobs_of(answer) or ABSENT
        if message.content or logprobs:
            pieces.append(self._writer.text(message.content or "", logprobs))
        for call in message.tool_calls or ():
            id = call_id(call, self._calls, self._facts.request_id)
            pieces.append(self._writer.tool(id=id, name=call.function.name, arguments=arguments_of(call)))
            self._calls += 1
        return pieces
