"""Stores a response before its client is told that it is complete, whole or streamed.

The provider was asked to store nothing, and was sent the whole conversation. So the answer's `store` and
`previous_response_id` are put right here, in the few events that hold a response.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from functions.contract.function import EventStream
from models_registry.turns.sse import event_frame, events
from schema.errors.base import GatewayError
from schema.responses import Response
from schema.wire import to_json

SIGN = b'"response":'
"""An event that holds a response has this in it. In a text it would be `\\"response\\":`."""
ENDS = frozenset({"response.completed", "response.incomplete"})
ITEM_DONE = "response.output_item.done"
ITEM_SIGN = ITEM_DONE.encode()
MAX_ITEMS_BYTES = 16 * 2**20
"""How much of an answer's items is kept beside the stream. An answer with more is stored as it ends."""
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TRUE, _FALSE = msgspec.Raw(b"true"), msgspec.Raw(b"false")
ResponseFields = dict[str, msgspec.Raw]
Keep = Callable[[ResponseFields], Awaitable[None]]
"""Stores a response, by its fields."""

log = logging.getLogger(__name__)


class ResponseKeeping:
    """How the responses of one call are kept."""

    def __init__(self, keep: Keep, previous: str | None) -> None:
        """`previous` is the response that the call goes on from."""
        self._keep = keep
        self._previous = previous

    def told(self, response: msgspec.Raw) -> ResponseFields:
        """A response as the client is told it."""
        fields = _FIELDS.decode(response)
        fields["store"] = _TRUE
        if self._previous is not None:
            fields["previous_response_id"] = msgspec.Raw(msgspec.json.encode(self._previous))
        return fields

    async def kept(self, response: msgspec.Raw) -> ResponseFields:
        """A response that is complete, stored. Where it can't be stored, it says so: its `store` is false."""
        fields = self.told(response)
        try:
            await self._keep(fields)
        except (GatewayError, msgspec.MsgspecError) as error:
            log.warning("a response was not stored: %s", type(error).__name__)
            fields["store"] = _FALSE
        return fields


async def kept_whole(answer: Response, keeping: ResponseKeeping) -> Response:
    """A whole answer, stored."""
    fields = await keeping.kept(msgspec.Raw(answer.wire or to_json(answer)))
    kept = msgspec.structs.replace(answer)
    kept.with_wire(msgspec.json.encode(fields))
    return kept


class KeptStream:
    """A stream whose response is stored before its last event. Implements EventStream."""

    def __init__(self, stream: EventStream, keeping: ResponseKeeping) -> None:
        self._stream = stream
        self._keeping = keeping
        self._items: list[msgspec.Raw] = []
        """The items that are done. Some providers leave them out of the response at the end."""
        self._left = MAX_ITEMS_BYTES

    async def events(self) -> AsyncIterator[bytes]:
        """See EventStream."""
        async for block in self._stream.events():
            if ITEM_SIGN in block:
                self._note(block)
            yield await self._put_right(block) if SIGN in block else block

    def _note(self, block: bytes) -> None:
        """Keep the items that this part of the stream completes."""
        for event in events(block):
            if event.data is None or ITEM_SIGN not in event.data:
                continue
            try:
                fields = _FIELDS.decode(event.data)
                is_done = msgspec.json.decode(fields.get("type", b"null")) == ITEM_DONE
            except msgspec.MsgspecError:
                continue
            item = fields.get("item")
            if is_done and item is not None and len(item) <= self._left:
                self._left -= len(item)
                self._items.append(item.copy())

    async def _put_right(self, block: bytes) -> bytes:
        out = []
        for event in events(block):
            if event.data is None or SIGN not in event.data:
                out.append(event.raw)
                continue
            try:
                told = await self._told(event.name or "", event.data)
            except msgspec.MsgspecError:
                told = None  # it holds no response that a client could read
            out.append(told or event.raw)
        return b"".join(out)

    async def _told(self, name: str, data: bytes) -> bytes | None:
        """The event as the client is told it. None: it has no response, but something within it has such a
        field, such as the attributes of a file that was found."""
        fields = _FIELDS.decode(data)
        kind = msgspec.json.decode(fields["type"], type=str) if "type" in fields else name
        response = fields.get("response")
        if response is None:
            return None
        if kind in ENDS:
            told = await self._keeping.kept(with_items(response, self._items))
        else:
            told = self._keeping.told(response)
        fields["response"] = msgspec.Raw(msgspec.json.encode(told))
        return event_frame(kind.encode(), msgspec.json.encode(fields))

    def failed(self, error: GatewayError) -> bytes:
        """See EventStream."""
        return self._stream.failed(error)

    def close(self, error: GatewayError | None = None) -> None:
        """See EventStream."""
        self._stream.close(error)


def with_items(response: msgspec.Raw, items: list[msgspec.Raw]) -> msgspec.Raw:
    """A response at the end of a stream, with the items that the stream told of where it has none itself: a
    conversation that goes on from it must have its answer."""
    fields = _FIELDS.decode(response)
    if not items or msgspec.json.decode(fields.get("output", b"null")):
        return response
    fields["output"] = msgspec.Raw(msgspec.json.encode(items))
    return msgspec.Raw(msgspec.json.encode(fields))
