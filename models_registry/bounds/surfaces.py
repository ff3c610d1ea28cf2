"""Upper bounds of calls on the byte path of a surface that is not chat, from the fields as they came.

What the gateway does not translate can hold anything. So an unknown field, block or tool has no known bound,
and a budget refuses it by name.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.bounds.field_costs import (
    BLOCK_FIELDS,
    BLOCK_KINDS,
    CALLERS_OWN,
    CLIENT_TOOL,
    CLIENT_TOOL_TOKENS,
    COMPLETIONS,
    EDITS,
    MESSAGES,
    OFF,
)
from models_registry.bounds.input import MessageText
from models_registry.bounds.judgement import Unbounded, judge_native, sent_fields
from models_registry.bounds.text import TextBounds
from models_registry.target import Target
from models_registry.turns.surfaces import Surface
from schema.completions import CompletionsRequest
from schema.messages import MessagesRequest
from schema.wire import ABSENT, MaybeRaw

MAX_DEPTH = 4
"""How deep blocks may stand in blocks. Deeper ones have no known bound."""
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_TEXTS = msgspec.json.Decoder(str)


class _MeasuredSource(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    kind: str = ""
    data: MaybeRaw = ABSENT
    url: MaybeRaw = ABSENT


class _MeasuredEdit(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    kind: str = ""


class _MeasuredEdits(msgspec.Struct, frozen=True):
    edits: list[_MeasuredEdit] = []


class _Walk:
    """The pictures of a conversation, and its first part without a known bound."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.images = 0
        self.picture_bytes = 0
        self.unbounded: Unbounded | None = None

    def conversation(self, raw: msgspec.Raw) -> None:
        try:
            turns = _OBJECTS.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._meet("messages", "messages")
            return
        for place, turn in enumerate(turns):
            self._blocks(turn.get("content"), f"messages[{place}].content", 0)

    def _blocks(self, raw: msgspec.Raw | None, where: str, depth: int) -> None:
        if raw is None or bytes(raw)[:1] != b"[":
            return
        try:
            blocks = _OBJECTS.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._meet(where, "messages.content")
            return
        for place, block in enumerate(blocks):
            self._block(block, f"{where}[{place}]", depth)

    def _block(self, block: Mapping[str, msgspec.Raw], where: str, depth: int) -> None:
        kind = _text(block.get("type"))
        if kind not in BLOCK_KINDS or depth >= MAX_DEPTH:
            self._meet(where, f"messages.content.{kind}")
            return
        for name, raw in block.items():
            if name not in BLOCK_FIELDS and bytes(raw) not in OFF:
                self._meet(f"{where}.{name}", f"messages.content.{name}")
        if kind == "image":
            self._picture(block.get("source"))
        elif kind in ("tool_result", "search_result"):
            self._blocks(block.get("content"), f"{where}.content", depth + 1)

    def _picture(self, raw: msgspec.Raw | None) -> None:
        self.images += 1
        try:
            source = msgspec.json.decode(raw or b"{}", type=_MeasuredSource)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        for each in (source.data, source.url):
            self.picture_bytes += memoryview(each).nbytes if isinstance(each, msgspec.Raw) else 0

    def _meet(self, where: str, name: str) -> None:
        if self.unbounded is None and name not in self._target.free_params:
            self.unbounded = Unbounded(where, name)


class MessagesBounds(TextBounds):
    """The most that a call can use where the provider has Messages itself."""

    __slots__ = ("_request", "_walk")

    def __init__(self, request: MessagesRequest, target: Target) -> None:
        self._request = request
        self._walk: _Walk | None = None
        fields = request.raw or request.fields()
        sent = sent_fields(fields, target)
        judged = judge_native(sent, MESSAGES, target)
        for tool in _tools(sent):
            judged.added += CLIENT_TOOL_TOKENS * bool(CLIENT_TOOL.fullmatch(_text(tool.get("type"))))
        super().__init__(fields, sent, judged, target)

    @property
    def _walked(self) -> _Walk:
        if self._walk is None:
            self._walk = _Walk(self._target)
            self._walk.conversation(self._conversation)
        return self._walk

    def _measured(self) -> MessageText:
        walk = self._walked
        most = memoryview(self._conversation).nbytes - walk.picture_bytes
        return MessageText(max(most, 0), walk.images, has_parts=True)

    @property
    def _messages(self) -> int:
        return len(self._request.messages) + 1

    @property
    def _conversation(self) -> msgspec.Raw:
        return self._sent["messages"]

    def _unbounded_content(self) -> Unbounded | None:
        return self._walked.unbounded or self._unbounded_tool() or self._unbounded_edit()

    def _unbounded_tool(self) -> Unbounded | None:
        raw = self._sent.get("tools")
        if raw is not None and not _tools(self._sent) and bytes(raw) not in OFF:
            return Unbounded("tools", "tools")
        for place, tool in enumerate(_tools(self._sent)):
            kind = _text(tool.get("type"))
            name = f"tools.{kind}"
            is_callers = kind in CALLERS_OWN or CLIENT_TOOL.fullmatch(kind)
            if not is_callers and name not in self._target.free_params:
                return Unbounded(f"tools[{place}]", name)
        return None

    def _unbounded_edit(self) -> Unbounded | None:
        name = "context_management"
        raw = self._sent.get(name, b"null")
        if bytes(raw) in OFF or name in self._target.free_params:
            return None
        try:
            edits = msgspec.json.decode(raw, type=_MeasuredEdits).edits
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Unbounded(name, name)
        return None if all(each.kind.startswith(EDITS) for each in edits) else Unbounded(name, name)


class CompletionsBounds(TextBounds):
    """The most that a call can use where the provider has legacy completions itself. Each prompt is answered
    `n` times, or `best_of` times where that is more."""

    __slots__ = ("_prompts",)

    def __init__(self, request: CompletionsRequest, target: Target) -> None:
        prompts = request.prompt
        is_list = isinstance(prompts, list) and bool(prompts) and not isinstance(prompts[0], int)
        self._prompts = len(prompts) if isinstance(prompts, list) and is_list else 1
        fields = request.raw or request.fields()
        sent = sent_fields(fields, target)
        judged = judge_native(sent, COMPLETIONS, target)
        judged.answers *= self._prompts
        super().__init__(fields, sent, judged, target)

    def _measured(self) -> MessageText:
        return MessageText(memoryview(self._conversation).nbytes, 0, has_parts=False)

    @property
    def _messages(self) -> int:
        return self._prompts

    @property
    def _conversation(self) -> msgspec.Raw:
        return self._sent.get("prompt", msgspec.Raw(b'""'))

    def _unbounded_content(self) -> Unbounded | None:
        return None


BOUNDS: Mapping[Surface, Callable[[Any, Target], TextBounds]] = MappingProxyType(
    {Surface.MESSAGES: MessagesBounds, Surface.COMPLETIONS: CompletionsBounds}
)


def native_bounds(surface: Surface) -> Callable[[Any, Target], TextBounds] | None:
    """What makes the bounds of a surface's requests on the byte path. None: its requests are turns, as
    those of chat are."""
    return BOUNDS.get(surface)


def _tools(sent: Mapping[str, msgspec.Raw]) -> list[dict[str, msgspec.Raw]]:
    try:
        return _OBJECTS.decode(sent.get("tools", b"[]"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def _text(raw: msgspec.Raw | None) -> str:
    try:
        return "" if raw is None else _TEXTS.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
