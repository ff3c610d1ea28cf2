"""Anthropic's stream of typed events as the core's.

The index of a block counts all blocks, and the index of a tool call only tool calls. Blocks of the provider's
own tools are left out, but their text counts as output. Usage is cumulative: each count of a later report
replaces the earlier one. Unknown events and deltas are skipped, as the vendor asks.
"""

import msgspec

from models_registry.backends.anthropic.citations import cited
from models_registry.backends.anthropic.thinking import thought
from models_registry.backends.anthropic.usage import StreamUsage, stop_reason
from models_registry.backends.content import arguments_text, citations_in
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.sse_reading import EventReading
from models_registry.backends.tolerance import decoded
from models_registry.target import Target
from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Counted,
    Pinged,
    Stopped,
    StopReason,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
    Unshown,
)
from schema.dialects.anthropic import MessageEvent
from schema.errors.upstream import UpstreamCut, UpstreamMalformed
from schema.wire import present

EMPTY = ("", "{}")
"""Inputs of a tool call at its start that say that the input comes in pieces."""
_EVENTS = msgspec.json.Decoder(MessageEvent)


class AnthropicParser(StreamUsage, EventReading):
    """Implements EventParser. Only `message_stop` ends a stream."""

    def __init__(self, target: Target, *, answer_tool: str | None = None) -> None:
        """`answer_tool` is the tool whose arguments are the answer's text."""
        super().__init__(target)
        self._answer_tool = answer_tool
        self._answer_block: int | None = None
        self._said = False
        """Whether the model has written anything."""
        self._stopped = False
        self._tools = 0
        self._tool: int | None = None
        """The index of the block of the open tool call. `_has_arguments` says whether the call has had
        arguments."""
        self._has_arguments = False

    def _decode(self, data: bytes) -> MessageEvent:
        try:
            return decoded(_EVENTS, data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            otherwise = "The provider sent an event that is not one of its API."
            raise error_instead(data, self._target, otherwise) from exc

    def _translate(self, data: bytes, found: list[AnswerEvent]) -> None:
        event = self._decode(data)
        if event.kind == "error" or present(event.error):
            raise error_instead(data, self._target, "The provider sent an error.")
        if event.kind == "message_start" and event.message is not None and not self._begun:
            message = event.message
            self._begun = True
            self._count(message.usage, closing=False)
            found.append(Began(id=message.id, model=message.model, usage=self.usage))
            return
        if not self._begun:
            if event.kind.startswith(("content_block", "message_")):
                raise UpstreamMalformed("The provider's stream did not begin with 'message_start'.")
            return
        match event.kind:
            case "content_block_start":
                self._open_block(event, found)
            case "content_block_delta":
                self._extend_block(event, found)
            case "content_block_stop":
                self._close_block(event, found)
            case "message_delta":
                self._count(event.usage, closing=True)
                self._stop(event, found)
            case "message_stop":
                self._end(found)
            case "ping":
                found.append(Pinged())

    def _end(self, found: list[AnswerEvent]) -> None:
        if not self._stopped:
            if self._said:
                raise UpstreamCut("The provider ended its answer without a stop reason.")
            found.append(Stopped(StopReason.END))
        self.done = True
        usage = self.usage
        if usage is not None:
            found.append(Counted(usage))

    def _open_block(self, event: MessageEvent, found: list[AnswerEvent]) -> None:
        """Begin a block. Some servers send a block whole in its first event."""
        block = event.content_block
        if block is None:
            return
        whole = arguments_text(block.input) if present(block.input) else ""
        if block.kind == "tool_use" and block.name == self._answer_tool:
            self._answer_block = event.index
            self._has_arguments = whole not in EMPTY
            if self._has_arguments:
                self._say(Text(whole, begins=True), found)
            return
        if block.kind == "tool_use":
            self._tool = event.index
            self._has_arguments = whole not in EMPTY
            self._say(ToolBegan(self._tools, block.id or "", block.name or ""), found)
            self._tools += 1
            if self._has_arguments:
                found.append(ToolArguments(self._tools - 1, whole))
            return
        if block.kind == "text":
            found.append(Text(block.text or "", begins=True))
            self._said = self._said or bool(block.text)
            found.extend(cited(each) for each in citations_in(block.citations))
            return
        thinking = thought(block)
        if thinking is not None:
            self._say(thinking, found)
        elif whole not in EMPTY:
            self._say(Unshown(len(whole.encode())), found)  # the input of one of the provider's own tools

    def _extend_block(self, event: MessageEvent, found: list[AnswerEvent]) -> None:
        delta = event.delta
        if delta is None:
            return
        if delta.kind == "text_delta" and delta.text:
            self._say(Text(delta.text), found)
        elif delta.kind == "thinking_delta" and delta.thinking:
            self._say(Thought(delta.thinking, is_signed=True), found)
        elif delta.kind == "signature_delta" and delta.signature:
            found.append(Thought(signature=delta.signature, is_signed=True))
        elif delta.kind == "citations_delta" and present(delta.citation):
            listed = msgspec.Raw(b"[" + bytes(delta.citation) + b"]")
            found.extend(cited(each) for each in citations_in(listed))
        elif delta.kind == "input_json_delta" and delta.partial_json:
            if self._answer_block == event.index:
                self._has_arguments = True
                self._say(Text(delta.partial_json), found)
            elif self._tool == event.index:
                self._has_arguments = True
                self._say(ToolArguments(self._tools - 1, delta.partial_json), found)
            else:
                self._say(Unshown(len(delta.partial_json.encode())), found)

    def _say(self, event: AnswerEvent, found: list[AnswerEvent]) -> None:
        self._said = True
        found.append(event)

    def _close_block(self, event: MessageEvent, found: list[AnswerEvent]) -> None:
        """End a block. A tool call without any piece of input gets the arguments `{}`, which clients can
        parse."""
        if self._answer_block == event.index and not self._has_arguments:
            found.append(Text("{}"))
        elif self._tool == event.index and not self._has_arguments:
            found.append(ToolArguments(self._tools - 1, "{}"))
        if self._tool == event.index:
            self._tool = None

    def _stop(self, event: MessageEvent, found: list[AnswerEvent]) -> None:
        delta = event.delta
        if delta is None or delta.stop_reason is None or self._stopped:
            return
        self._stopped = True
        reason = stop_reason(delta.stop_reason)
        if reason is StopReason.TOOLS and self._answer_block is not None:
            reason = StopReason.END
        found.append(Stopped(reason, delta.stop_sequence))
