"""Relays a stream in OpenAI's dialect as it came, in whole events.

Every event is decoded, but only for what the gateway must know: an error, the usage, which choices are
finished. The events of one read are decoded together. If each of them is a piece of the answer and nothing
more, the bytes that were read are passed on as they are. Otherwise the first event that tells more, and the
events after it, are taken apart one by one. Text is counted when the count is asked for or when a window of
text is full. It is counted as it stands in the JSON, which is an upper bound of its UTF-8.

Each event is checked for UTF-8 as a whole, since the gateway does not read all strings in it.
"""

from typing import Annotated, Any

import msgspec

from models_registry.backends.error_bodies import tells_error
from models_registry.backends.openai.failures import FAILED, choice_error
from models_registry.backends.openai.lengths import DeltaFields, length_of, text_length
from models_registry.backends.provider_errors import error_inside, error_instead
from models_registry.backends.search import with_search
from models_registry.backends.sse_reading import BlockRelaying
from models_registry.backends.tolerance import decoded
from models_registry.backends.usage import USAGES, from_wire, report_in
from models_registry.target import Target
from models_registry.turns.sse import (
    DONE,
    DONE_DATA,
    LINE_ENDS,
    Event,
    events,
    failure_frame,
)
from models_registry.turns.stream import CUT, EMPTY, Broken
from schema.errors.base import GatewayError
from schema.errors.upstream import UpstreamCut, UpstreamError, UpstreamMalformed
from schema.usage import Usage, tier_served
from schema.wire import ABSENT, MaybeRaw, present


class _ReadChoice(msgspec.Struct, gc=False):
    index: int = 0
    delta: DeltaFields | None = None
    text: MaybeRaw = ABSENT
    """A piece of a legacy completion, which has no delta."""
    finish_reason: str | None = None
    error: MaybeRaw = ABSENT


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_ReadChoice] | None = None
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


OPENING, ENDING = b"data: {", b"}\n\n"
"""How an event of a chunk begins and ends, in the commonest spelling."""
FINISH = b'"finish_reason":"'
NO_FINISH = (b'"', b'error"')
"""What stands behind FINISH where the answer did not end, or failed."""
_NEXT_EVENT = ENDING + OPENING
_NEXT_VALUE = b"}\t{"
WINDOW_BYTES = 64 * 1024
"""How much of what was relayed is kept until it is counted."""
SMALL_BLOCKS = 16
SMALL_BYTES = SMALL_BLOCKS * 512
"""A stream that comes event by event is counted after so many blocks, where they are small: thousands of such
streams may be under way for hours, and each would keep WINDOW_BYTES."""
_CHUNKS = msgspec.json.Decoder(_Chunk)
_ENDS = msgspec.json.Decoder(_EndingPiece)
_PIECES = msgspec.json.Decoder(_Piece)


