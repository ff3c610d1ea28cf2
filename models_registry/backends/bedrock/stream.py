"""Bedrock's stream as the core's events. Its frames are Amazon's event stream.

The usage comes in one event after the last, `metadata`, which ends the stream. A stream without `messageStop`
was cut.
"""

import msgspec

from models_registry.backends.bedrock.answer import cited, stop_reason, thought
from models_registry.backends.bedrock.errors import exception_error
from models_registry.backends.bedrock.frames import FrameCutter, StreamMessage
from models_registry.backends.bedrock.models import is_claude, known_as
from models_registry.backends.bedrock.usage import usage_in
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.tolerance import UNREADABLE, decoded
from models_registry.target import Target
from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Counted,
    Stopped,
    StopReason,
    Text,
    ToolArguments,
    ToolBegan,
)
from models_registry.turns.stream import CUT, EMPTY, NO_STREAM, Parsed
from schema.dialects.bedrock import ConverseEvent
from schema.errors.base import Told
from schema.errors.upstream import UpstreamCut, UpstreamError, UpstreamMalformed
from schema.usage import Usage
from schema.wire import present

NO_EVENTS: tuple[AnswerEvent, ...] = ()
MAX_HEAD_BYTES = 65_536
BLANKS = b" \t\r\n"
_TEXTS = msgspec.json.Decoder(str)
_EVENTS = msgspec.json.Decoder(ConverseEvent)


class BedrockParser:
    """Implements EventParser."""

    service_tier: str | None = None

    def __init__(self, target: Target, *, answer_tool: str | None = None) -> None:
        """`answer_tool` is the tool whose arguments are the answer's text."""
        self._target = target
        self._answer_tool = answer_tool
        self._signs = is_claude(known_as(target))
        self._answer_block: int | None = None
        self._cutter = FrameCutter()
        self._head = bytearray()
        """The answer, where it is JSON and no stream."""
        self._fed = False
        self._begun = False
        self._said = False
        self._reason: StopReason | None = None
        self._tools = 0
        self._tool: int | None = None
        """The index of the block of the open tool call. `_has_arguments` says whether the call has had
        arguments."""
        self._has_arguments = False
        self.usage: Usage | None = None
        self.done = False

    def feed(self, data: bytes) -> Parsed:
        """See EventParser."""
        if self.done:
            return Parsed(NO_EVENTS)
        if not self._fed and not self._head:
            data = data.lstrip(BLANKS)  # no message begins with one: its length would be above the limit
            if not data:
                return Parsed(NO_EVENTS)
        if self._head or (not self._fed and data[:1] == b"{"):
            self._head += data[: MAX_HEAD_BYTES - len(self._head)]
            return Parsed(NO_EVENTS)
        self._fed = True
        found: list[AnswerEvent] = []
        try:
            for message in self._cutter.feed(data):
                self._read(message, found)
                if self.done:
                    break
        except UpstreamError as error:
            return Parsed(found, Told.of(error))
        return Parsed(found)

    def close(self) -> Parsed:
        """See EventParser. The usage may be missing at the end."""
        if self.done:
            return Parsed(NO_EVENTS)
        if self._head:
            return Parsed(NO_EVENTS, Told.of(error_instead(bytes(self._head), self._target, NO_STREAM)))
        if not self._begun:
            return Parsed(NO_EVENTS, Told.of(UpstreamMalformed(EMPTY)))
        if self._reason is None:
            cut = UpstreamCut(CUT)
            return Parsed(NO_EVENTS, Told.of(cut))
        self.done = True
        return Parsed((Stopped(self._reason),))

    def _read(self, message: StreamMessage, found: list[AnswerEvent]) -> None:
        event = self._decode(message)
        if message.exception_type:
            raise exception_error(message.exception_type, event.message or "", self._target)
        match message.event_type:
            case "messageStart":
                self._begin(found)
            case "contentBlockStart":
                self._begin(found)
                self._open(event, found)
            case "contentBlockDelta":
                self._begin(found)
                self._extend(event, found)
            case "contentBlockStop":
                self._close(event, found)
            case "messageStop":
                self._reason = self._reason_of(event)
            case "metadata":
                self._end(event, found)

    def _decode(self, message: StreamMessage) -> ConverseEvent:
        try:
            return decoded(_EVENTS, message.payload or b"{}")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise UpstreamMalformed("The provider sent an event that is not one of its API.") from exc

    def _begin(self, found: list[AnswerEvent]) -> None:
        if not self._begun:
            self._begun = True
            found.append(Began())

    def _reason_of(self, event: ConverseEvent) -> StopReason:
        reason = stop_reason(event.stop_reason, has_said=self._said)
        by_tool = self._answer_block is not None and reason is StopReason.TOOLS
        return StopReason.END if by_tool else reason

    def _end(self, event: ConverseEvent, found: list[AnswerEvent]) -> None:
        usage = usage_in(event.usage)
        if usage is not None:
            self.usage = usage
        if self._reason is None:
            return
        self._begin(found)
        self.done = True
        found.append(Stopped(self._reason))
        if self.usage is not None:
            found.append(Counted(self.usage))

    def _open(self, event: ConverseEvent, found: list[AnswerEvent]) -> None:
        use = event.start.tool_use if event.start is not None else None
        if use is None:
            return
        self._has_arguments = False
        self._said = True
        if use.name == self._answer_tool:
            self._answer_block = event.content_block_index
            return
        self._tool = event.content_block_index
        found.append(ToolBegan(self._tools, use.tool_use_id, use.name))
        self._tools += 1

    def _extend(self, event: ConverseEvent, found: list[AnswerEvent]) -> None:
        delta = event.delta
        if delta is None:
            return
        before = len(found)
        if delta.text:
            found.append(Text(delta.text))
        if delta.tool_use is not None and present(delta.tool_use.input):
            self._argue(event.content_block_index, _piece(delta.tool_use.input), found)
        if delta.reasoning_content is not None:
            found += thought(delta.reasoning_content, signs=self._signs)
        if present(delta.citation):
            found.append(cited(delta.citation))
        self._said = self._said or len(found) > before

    def _argue(self, block: int, piece: str, found: list[AnswerEvent]) -> None:
        if not piece:
            return
        self._has_arguments = True
        found.append(Text(piece) if self._answer_block == block else ToolArguments(self._tools - 1, piece))

    def _close(self, event: ConverseEvent, found: list[AnswerEvent]) -> None:
        """End a block. A tool call without any piece of input gets the arguments `{}`."""
        block = event.content_block_index
        if self._answer_block == block and not self._has_arguments:
            found.append(Text("{}"))
        elif self._tool == block and not self._has_arguments:
            found.append(ToolArguments(self._tools - 1, "{}"))
        if self._tool == block:
            self._tool = None


def _piece(raw: msgspec.Raw) -> str:
    """A piece of a tool call's arguments. It is a text of JSON; some proxies send the object itself."""
    text = bytes(raw).decode("utf-8", "replace")
    if not text.startswith('"'):
        return text
    try:
        return _TEXTS.decode(raw)
    except UNREADABLE:
        return text
