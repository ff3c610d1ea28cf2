"""A stream of chat completion chunks as events of the core.

`OpenAIStream` looks at every chunk as it does on the byte path, and says what is wrong with a stream. What it
lets pass is taken apart here. The end of the answer is told once the provider has ended the stream, with the
usage that has come until then.
"""

from collections.abc import Mapping

import msgspec

from models_registry.backends.openai.pieces import JsonFields, Pieces
from models_registry.backends.openai.stream import OpenAIStream
from models_registry.backends.openai.turns import NO_NAMES, with_long_names
from models_registry.backends.tolerance import loosely
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, Began, Counted, Stopped
from models_registry.turns.facts import CallFacts
from models_registry.turns.sse import DONE_DATA, events
from models_registry.turns.stream import Broken, Parsed
from schema.usage import Usage


class OpenAIParser:
    """Implements EventParser. `search` is what `search_context` gives, and `names` what `long_names`
    gives."""

    def __init__(
        self, target: Target, facts: CallFacts, *, search: str | None, names: Mapping[str, str] = NO_NAMES
    ) -> None:
        self._names = names
        self._stream = OpenAIStream(target, choices=1, keep_usage=True, search=search)
        self._pieces = Pieces(facts.request_id)
        self._begun = False
        self._finish: object = None

    @property
    def usage(self) -> Usage | None:
        return self._stream.usage

    @property
    def service_tier(self) -> str | None:
        return self._stream.service_tier

    @property
    def done(self) -> bool:
        return self._stream.done

    def feed(self, data: bytes) -> Parsed:
        """See EventParser."""
        return Parsed(()) if self.done else self._parsed(self._stream.feed(data))

    def close(self) -> Parsed:
        """See EventParser."""
        return Parsed(()) if self.done else self._parsed(self._stream.close())

    def _parsed(self, out: bytes | Broken) -> Parsed:
        found: list[AnswerEvent] = []
        for event in events(out.ahead if isinstance(out, Broken) else out):
            if event.data is not None and event.data.strip() != DONE_DATA:
                self._chunk(event.data, found)
        if isinstance(out, Broken):
            return Parsed(with_long_names(found, self._names), out.failure)
        if self.done:
            missing, reason = self._pieces.ended(self._finish)
            found += [*missing, Stopped(reason)]
            if self.usage is not None:
                found.append(Counted(self.usage))
        return Parsed(with_long_names(found, self._names))

    def _chunk(self, data: bytes, found: list[AnswerEvent]) -> None:
        try:
            chunk = loosely_fields(data)
        except msgspec.DecodeError:
            return  # OpenAIStream let it pass, so it holds nothing that a client could read
        if not self._begun:
            self._begun = True
            found.append(_began(chunk))
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict) or choice.get("index") not in (0, None):
                continue
            delta = choice.get("delta")
            if isinstance(delta, dict):
                found.extend(self._pieces.of(delta, choice.get("logprobs")))
            self._finish = choice.get("finish_reason") or self._finish


def loosely_fields(data: bytes) -> JsonFields:
    """The fields of an answer or chunk. Raises msgspec.DecodeError for anything but an object."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = loosely(data)
    if not isinstance(found, dict):
        raise msgspec.DecodeError("no object")
    return found


def _began(chunk: JsonFields) -> Began:
    id, model, created = chunk.get("id"), chunk.get("model"), chunk.get("created")
    return Began(
        id=id if isinstance(id, str) else "",
        model=model if isinstance(model, str) else "",
        created=created if isinstance(created, int) else 0,
    )


def answer_events(body: bytes, usage: Usage | None, facts: CallFacts) -> list[AnswerEvent]:
    """The events of a whole chat completion that was found to be one."""
    fields = loosely_fields(body)
    pieces = Pieces(facts.request_id)
    found: list[AnswerEvent] = [_began(fields)]
    choices = fields.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    choice = first if isinstance(first, dict) else {}
    message = choice.get("message")
    if isinstance(message, dict):
        found.extend(pieces.of(message, choice.get("logprobs")))
    missing, reason = pieces.ended(choice.get("finish_reason"))
    found += [*missing, Stopped(reason)]
    if usage is not None:
        found.append(Counted(usage))
    return found
