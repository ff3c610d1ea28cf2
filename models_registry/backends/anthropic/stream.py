"""Anthropic's stream of typed events as OpenAI's chunks.

The index of a block counts all blocks, and the index of a tool call only tool calls. Blocks of the provider's
own tools are left out, but their text counts as output. Usage is cumulative: each count of a later report
replaces the earlier one. Unknown events and deltas are skipped, as the vendor asks.
"""

import msgspec

from models_registry.backends.anthropic.citations import annotated, citations_in
from models_registry.backends.anthropic.thinking import THINKING, thinking_block
from models_registry.backends.anthropic.usage import counts_in, finish_reason, merge_usage, tier_of, usage_of
from models_registry.backends.backend import MAX_FRAME_BYTES, Broken, CallFacts
from models_registry.backends.chunks import ChunkWriter
from models_registry.backends.content import arguments_text
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.sse import LINE_ENDS, EventCutter, events
from models_registry.backends.tolerance import decoded
from models_registry.backends.usage import to_wire
from models_registry.target import Target
from schema.chat import ThinkingBlock
from schema.dialects.anthropic import AnthropicUsage, MessageEvent
from schema.errors import UpstreamCut, UpstreamError, UpstreamMalformed
from schema.usage import Usage
from schema.wire import present

EMPTY = ("", "{}")
"""Inputs of a tool call at its start that say that the input comes in pieces."""
_EVENTS = msgspec.json.Decoder(MessageEvent)


