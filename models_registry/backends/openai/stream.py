"""Relays a stream in OpenAI's dialect as it came, in whole events.

Every event is decoded, but only for what the gateway must know: an error, the usage, which choices are
finished. The events of one read are decoded together. If each of them is a piece of the answer and nothing
more, the bytes that were read are passed on as they are. Otherwise the first event that tells more, and the
events after it, are taken apart one by one. Text is counted when the count is asked for or when a window of
text is full. It is counted as it stands in the JSON, which is an upper bound of its UTF-8.

Each event is checked for UTF-8 as a whole, since the gateway does not read all strings in it.
"""

import msgspec

from models_registry.backends.error_bodies import tells_error
from models_registry.backends.openai.chunks import CHUNKS, Chunk, all_plain, before_usage, plain_size
from models_registry.backends.openai.failures import choice_error
from models_registry.backends.openai.window import Ended, Window
from models_registry.backends.provider_errors import error_inside, error_instead
from models_registry.backends.search import with_search
from models_registry.backends.sse_reading import BlockRelaying
from models_registry.backends.tolerance import decoded
from models_registry.backends.usage import USAGES, from_wire, report_in
from models_registry.target import Target
from models_registry.turns.sse import DONE, DONE_DATA, LINE_ENDS, Event, events, failure_frame
from models_registry.turns.stream import CUT, EMPTY, Broken
from schema.errors.base import GatewayError
from schema.errors.upstream import UpstreamCut, UpstreamError, UpstreamMalformed
from schema.usage import Usage, tier_served
from schema.wire import ABSENT, present


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
        self._window = Window()
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
    def has_said(self) -> bool:
        return self._window.has_said

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
        end = before_usage(block)
        if not all_plain(block[:end]):
            end = plain_size(block[:end])
        if end:
            self._window.add(block if end == len(block) else block[:end])
        return end

    def _learn(self, chunk: Chunk) -> None:
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

    def _unfinished(self, ended: Ended) -> UpstreamError:
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

    def _decode(self, data: bytes) -> Chunk:
        try:
            if not data.isascii():
                data.decode()
            return decoded(CHUNKS, data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise UpstreamMalformed(
                "The provider sent an event that is not a chat completion chunk."
            ) from exc


def _usage(raw: msgspec.Raw, service_tier: str | None) -> Usage | None:
    report = report_in(raw, USAGES)
    return None if report is None else from_wire(report, service_tier)


def _tier(raw: msgspec.Raw, known: str | None) -> str | None:
    """The service tier after one more chunk. A chunk that names none, or the standard one, takes back no tier
    that was named before."""
    try:
        said = msgspec.json.decode(raw, type=str | None)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return known
    return known if said is None else tier_served(said) or known or ""