class OpenAIStream(BlockRelaying):
    """Implements AnswerStream. `choices` is how many choices the caller asked for. `keep_usage` is false
    where the gateway asked for the chunk with the usage and the caller did not. `search` is what
    `search_context` gives."""

    def __init__(self, target: Target, *, choices: int, keep_usage: bool, search: str | None = None) -> None:
        super().__init__(target)
        self._choices = choices
        self._keep_usage = keep_usage
        self._search = search
        self.service_tier: str | None = None
        self._window = _Window()
        self._usage: Usage | None = None
        self._final = False
        """Whether the latest report of usage is for the whole answer. Some servers report with every
        chunk."""

    @property
    def usage(self) -> Usage | None:
        """What the provider reported. A report in the middle of a stream is sure of the input alone."""
        usage = self._usage
        if usage is None or self._final or self.done:
            return usage
        return msgspec.structs.replace(usage, estimated=True, input_reported=usage.prompt_tokens > 0)

    @property
    def produced_bytes(self) -> int:
        return self._window.counted

    @property
    def most_bytes(self) -> int:
        return self._window.most

    @property
    def told_bytes(self) -> int | None:
        told = self._window.counted
        return None if self._window.is_odd else told

    def close(self) -> bytes | Broken:
        """See AnswerStream. Where the server sent no `[DONE]`, one is added if every choice has its finish
        reason. An end in the middle of an event is a cut."""
        if self.done:
            return b""
        out = self._last(self._cutter.close())
        if self.done or isinstance(out, Broken):
            return out
        if not self._begun:
            return Broken.of(UpstreamMalformed(EMPTY))
        ended = self._window.looked_at()
        if len(ended.finished) < self._choices or ended.has_failed:
            return Broken.of(self._unfinished(ended), ahead=out)
        self.done = True
        return out + DONE

    def failed(self, error: GatewayError) -> bytes:
        """See AnswerStream."""
        return failure_frame(error)

    def _last(self, rest: bytes) -> bytes | Broken:
        """Relay the last event, if the stream ended without the empty line after it."""
        if not rest.strip():
            return b""
        if not self._begun and rest.lstrip().startswith(b"{"):
            return Broken.of(self._plain(rest))
        out = self._relay(rest.strip(LINE_ENDS) + b"\n\n")
        if self._begun and isinstance(out, Broken) and out.failure.kind is UpstreamMalformed:
            return Broken.of(UpstreamCut("The provider's stream broke off in the middle of an event."))
        return out

    def _plain(self, body: bytes) -> UpstreamError:
        """The error for a JSON body where a stream was asked for."""
        otherwise = "The provider answered a streamed request with something else than a stream."
        return error_instead(body, self._target, otherwise)

    def _relay(self, block: bytes) -> bytes | Broken:
        """Relay a block of whole events. A block has up to three parts: the events until the answer begins,
        pieces of the answer, and the events from the first one that tells more. The pieces in the middle pass
        as they are."""
        plain = self._learn_plain(block) if self._begun else 0
        if plain == len(block):
            return block
        kept: list[bytes] = []
        try:
            if not self._begun:
                begun = self._sift(block, kept, until_begun=True)
                block = block[begun:]
                plain = self._learn_plain(block) if self._begun else 0
            kept.append(block[:plain])
            self._sift(block[plain:], kept)
        except UpstreamError as error:
            return Broken.of(error, ahead=b"".join(kept))
        return b"".join(kept)

    def _sift(self, block: bytes, kept: list[bytes], *, until_begun: bool = False) -> int:
        """Go through a block event by event, and add those that go on to `kept`. Gives the number of bytes it
        went through."""
        at = 0
        for event in events(block):
            at += len(event.raw)
            if not self.done and self._passes(event):
                kept.append(event.raw.lstrip(LINE_ENDS))
            if until_begun and self._begun:
                break
        return at

    def _learn_plain(self, block: bytes) -> int:
        """How many of the block's first bytes are pieces of the answer and nothing else. They are decoded
        together, at a third of the cost of decoding them one by one."""
        end = _before_usage(block)
        if not _all_plain(block[:end]):
            end = _plain_size(block[:end])
        if end:
            self._window.add(block if end == len(block) else block[:end])
        return end

    def _learn(self, chunk: _Chunk) -> None:
        for choice in chunk.choices or ():
            if present(choice.error):
                raise choice_error(choice.error, self._target)
            self._window.learn(choice)

    def _check_end(self) -> None:
        """Raise an error for a stream that says that it is complete, and is not: a choice has no finish
        reason, or there is no choice at all. The last bytes of a good stream tell as a rule. An answer
        without a word is one where the provider counted it."""
        if self._choices == 1 and self._window.ends_well():
            return
        ended = self._window.looked_at()
        is_empty = self._usage is not None and not self._window.counted and not ended.has_failed
        if ended.has_failed or not ended.seen or (ended.finished < ended.seen and not is_empty):
            raise self._unfinished(ended)

    def _unfinished(self, ended: "_Ended") -> UpstreamError:
        if ended.has_failed:
            return choice_error(ABSENT, self._target)
        if not ended.seen:
            return UpstreamMalformed("The provider's stream had no choice in it.")
        return UpstreamCut(CUT)

    def _passes(self, event: Event) -> bool:
        """Learn from an event, and say whether it goes on to the client. A comment goes on only after the
        answer has begun: before that, nothing is sent, so that an error still gets its own status."""
        data = event.data
        if data is None:
            return self._begun and event.raw.lstrip(LINE_ENDS).startswith(b":")
        if data.strip() == DONE_DATA:
            if not self._begun:
                raise UpstreamMalformed("The provider ended the stream before it began.")
            self._check_end()
            self.done = True
            return True
        chunk = self._decode(data)
        if present(chunk.error) or (chunk.choices is None and tells_error(data)):
            raise error_instead(data, self._target, "The provider sent an error.")
        if event.name == "error":
            raise error_inside(data, self._target)
        self._begun = True
        self._learn(chunk)
        if chunk.service_tier:
            self.service_tier = _tier(chunk.service_tier, self.service_tier)
        if present(chunk.usage):
            usage = with_search(_usage(chunk.usage, self.service_tier), self._search)
            self._usage = usage or self._usage
            self._final = all(choice.finish_reason for choice in chunk.choices or ())
            return self._keep_usage or bool(chunk.choices)
        return True

    def _decode(self, data: bytes) -> _Chunk:
        try:
            if not data.isascii():
                data.decode()
            return decoded(_CHUNKS, data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise UpstreamMalformed(
                "The provider sent an event that is not a chat completion chunk."
            ) from exc


class _Ended:
    """Which choices a stream had, and how they ended. A finish reason that is empty is none."""

    __slots__ = ("finished", "has_failed", "seen")

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.finished: set[int] = set()
        self.has_failed = False

    def add(self, choice: _ReadChoice) -> None:
        self.seen.add(choice.index)
        if choice.finish_reason:
            self.finished.add(choice.index)
            self.has_failed = self.has_failed or choice.finish_reason == FAILED


class _Window:
    """The latest blocks that were relayed and are not yet taken apart. Most streams end with the provider's
    own count and `[DONE]`, and then nobody asks for a count of ours."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._size = 0
        self._total = 0
        self._ended = _Ended()
        self.is_odd = False
        """Whether some of it has another shape, so that all of its bytes were counted as text."""

    def add(self, block: bytes) -> None:
        """Whole events in the commonest spelling, each a piece of the answer."""
        size = self._size
        if size > WINDOW_BYTES or (size <= SMALL_BYTES and len(self._blocks) >= SMALL_BLOCKS):
            self._take_apart()
        self._blocks.append(block)
        self._size += len(block)

    def learn(self, choice: _ReadChoice) -> None:
        """A choice of an event that was taken apart elsewhere."""
        self._total += length_of(choice.delta) if choice.delta else 0
        if choice.text:
            self._total += text_length(choice.text)
        self._ended.add(choice)

    @property
    def counted(self) -> int:
        """Bytes of all text so far."""
        self._take_apart()
        return self._total

    @property
    def most(self) -> int:
        """At least `counted`. Blocks that are not yet taken apart count with all their bytes."""
        return self._total + self._size

    def ends_well(self) -> bool:
        """Whether it is certain, without a look at every event, that a choice has a finish reason and did not
        fail."""
        if self._ended.finished:
            return not self._ended.has_failed
        for block in reversed(self._blocks):
            at = block.rfind(FINISH)
            if at >= 0:
                return not block.startswith(NO_FINISH, at + len(FINISH))
        return False

    def looked_at(self) -> _Ended:
        """How the choices of all events ended."""
        self._take_apart()
        return self._ended

    def _take_apart(self) -> None:
        blocks, self._blocks, self._size = self._blocks, [], 0
        for block in blocks:
            try:
                chunks = _CHUNKS.decode_lines(_NEXT_VALUE.join(_split(block)))
            except msgspec.ValidationError:  # a delta has another shape: all bytes bound its text
                self._total += len(block)
                self.is_odd = True
                self._find_ends(block)
                continue
            for chunk in chunks:
                for choice in chunk.choices or ():
                    self.learn(choice)

    def _find_ends(self, block: bytes) -> None:
        """Learn how the choices of a block ended whose deltas have another shape."""
        try:
            chunks = _ENDS.decode_lines(_NEXT_VALUE.join(_split(block)))
        except msgspec.ValidationError:
            return
        for chunk in chunks:
            for choice in chunk.choices:
                finish = str(choice.finish_reason) if choice.finish_reason else None
                self._ended.add(_ReadChoice(index=choice.index, finish_reason=finish))


def _before_usage(block: bytes) -> int:
    """Where the event before a last `[DONE]` begins, else the block's end. As a rule that event has the
    usage, so it is no piece. Among the others, it would make the gateway decode all of them once more, one by
    one."""
    if not block.endswith(DONE):
        return len(block)
    last = block.rfind(b"\n\n" + OPENING, 0, -len(DONE))
    return last + 2 if last > 0 else 0


def _all_plain(block: bytes) -> bool:
    """Whether all events are pieces in the commonest spelling.

    One decode takes all events, as JSON values with a tab between. It can't take two events for one value: no
    JSON goes on after `}` with `{`, and no string holds a bare tab. If one event has several values, there
    are more values than events. A line end within an event would end the event's data for the client, though
    it is a mere blank in JSON.
    """
    if not (block.startswith(OPENING) and block.endswith(ENDING)):
        return False
    events = _split(block)
    values = _NEXT_VALUE.join(events)
    if b"\n" in values or b"\r" in values:
        return False
    try:
        if not values.isascii():
            values.decode()
        return len(_PIECES.decode_lines(values)) == len(events)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _plain_size(block: bytes) -> int:
    """The number of bytes before the first event that is no piece."""
    at = 0
    while block.startswith(OPENING, at):
        end = block.find(b"\n\n", at) + 2
        if end < 2 or not _all_plain(block[at:end]):
            break
        at = end
    return at


def _split(block: bytes) -> list[bytes]:
    """The JSON values of a block's events, without the braces where two events meet. `_NEXT_VALUE` puts those
    back."""
    return block[len(OPENING) - 1 : -2].split(_NEXT_EVENT)


def _usage(raw: msgspec.Raw, service_tier: str | None) -> Usage | None:
    report = report_in(raw, USAGES)
    return None if report is None else from_wire(report, service_tier)


def _tier(raw: msgspec.Raw, known: str | None) -> str | None:
    """The service tier after one more chunk. A chunk that names none, or the standard one, takes back no tier
    that was named before."""
    try:
        said = msgspec.json.decode(raw, type=str | None)
    except msgspec.ValidationError:
        return known
    return known if said is None else tier_served(said) or known or ""