class AnthropicStream:
    """Implements ChatStream."""

    def __init__(
        self, target: Target, facts: CallFacts, *, include_usage: bool, answer_tool: str | None = None
    ) -> None:
        """`answer_tool` is the tool whose arguments are the answer's text."""
        self._answer_tool = answer_tool
        self._answer_block: int | None = None
        self._target = target
        self._facts = facts
        self._include_usage = include_usage
        self._cutter = EventCutter(MAX_FRAME_BYTES)
        self._writer: ChunkWriter | None = None
        self._counts = AnthropicUsage()
        self._final = False
        self._finished = False
        self._tool: int | None = None
        """The index of the block of the open tool call. `_has_arguments` says whether the call has had
        arguments."""
        self._has_arguments = False
        self._said_chars = 0
        """The characters of the text so far."""
        self._cites: list[msgspec.Raw] = []
        """The citations of the open text, which began at `_text_at`."""
        self._text_at = 0
        self.done = False

    @property
    def usage(self) -> Usage | None:
        """The usage so far. Before the closing report only the input is sure, so it is an estimate."""
        usage = usage_of(self._counts)
        if usage is None or self._final:
            return usage
        return msgspec.structs.replace(usage, estimated=True, input_reported=usage.prompt_tokens > 0)

    @property
    def service_tier(self) -> str | None:
        return None if self._writer is None else tier_of(self._counts)

    @property
    def produced_bytes(self) -> int:
        return self._writer.produced_bytes if self._writer is not None else 0

    @property
    def most_bytes(self) -> int:
        return self.produced_bytes

    @property
    def told_bytes(self) -> int | None:
        return self.produced_bytes

    def feed(self, data: bytes) -> bytes | Broken:
        """See ChatStream."""
        out: list[bytes] = []
        if self.done:
            return b""
        try:
            for event in events(self._cutter.feed(data)):
                if event.data is not None and not self.done:
                    out.append(self._translate(event.data))
        except UpstreamError as error:
            return Broken.of(error, ahead=b"".join(out))
        return b"".join(out)

    def close(self) -> bytes | Broken:
        """See ChatStream. Only `message_stop` ends a stream. The last event needs no empty line after it."""
        if self.done:
            return b""
        rest = self._cutter.close()
        if self._writer is None and rest.lstrip().startswith(b"{"):
            otherwise = "The provider answered with something else than a stream."
            return Broken.of(error_instead(rest, self._target, otherwise))
        out = self._last(rest)
        if self.done or isinstance(out, Broken):
            return out
        if self._writer is None:
            return Broken.of(UpstreamMalformed("The provider answered with an empty stream."))
        cut = UpstreamCut("The provider's stream broke off before it was complete.")
        return Broken.of(cut, ahead=out)

    def _last(self, rest: bytes) -> bytes | Broken:
        """The last event, where the stream ended without the empty line after it. An event that is not whole
        tells nothing: the stream was cut."""
        out: list[bytes] = []
        try:
            for event in events(rest.strip(LINE_ENDS) + b"\n\n"):
                if event.data is not None and not self.done:
                    out.append(self._translate(event.data))
        except UpstreamMalformed:
            pass
        except UpstreamError as error:
            return Broken.of(error, ahead=b"".join(out))
        return b"".join(out)

    def _decode(self, data: bytes) -> MessageEvent:
        try:
            return decoded(_EVENTS, data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            otherwise = "The provider sent an event that is not one of its API."
            raise error_instead(data, self._target, otherwise) from exc

    def _translate(self, data: bytes) -> bytes:
        event = self._decode(data)
        if event.kind == "error" or present(event.error):
            raise error_instead(data, self._target, "The provider sent an error.")
        if event.kind == "message_start" and event.message is not None and self._writer is None:
            message = event.message
            self._writer = ChunkWriter(
                id=message.id, created=self._facts.created, model=message.model or self._target.model
            )
            self._counts = merge_usage(self._counts, counts_in(message.usage))
            return self._writer.role()
        if self._writer is None:
            if event.kind.startswith(("content_block", "message_")):
                raise UpstreamMalformed("The provider's stream did not begin with 'message_start'.")
            return b""
        return self._continue(event, self._writer)

    def _continue(self, event: MessageEvent, writer: ChunkWriter) -> bytes:
        match event.kind:
            case "content_block_start":
                return self._open_block(event, writer)
            case "content_block_delta":
                return self._extend_block(event, writer)
            case "content_block_stop":
                return self._close_block(event, writer)
            case "message_delta":
                counts = counts_in(event.usage)
                self._counts = merge_usage(self._counts, counts)
                self._final = self._final or counts is not None
                return self._finish(event.delta.stop_reason if event.delta else None, writer)
            case "message_stop":
                if writer.produced_bytes and not self._finished:
                    raise UpstreamCut("The provider ended its answer without a stop reason.")
                self.done = True
                closing = b"" if self._finished else writer.finish("stop")
                usage = usage_of(self._counts) if self._include_usage else None
                return closing + writer.end(to_wire(usage) if usage is not None else None)
            case _:
                return b""

    def _open_block(self, event: MessageEvent, writer: ChunkWriter) -> bytes:
        """Begin a block. Some servers send a block whole in its first event."""
        block = event.content_block
        if block is None:
            return b""
        whole = arguments_text(block.input) if present(block.input) else ""
        if block.kind == "tool_use" and block.name == self._answer_tool:
            self._answer_block = event.index
            self._has_arguments = whole not in EMPTY
            return writer.text(whole) if self._has_arguments else b""
        if block.kind == "tool_use":
            self._tool = event.index
            self._has_arguments = whole not in EMPTY
            opened = writer.tool(id=block.id or "", name=block.name or "")
            return opened + writer.arguments(whole) if self._has_arguments else opened
        if block.kind == "text":
            self._text_at = self._said_chars
            sources = [self._cite(each, writer) for each in citations_in(block.citations)]
            return (self._say(block.text, writer) if block.text else b"") + b"".join(sources)
        thinking = thinking_block(block)
        if thinking is not None and (thinking.thinking or thinking.signature or thinking.data):
            return writer.thinking(thinking)
        if whole not in EMPTY:
            writer.count(whole)  # the input of one of the provider's own tools
        return b""

    def _extend_block(self, event: MessageEvent, writer: ChunkWriter) -> bytes:
        delta = event.delta
        if delta is None:
            return b""
        if delta.kind == "text_delta" and delta.text:
            return self._say(delta.text, writer)
        if delta.kind == "thinking_delta" and delta.thinking:
            return writer.thinking(ThinkingBlock(kind=THINKING, thinking=delta.thinking, signature=""))
        if delta.kind == "signature_delta" and delta.signature:
            return writer.thinking(ThinkingBlock(kind=THINKING, thinking="", signature=delta.signature))
        if delta.kind == "citations_delta" and present(delta.citation):
            return b"".join(self._cite(each, writer) for each in citations_in(_listed(delta.citation)))
        if delta.kind == "input_json_delta" and delta.partial_json:
            if self._answer_block == event.index:
                self._has_arguments = True
                return writer.text(delta.partial_json)
            if self._tool == event.index:
                self._has_arguments = True
                return writer.arguments(delta.partial_json)
            writer.count(delta.partial_json)
        return b""

    def _say(self, text: str, writer: ChunkWriter) -> bytes:
        self._said_chars += len(text)
        return writer.text(text)

    def _cite(self, source: msgspec.Raw, writer: ChunkWriter) -> bytes:
        self._cites.append(source)
        return writer.citation(source)

    def _close_block(self, event: MessageEvent, writer: ChunkWriter) -> bytes:
        """End a block. A tool call without any piece of input gets the arguments `{}`, which clients can
        parse. A text that cites gets its annotations, since its length is known now."""
        if self._cites:
            found = annotated(self._cites, self._text_at, self._said_chars)
            self._cites = []
            return writer.annotations(found) if found else b""
        if self._answer_block == event.index:
            return b"" if self._has_arguments else writer.text("{}")
        if self._tool != event.index:
            return b""
        self._tool = None
        return b"" if self._has_arguments else writer.arguments("{}")

    def _finish(self, stop_reason: str | None, writer: ChunkWriter) -> bytes:
        if stop_reason is None or self._finished:
            return b""
        self._finished = True
        reason = finish_reason(stop_reason)
        return writer.finish("stop" if reason == "tool_calls" and self._answer_block is not None else reason)


def _listed(raw: msgspec.Raw) -> msgspec.Raw:
    return msgspec.Raw(b"[" + bytes(raw) + b"]")
