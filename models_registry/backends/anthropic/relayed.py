"""Anthropic's stream on the byte path: whole events pass as they came.

Each event is decoded for what the gateway must know: the usage, how much the model wrote, errors, and the
end. Nothing is sent before `message_start`, so that an error still gets its own status.
"""

import msgspec

from models_registry.backends.anthropic.usage import StreamUsage
from models_registry.backends.content import arguments_text
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.sse_reading import EventRelaying
from models_registry.backends.tolerance import decoded
from models_registry.target import Target
from models_registry.turns.messages_form import failure_event
from models_registry.turns.sse import Event
from schema.dialects.anthropic import AnswerBlock, BlockDelta, MessageEvent
from schema.errors.base import GatewayError
from schema.errors.upstream import UpstreamCut, UpstreamMalformed
from schema.wire import present

EMPTY = "{}"
"""The input of a tool call at its start."""
_EVENTS = msgspec.json.Decoder(MessageEvent)


class MessagesStream(StreamUsage, EventRelaying):
    """Implements AnswerStream. Only `message_stop` ends a stream."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._stopped = False

    def failed(self, error: GatewayError) -> bytes:
        """See AnswerStream."""
        return failure_event(error, None)

    def _passes(self, event: Event, kept: list[bytes]) -> bool:
        if event.data is None:
            return self._is_comment(event)
        found = self._decode(event.data)
        if found.kind == "error" or present(found.error):
            raise error_instead(event.data, self._target, "The provider sent an error.")
        if found.kind == "message_start" and found.message is not None:
            self._begun = True
            self._count(found.message.usage, closing=False)
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
                self._count(event.usage, closing=True)
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
