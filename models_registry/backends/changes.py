"""What a translation changed or left out of a request, by name: the reply's header `x-switchgear-changed`."""

import re
from collections.abc import Iterable, Mapping

import msgspec

from schema.chat import ChatRequest

SAYS_NOTHING = frozenset({b"null", b"[]", b'""', b"{}", b"false"})
"""Values of a field that ask for nothing and tell nothing."""
MAX_NAMES = 100
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


class Changes:
    """The names so far, such as `messages.name`."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        """Name what was changed or left out. A name that no header can carry counts as its parent."""
        while not _NAME.fullmatch(name):
            name = name.rpartition(".")[0] or "request"
        if len(self._names) < MAX_NAMES:
            self._names[name] = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)


_MESSAGE_FIELDS = frozenset(
    {"role", "content", "refusal", "tool_calls", "tool_call_id", "function_call", "reasoning_content"}
    | {"thinking_blocks"}
)
_PART_FIELDS = frozenset({"type", "text", "refusal", "image_url", "thinking", "signature", "data"})


class MessageFields(msgspec.Struct, frozen=True):
    """The fields that a translation reads: of a message, and of a part of its content."""

    message: frozenset[str]
    part: frozenset[str]

    @classmethod
    def with_more(cls, *, message: Iterable[str] = (), part: Iterable[str] = ()) -> "MessageFields":
        """What every translation reads, and what one of them reads besides."""
        return cls(_MESSAGE_FIELDS.union(message), _PART_FIELDS.union(part))


def name_left_out(request: ChatRequest, known: MessageFields, changes: Changes) -> None:
    """Name the fields of messages and of their parts that the translation does not read."""
    try:
        messages = _OBJECTS.decode((request.raw or request.fields())["messages"])
    except msgspec.DecodeError:
        return
    for message in messages:
        _name_unknown(message, known.message, "messages", changes)
        content = message.get("content")
        if content is None or bytes(content)[:1] != b"[":
            continue
        try:
            parts = _OBJECTS.decode(content)
        except msgspec.DecodeError:
            continue
        for part in parts:
            _name_unknown(part, known.part, "messages.content", changes)


def _name_unknown(
    fields: Mapping[str, msgspec.Raw], known: frozenset[str], inside: str, changes: Changes
) -> None:
    for name in fields.keys() - known:
        if bytes(fields[name]) not in SAYS_NOTHING:
            changes.add(f"{inside}.{name}")
