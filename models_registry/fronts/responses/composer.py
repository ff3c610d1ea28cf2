"""Composes a response of an answer's events. The streamed answer and the whole one come of the same code: a
stream sends the composer's events, and a whole answer is the response at the end.

Items stand in the order in which they began. A message and a piece of thinking end when another item begins.
Calls of tools may be interleaved, so they end with the answer.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.fronts.responses.parts import (
    COMPLETED,
    IN_PROGRESS,
    Events,
    OpenMessage,
    OpenReasoning,
    OpenTool,
)
from models_registry.fronts.responses.tools import CalledAs
from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Cited,
    Counted,
    Refused,
    Sealed,
    Stopped,
    StopReason,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
)
from schema.responses import (
    IncompleteDetails,
    OutputItem,
    Response,
    ResponseError,
    ResponseEvent,
    ResponseInputDetails,
    ResponseOutputDetails,
    ResponseUsage,
)
from schema.usage import Usage

INCOMPLETE = "incomplete"
REASONS: Mapping[StopReason, str] = MappingProxyType(
    {
        StopReason.LENGTH: "max_output_tokens",
        StopReason.CONTEXT: "max_output_tokens",
        StopReason.FILTER: "content_filter",
    }
)
"""Why an answer is incomplete. With any other reason to stop it is complete."""


class Composer:
    """One answer. `response` is the response as it stood before the answer: it tells what was asked."""

    def __init__(self, response: Response, called_as: Mapping[str, CalledAs]) -> None:
        self._response = response
        self._called_as = called_as
        self._suffix = response.id.rpartition("_")[2]
        self._next = 0
        self._done: dict[int, OutputItem] = {}
        self._count = 0
        self._message: OpenMessage | None = None
        self._reasoning: OpenReasoning | None = None
        self._tools: dict[int, OpenTool] = {}
        self._reason: StopReason | None = None
        self._usage: Usage | None = None

    def add(self, event: AnswerEvent) -> Events:
        """Take one event of the answer, and give those that tell of it."""
        match event:
            case Text() if event.text or event.logprobs or self._message is not None:
                yield from self._in_message()
                assert self._message is not None
                yield from self._message.text(event)
            case ToolArguments() if self._tools[event.index].index not in self._done:
                yield from self._tools[event.index].go_on(event.text)
            case Thought():
                yield from self._think(event)
            case ToolBegan():
                yield from self._call(event)
            case Refused() if event.text:
                yield from self._in_message()
                assert self._message is not None
                yield from self._message.refusal(event)
            case Cited():
                yield from self._in_message()
                assert self._message is not None
                yield from self._message.cite(event)
            case Sealed():
                yield from self._end_open(COMPLETED)
                opened = OpenReasoning(*self._place("rs"), self._make, redacted=event.data)
                yield self._added(opened)
                yield from self._end(opened, COMPLETED)
            case Began():
                model = event.model or self._response.model
                self._response = msgspec.structs.replace(self._response, model=model)
                yield self._make("response.created", response=self._response)
                yield self._make("response.in_progress", response=self._response)
            case Stopped():
                self._reason = event.reason
                yield from self._end_all(INCOMPLETE if event.reason in REASONS else COMPLETED)
            case Counted():
                self._usage = event.usage

    def ended(self) -> Events:
        """The last events of a complete answer. Some servers say more after the reason to stop."""
        yield from self._end_all(COMPLETED)
        response = self.response()
        yield self._make(f"response.{response.status}", response=response)

    def failed(self, error: ResponseError) -> ResponseEvent:
        """The last event of an answer that broke off."""
        response = msgspec.structs.replace(
            self._response, status="failed", error=error, output=self._output(), usage=self._counts()
        )
        return self._make("response.failed", response=response)

    def response(self) -> Response:
        """The whole answer."""
        why = REASONS.get(self._reason) if self._reason is not None else None
        return msgspec.structs.replace(
            self._response,
            status=COMPLETED if why is None else INCOMPLETE,
            incomplete_details=None if why is None else IncompleteDetails(reason=why),
            output=self._output(),
            usage=self._counts(),
        )

    def _output(self) -> list[OutputItem]:
        return [self._done[index] for index in sorted(self._done)]

    def _counts(self) -> ResponseUsage | msgspec.UnsetType:
        usage = self._usage
        if usage is None:
            return msgspec.UNSET
        return ResponseUsage(
            input_tokens=usage.prompt_tokens,
            input_tokens_details=ResponseInputDetails(
                cached_tokens=usage.cached_tokens, cache_write_tokens=usage.cache_write_tokens
            ),
            output_tokens=usage.completion_tokens,
            output_tokens_details=ResponseOutputDetails(reasoning_tokens=usage.reasoning_tokens),
            total_tokens=usage.total_tokens,
        )

    def _in_message(self) -> Events:
        if self._message is None:
            yield from self._end_open(COMPLETED)
            self._message = OpenMessage(*self._place("msg"), self._make)
            yield self._added(self._message)

    def _think(self, event: Thought) -> Events:
        opened = self._reasoning
        if not event.text and not event.signature:
            return
        if opened is None or opened.is_over:
            yield from self._end_open(COMPLETED)
            opened = self._reasoning = OpenReasoning(*self._place("rs"), self._make)
            yield self._added(opened)
        yield from opened.think(event)

    def _call(self, event: ToolBegan) -> Events:
        yield from self._end_open(COMPLETED)
        called = self._called_as.get(event.name) or CalledAs(event.name)
        id, index = self._place("ctc" if called.is_custom else "fc")
        opened = OpenTool(id, index, self._make, call_id=event.id, called=called)
        self._tools[event.index] = opened
        yield self._added(opened)

    def _end_open(self, status: str) -> Events:
        """End the message or the thinking that stands open."""
        opened: OpenMessage | OpenReasoning | None = self._message or self._reasoning
        self._message = self._reasoning = None
        if opened is not None:
            yield from self._end(opened, status)

    def _end_all(self, status: str) -> Events:
        yield from self._end_open(status)
        for tool in self._tools.values():
            if tool.index not in self._done:
                yield from self._end(tool, status)

    def _end(self, opened: OpenMessage | OpenReasoning | OpenTool, status: str) -> Events:
        yield from opened.end(status)
        self._done[opened.index] = opened.item(status)

    def _added(self, opened: OpenMessage | OpenReasoning | OpenTool) -> ResponseEvent:
        item = opened.item(IN_PROGRESS)
        return self._make("response.output_item.added", output_index=opened.index, item=item)

    def _place(self, prefix: str) -> tuple[str, int]:
        """The id and the index of the next item."""
        index = self._count
        self._count += 1
        return f"{prefix}_{self._suffix}{index:02d}", index

    def _make(self, kind: str, **fields: object) -> ResponseEvent:
        number = self._next
        self._next += 1
        return ResponseEvent(kind=kind, sequence_number=number, **fields)  # type: ignore[arg-type]  # by name
