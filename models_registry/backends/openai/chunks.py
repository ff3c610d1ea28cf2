"""The chunks of a stream, as far as the gateway reads them, and which events of a block are pieces of the
answer and nothing more."""

from typing import Annotated, Any

import msgspec

from models_registry.backends.openai.lengths import DeltaFields
from models_registry.turns.sse import DONE
from schema.wire import ABSENT, MaybeRaw

OPENING, ENDING = b"data: {", b"}\n\n"
"""How an event of a chunk begins and ends, in the commonest spelling."""
_NEXT_EVENT = ENDING + OPENING
NEXT_VALUE = b"}\t{"


class ReadChoice(msgspec.Struct, gc=False):
    index: int = 0
    delta: DeltaFields | None = None
    text: MaybeRaw = ABSENT
    """A piece of a legacy completion, which has no delta."""
    finish_reason: str | None = None
    error: MaybeRaw = ABSENT


class Chunk(msgspec.Struct, gc=False):
    choices: list[ReadChoice] | None = None
    usage: MaybeRaw = ABSENT
    error: MaybeRaw = ABSENT
    service_tier: MaybeRaw = ABSENT


class _PlainChoice(msgspec.Struct, gc=False):
    """A choice that tells no error."""

    error: None = None


class _Piece(msgspec.Struct, gc=False):
    """A chunk that tells no more than a piece of the answer."""

    choices: Annotated[list[_PlainChoice], msgspec.Meta(min_length=1)]
    usage: None = None
    error: None = None


class _EndingChoice(msgspec.Struct, gc=False):
    """How a choice ended whose delta has another shape."""

    index: int = 0
    finish_reason: Any = None  # text, as a rule


class _EndingPiece(msgspec.Struct, gc=False):
    choices: list[_EndingChoice]


CHUNKS = msgspec.json.Decoder(Chunk)
ENDS = msgspec.json.Decoder(_EndingPiece)
_PIECES = msgspec.json.Decoder(_Piece)


def before_usage(block: bytes) -> int:
    """Where the event before a last `[DONE]` begins, else the block's end. As a rule that event has the
    usage, so it is no piece. Among the others, it would make the gateway decode all of them once more, one by
    one."""
    if not block.endswith(DONE):
        return len(block)
    last = block.rfind(b"\n\n" + OPENING, 0, -len(DONE))
    return last + 2 if last > 0 else 0


def all_plain(block: bytes) -> bool:
    """Whether all events are pieces in the commonest spelling.

    One decode takes all events, as JSON values with a tab between. It can't take two events for one value: no
    JSON goes on after `}` with `{`, and no string holds a bare tab. If one event has several values, there
    are more values than events. A line end within an event would end the event's data for the client, though
    it is a mere blank in JSON.
    """
    if not (block.startswith(OPENING) and block.endswith(ENDING)):
        return False
    events = split_events(block)
    values = NEXT_VALUE.join(events)
    if b"\n" in values or b"\r" in values:
        return False
    try:
        if not values.isascii():
            values.decode()
        return len(_PIECES.decode_lines(values)) == len(events)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def plain_size(block: bytes) -> int:
    """The number of bytes before the first event that is no piece."""
    at = 0
    while block.startswith(OPENING, at):
        end = block.find(b"\n\n", at) + 2
        if end < 2 or not all_plain(block[at:end]):
            break
        at = end
    return at


def split_events(block: bytes) -> list[bytes]:
    """The JSON values of a block's events, without the braces where two events meet. `NEXT_VALUE` puts those
    back."""
    return block[len(OPENING) - 1 : -2].split(_NEXT_EVENT)
