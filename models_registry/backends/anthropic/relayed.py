"""Anthropic's stream on the byte path: whole events pass as they came.

Each event is decoded for what the gateway must know: the usage, how much the model wrote, errors, and the
end. Nothing is sent before `message_start`, so that an error still gets its own status.
"""

import msgspec

from models_registry.backends.anthropic.usage import counts_in, merge_usage, tier_of, usage_of
from models_registry.backends.content import arguments_text
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.tolerance import decoded
from models_registry.target import Target
from models_registry.turns.messages_form import failure_event
from models_registry.turns.sse import LINE_ENDS, MAX_FRAME_BYTES, Event, EventCutter, events
from models_registry.turns.stream import Broken
from schema.dialects.anthropic import AnswerBlock, AnthropicUsage, BlockDelta, MessageEvent
from schema.errors import GatewayError, UpstreamCut, UpstreamError, UpstreamMalformed
from schema.usage import Usage
from schema.wire import present

EMPTY = "{}"
"""The input of a tool call at its start."""
_EVENTS = msgspec.json.Decoder(MessageEvent)


class MessagesStream:
    """Implements AnswerStream."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._cutter = EventCutter(MAX_FRAME_BYTES)
        self._begun = False
        self._counts = AnthropicUsage()
        self._final = False
        """Whether the closing report of the usage has come."""
        self._stopped = False
        self.produced_bytes = 0
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
        return tier_of(self._counts) if self._begun else None

    @property
    def most_bytes(self) -> int:
        return self.produced_bytes

    @property
    def told_bytes(self) -> int | None:
        return self.produced_bytes

    def feed(self, data: bytes) -> bytes | Broken:
        """See AnswerStream."""
        if self.done:
            return b""
        try:
            block = self._cutter.feed(data)
        except UpstreamError as error:
            return Broken.of(error)
        return self._relay(block) if block else b""

    def close(self) -> bytes | Broken:
        """See AnswerStream. Only `message_stop` ends a stream. The last event needs no empty line after
        it."""
        if self.done:
            return b""
        rest = self._cutter.close()
        if not self._begun and rest.lstrip().startswith(b"{"):
            otherwise = "The provider answered with something else than a stream."
            return Broken.of(error_instead(rest, self._target, otherwise))
        out: bytes | Broken = b""
        if rest.strip():
            out = self._relay(rest.strip(LINE_ENDS) + b"\n\n")
            if isinstance(out, Broken) and out.failure.kind is not UpstreamMalformed:
                return out
        ahead = out.ahead if isinstance(out, Broken) else out
        if self.done:
            return ahead
        if not self._begun:
            return Broken.of(UpstreamMalformed("The provider answered with an empty stream."))
        cut = UpstreamCut("The provider's stream broke off before it was complete.")
        return Broken.of(cut, ahead=ahead)

    def failed(self, error: GatewayError) -> bytes:
        """See AnswerStream."""
        return failure_event(error, None)

    def _relay(self, block: bytes) -> bytes | Broken:
        kept: list[bytes] = []
        try:
            for event in events(block):
                if not self.done and self._passes(event):
                    kept.append(event.raw.lstrip(LINE_ENDS))
        except UpstreamError as error:
            return Broken.of(error, ahead=b"".join(kept))
        return b"".join(kept)

    def _passes(self, event: Event) -> bool:
        """Learn from an event, and say whether it goes on to the client."""
        if event.data is None:
            return self._begun and event.raw.lstrip(LINE_ENDS).startswith(b":")
        found = self._decode(event.data)
        if found.kind == "error" or present(found.error):
            raise error_instead(event.data, self._target, "The provider sent an error.")
        if found.kind == "message_start" and found.message is not None:
            self._begun = True
            self._counts = merge_usage(self._counts, counts_in(found.message.usage))
        elif not self._begun:
            if found.kind.startswith(("content_block", "message_")):
                raise UpstreamMalformed("The provider's stream did not begin with 'message_start'.")
            return False
        else:
            self._learn(found)
        return True

    def _decode(self, data: bytes) -> MessageEvent:
        try:
            if not data.isascii():
                data.decode()
            return decoded(_EVENTS, data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            otherwise = "The provider sent an event that is not one of its API."
            raise error_instead(data, self._target, otherwise) from exc

    def _learn(self, event: MessageEvent) -> None:
        match event.kind:
            case "content_block_delta" if event.delta is not None:
                self.produced_bytes += _said_in(event.delta)
            case "content_block_start" if event.content_block is not None:
                self.produced_bytes += _said_at_start(event.content_block)
            case "message_delta":
                counts = counts_in(event.usage)
                self._counts = merge_usage(self._counts, counts)
                self._final = self._final or counts is not None
                delta = event.delta
                self._stopped = self._stopped or (delta is not None and delta.stop_reason is not None)
            case "message_stop":
                if not self._stopped and self.produced_bytes:
                    raise UpstreamCut("The provider ended its answer without a stop reason.")
                self.done = True


def _said_in(delta: BlockDelta) -> int:
    return sum(len(text.encode()) for text in (delta.text, delta.thinking, delta.partial_json) if text)


def _said_at_start(block: AnswerBlock) -> int:
    """What a block says in its first event. Some servers send it whole there."""
    texts = [block.text, block.thinking, block.name]
    whole = arguments_text(block.input) if present(block.input) else EMPTY
    if whole != EMPTY:
        texts.append(whole)
    return sum(len(text.encode()) for text in texts if text)
