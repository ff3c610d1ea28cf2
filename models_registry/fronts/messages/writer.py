"""Writes a translated stream as Anthropic's events.

Anthropic's blocks come one after the other. Other providers may interleave the pieces of parallel tool calls,
so the blocks stand in a queue: the first one is sent as it comes, and the pieces of later ones wait until it
is whole. A text or a thinking is whole when something else begins. A tool call is whole when its arguments
are a JSON object, or the answer stops.
"""

from collections import deque

import msgspec

from models_registry.fronts.messages.words import (
    REFUSAL,
    STOP_WORDS,
    citation_of,
    is_object,
    to_messages_usage,
    tool_use_id,
)
from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Cited,
    Counted,
    Pinged,
    Refused,
    Sealed,
    Stopped,
    StopReason,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
)
from models_registry.turns.messages_form import PING_EVENT, failure_event, named_event
from schema.errors.base import GatewayError
from schema.messages import MessagesAnswer, MessagesUsage
from schema.usage import Usage

TEXT, THINKING, SEALED, TOOL = "text", "thinking", "redacted_thinking", "tool_use"
_ENCODER = msgspec.json.Encoder()
STOP_EVENT = b'{"type":"message_stop"}'


class _BlockPiece(msgspec.Struct, frozen=True, omit_defaults=True, rename={"kind": "type"}, gc=False):
    """The `delta` of a block."""

    kind: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: msgspec.Raw | None = None


class _PieceEvent(msgspec.Struct, frozen=True, gc=False):
    type: str
    index: int
    delta: _BlockPiece


