"""Conversations that go on: what is kept of a response, and what goes before the next input."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated

import msgspec

from functions.contract.call import Call, Caller
from functions.ports.state import State
from schema.errors.base import shortened
from schema.errors.requests import InvalidRequest
from schema.responses import InputItemList, InputItemsQuery, ResponsesRequest, StoredResponse
from schema.wire import ABSENT, MaybeRaw, present

KIND = "response"
"""The kind of state that stored responses are."""
MAX_HISTORY_BYTES = 16 * 1024 * 1024
"""The most bytes of JSON that the items before an answer may have, so that the response is stored."""
MAX_HISTORY_ITEMS = 10_000
"""The most items that such a conversation may have: as many as the messages of a request. A request's own
limits see only what it adds."""
PREVIOUS = "previous_response_id"
THINKING = "reasoning.encrypted_content"
PLAIN = frozenset(
    {
        b'"message"',
        b'"function_call"',
        b'"function_call_output"',
        b'"custom_tool_call"',
        b'"custom_tool_call_output"',
    }
)
"""Kinds of items that say the same without an id. A provider that stores nothing does not know the ids."""
PREFIXES: Mapping[bytes, str] = MappingProxyType(
    {
        b'"message"': "msg",
        b'"function_call"': "fc",
        b'"custom_tool_call"': "ctc",
        b'"reasoning"': "rs",
    }
)
"""How the ids of items begin."""
MESSAGE = msgspec.Raw(b'"message"')
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
_NO_ID, _NO_ITEMS = msgspec.Raw(b'""'), msgspec.Raw(b"[]")
_Item = dict[str, msgspec.Raw]
_FIELDS = msgspec.json.Decoder(_Item)
_ITEMS = msgspec.json.Decoder(list[_Item])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_STORED = msgspec.json.Decoder(StoredResponse)


class ResponseParts(msgspec.Struct, frozen=True):
    """A response, as far as it is part of a conversation."""

    id: str = ""
    status: str = ""
    output: list[msgspec.Raw] = []


_PARTS = msgspec.json.Decoder(ResponseParts)


def owner_of(caller: Caller) -> str:
    """Whom a stored response belongs to: the key, also after it was replaced, or the master key."""
    return caller.key_id or caller.key_hash


async def previous_of(id: str, call: Call, state: State) -> StoredResponse:
    """The response that a call goes on from. Raises InvalidRequest where the key has no such one."""
    value = await state.get(KIND, owner_of(call.caller), id) if state.is_open else None
    if value is None:
        raise InvalidRequest(
            f"Previous response with id '{shortened(id)}' not found.",
            param=PREVIOUS,
            code="previous_response_not_found",
        )
    call.take_room(len(value))
    return stored_of(value)


def stored_of(value: bytes) -> StoredResponse:
    return _STORED.decode(value)


def going_on(request: ResponsesRequest, before: StoredResponse | None) -> ResponsesRequest:
    """The request with the conversation before it in its input, and without the fields about storing, which
    are the gateway's to honour. Raises InvalidRequest for a conversation that is too long."""
    fields = {name: raw for name, raw in request.fields().items() if name not in (PREVIOUS, "store")}
    if before is not None:
        output = _PARTS.decode(before.response).output
        items = [*history_of(before.input), *history_of(output), *items_of(request.input)]
        if len(items) > MAX_HISTORY_ITEMS:
            raise InvalidRequest(
                f"The conversation behind '{PREVIOUS}' has more than {MAX_HISTORY_ITEMS} items.",
                param=PREVIOUS,
            )
        fields["input"] = msgspec.Raw(msgspec.json.encode(items))
        if memoryview(fields["input"]).nbytes > MAX_HISTORY_BYTES:
            raise InvalidRequest(
                f"The conversation behind '{PREVIOUS}' has more than {MAX_HISTORY_BYTES} bytes.",
                param=PREVIOUS,
            )
    found = msgspec.structs.replace(
        request, input=fields.get("input", ABSENT), previous_response_id=None, store=None
    )
    found.with_raw(fields)
    return found


def with_thinking(request: ResponsesRequest) -> ResponsesRequest:
    """The request, asking for thinking that only OpenAI can read, so that a later call can send it back."""
    included = list(dict.fromkeys([*(request.include or ()), THINKING]))
    found = msgspec.structs.replace(request, include=included)
    found.with_raw({**request.fields(), "include": _raw(included)})
    return found


def items_of(input: MaybeRaw) -> list[msgspec.Raw]:
    """The items of an input. A text is one message of the user."""
    if not present(input):
        return []
    text = bytes(input)
    if text[:1] == b"[":
        return _RAWS.decode(text)
    if text[:1] != b'"':
        raise InvalidRequest("'input' must be a text, or a list of items.", param="input")
    part = {"type": "input_text", "text": msgspec.Raw(text)}
    return [_raw({"type": "message", "role": "user", "content": [part]})]