class _BlockEvent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The beginning and the end of a block."""

    type: str
    index: int
    content_block: dict[str, object] | None = None


class _StartEvent(msgspec.Struct, frozen=True):
    type: str
    message: MessagesAnswer


class _SaidStop(msgspec.Struct, frozen=True):
    stop_reason: str
    stop_sequence: str | None


class _EndEvent(msgspec.Struct, frozen=True):
    type: str
    delta: _SaidStop
    usage: MessagesUsage


class _Open:
    """A block that is not yet over."""

    __slots__ = ("_looked_at", "arguments", "kind", "pieces", "start", "started", "whole")

    def __init__(self, kind: str, start: dict[str, object]) -> None:
        self.kind = kind
        self.start = start
        self.started = False
        self.whole = False
        self.pieces: list[_BlockPiece] = []
        """The pieces that wait."""
        self.arguments: list[str] = []
        """Of a tool call, all pieces of its arguments."""
        self._looked_at = 0

    def became_whole(self) -> bool:
        """Whether the arguments are an object since the last look. Each look reads all of them, so there is
        none where nothing was added."""
        if len(self.arguments) == self._looked_at:
            return False
        self._looked_at = len(self.arguments)
        return is_object("".join(self.arguments))


class MessagesWriter:
    """Implements EventWriter."""

    def __init__(self, *, id: str, model: str, request_id: str) -> None:
        """`id` and `model` count where the provider names none."""
        self._id = id
        self._model = model
        self._request_id = request_id
        self._queue: deque[_Open] = deque()
        self._last: _Open | None = None
        """The open block that is no tool call."""
        self._tools: dict[int, _Open] = {}
        self._index = 0
        self._usage: Usage | None = None
        self._refused = False
        self._reason = StopReason.END
        self._sequence: str | None = None

    def write(self, event: AnswerEvent) -> bytes:
        """See EventWriter. Pictures and sound have no place in this form: the client is not told of them."""
        match event:
            case Text():
                return self._text(event.text, begins=event.begins)
            case Thought():
                return self._thought(event)
            case ToolArguments():
                return self._arguments(event)
            case ToolBegan():
                block = self._begin(
                    TOOL, {"type": TOOL, "id": tool_use_id(event.id), "name": event.name, "input": {}}
                )
                self._last, self._tools[event.index] = None, block
                return self._drained()
            case Cited():
                return self._cited(event)
            case Sealed():
                self._begin(SEALED, {"type": SEALED, "data": event.data}).whole = True
                self._last = None
                return self._drained()
            case Refused():
                self._refused = True
                return self._text(event.text, begins=False)
            case Began():
                return self._began(event)
            case Stopped():
                self._reason, self._sequence = event.reason, event.sequence
                return self._all_over()
            case Counted():
                self._usage = event.usage
                return b""
            case Pinged():
                return PING_EVENT
            case _:
                return b""

    def end(self) -> bytes:
        """The stop reason with the usage, and `message_stop`."""
        reason = REFUSAL if self._refused else STOP_WORDS[self._reason]
        ending = _EndEvent("message_delta", _SaidStop(reason, self._sequence), to_messages_usage(self._usage))
        told = named_event("message_delta", _ENCODER.encode(ending))
        return self._all_over() + told + named_event("message_stop", STOP_EVENT)

    def failed(self, error: GatewayError) -> bytes:
        return failure_event(error, self._request_id)

    def _began(self, event: Began) -> bytes:
        message = MessagesAnswer(
            id=event.id or self._id,
            model=event.model or self._model,
            content=[],
            usage=to_messages_usage(event.usage),
        )
        return named_event("message_start", _ENCODER.encode(_StartEvent("message_start", message)))

    def _text(self, text: str, *, begins: bool) -> bytes:
        """A piece of text. Anthropic refuses an empty block, so one begins with its first piece."""
        if begins and self._last is not None and self._last.kind == TEXT:
            self._over()
        return self._piece(TEXT, _BlockPiece("text_delta", text=text)) if text else b""

    def _thought(self, event: Thought) -> bytes:
        told = b""
        if event.text:
            told = self._piece(THINKING, _BlockPiece("thinking_delta", thinking=event.text))
        if event.signature:
            told += self._piece(THINKING, _BlockPiece("signature_delta", signature=event.signature))
            self._over()
        return told

    def _cited(self, event: Cited) -> bytes:
        citation = citation_of(event)
        return (
            b"" if citation is None else self._piece(TEXT, _BlockPiece("citations_delta", citation=citation))
        )

    def _arguments(self, event: ToolArguments) -> bytes:
        block = self._tools.get(event.index)
        if block is None:
            return b""
        block.arguments.append(event.text)
        return self._added(block, _BlockPiece("input_json_delta", partial_json=event.text))

    def _piece(self, kind: str, piece: _BlockPiece) -> bytes:
        """A piece of a text or a thinking, in a block of its kind."""
        block = self._last
        if block is None or block.kind != kind:
            start: dict[str, object] = {"type": kind, kind: ""}
            if kind == THINKING:
                start["signature"] = ""
            block = self._begin(kind, start)
            self._last = block
        return self._added(block, piece)

    def _begin(self, kind: str, start: dict[str, object]) -> _Open:
        self._over()
        block = _Open(kind, start)
        self._queue.append(block)
        return block

    def _over(self) -> None:
        """The open text or thinking is whole."""
        if self._last is not None:
            self._last.whole, self._last = True, None

    def _added(self, block: _Open, piece: _BlockPiece) -> bytes:
        queue = self._queue
        if block.started and len(queue) == 1 and queue[0] is block:
            return self._told(piece)
        block.pieces.append(piece)
        return self._drained()

    def _all_over(self) -> bytes:
        for block in self._queue:
            block.whole = True
        self._last = None
        return self._drained()

    def _drained(self) -> bytes:
        """Send what can be sent: the first block, and those behind it once it is whole."""
        told: list[bytes] = []
        while self._queue:
            block = self._queue[0]
            if not block.started:
                block.started = True
                told.append(self._framed("content_block_start", block.start))
            told += [self._told(piece) for piece in block.pieces]
            block.pieces.clear()
            more = len(self._queue) > 1
            if not (block.whole or (more and block.kind == TOOL and block.became_whole())):
                break
            told.append(self._framed("content_block_stop"))
            self._queue.popleft()
            self._index += 1
        return b"".join(told)

    def _framed(self, name: str, start: dict[str, object] | None = None) -> bytes:
        return named_event(name, _ENCODER.encode(_BlockEvent(name, self._index, start)))

    def _told(self, piece: _BlockPiece) -> bytes:
        event = _PieceEvent("content_block_delta", self._index, piece)
        return named_event("content_block_delta", _ENCODER.encode(event))