def history_of(items: Sequence[msgspec.Raw]) -> Iterator[msgspec.Raw]:
    """Earlier items, as they go to a provider again: without ids, which only the one who made them knows, and
    without thinking that nobody can read any more."""
    for raw in items:
        item = _FIELDS.decode(raw)
        kind = bytes(item.get("type", MESSAGE))
        if kind == b'"reasoning"' and not _is_readable(item):
            continue
        if kind in PLAIN:
            item.pop("id", None)
            yield _raw(item)
        else:
            yield raw


def _is_readable(item: _Item) -> bool:
    return present(item.get("encrypted_content", ABSENT)) or bytes(item.get("content", b"[]")) not in (
        b"[]",
        b"null",
    )


def kept_of(
    response: Mapping[str, msgspec.Raw],
    request: ResponsesRequest,
    deployment: str = "",
    *,
    stays_local: bool = False,
) -> bytes:
    """What is kept of a response to a request that has its whole conversation as its input. Raises
    msgspec.MsgspecError for a response or an input that no conversation could go on from."""
    _ITEMS.decode(response.get("output", _NO_ITEMS))
    items = list(_with_ids(items_of(request.input), id_of(response)))
    return msgspec.json.encode(
        StoredResponse(response=_raw(response), input=items, deployment=deployment, stays_local=stays_local)
    )


def id_of(response: Mapping[str, msgspec.Raw]) -> str:
    """The id of a response. Raises msgspec.ValidationError where it has none."""
    return msgspec.json.decode(response.get("id", _NO_ID), type=_Id)


def _with_ids(items: Sequence[msgspec.Raw], response_id: str) -> Iterator[msgspec.Raw]:
    """The items, each with an id, such as `msg_0199...i00`, and messages as OpenAI shows them."""
    suffix = response_id.rpartition("_")[2]
    for place, raw in enumerate(items):
        item = _FIELDS.decode(raw)
        kind = bytes(item.setdefault("type", MESSAGE))
        if not bytes(item.get("id", b"")).startswith(b'"'):
            prefix = PREFIXES.get(kind, "item")
            item["id"] = _raw(f"{prefix}_{suffix}i{place:02d}")
        if kind == bytes(MESSAGE):
            _show_message(item)
        yield _raw(item)


def _show_message(item: _Item) -> None:
    content = bytes(item.get("content", b"null"))
    if content[:1] == b'"':
        told = "output_text" if bytes(item.get("role", b"")) == b'"assistant"' else "input_text"
        part: dict[str, object] = {"type": told, "text": msgspec.Raw(content)}
        if told == "output_text":
            part["annotations"] = []
        item["content"] = _raw([part])
    item.setdefault("status", _raw("completed"))


def may_be_kept(request: ResponsesRequest) -> bool:
    """Whether the conversation is short enough to be stored."""
    if not present(request.input):
        return True
    size = memoryview(request.input).nbytes
    if size <= min(MAX_HISTORY_ITEMS, MAX_HISTORY_BYTES):
        return True  # an item is more than one byte
    return size <= MAX_HISTORY_BYTES and len(items_of(request.input)) <= MAX_HISTORY_ITEMS


def page_of(items: Sequence[msgspec.Raw], query: InputItemsQuery) -> InputItemList:
    """A page of stored items. Raises InvalidRequest where it goes on after an item that is not there."""
    ids = [msgspec.json.decode(raw, type=_ItemId).id for raw in items]
    order = range(len(items)) if query.order == "asc" else range(len(items) - 1, -1, -1)
    places = list(order)
    if query.after is not None:
        if query.after not in ids:
            raise InvalidRequest("'after' names no item of this response.", param="after")
        places = places[places.index(ids.index(query.after)) + 1 :]
    shown = places[: query.limit]
    return InputItemList(
        data=[items[place] for place in shown],
        first_id=ids[shown[0]] if shown else None,
        last_id=ids[shown[-1]] if shown else None,
        has_more=len(places) > len(shown),
    )


def reference_in(input: MaybeRaw) -> int | None:
    """The place of the first item that only refers to another one. None: there is none."""
    if not present(input) or bytes(input)[:1] != b"[":
        return None
    try:
        items = _REFERRING.decode(input)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    for place, item in enumerate(items):
        if item.kind == "item_reference" or (item.kind is None and item.role is None and item.id is not None):
            return place
    return None


class _Referring(msgspec.Struct, frozen=True, gc=False, rename={"kind": "type"}):
    kind: str | None = None
    role: str | None = None
    id: str | None = None


_REFERRING = msgspec.json.Decoder(list[_Referring])


class _ItemId(msgspec.Struct, frozen=True):
    id: str = ""


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
