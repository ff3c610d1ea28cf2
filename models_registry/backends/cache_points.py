"""Marks what a provider shall keep in its cache of prompts, where the caller marked nothing.

Claude keeps the prompt up to each mark (`cache_control`), and reads it again at a tenth of the price. The
config says where marks go (`cache_control_injection_points`); a caller whose key has `enable_prompt_caching`
gets them behind the tools, the system's text and the last message. A request with a mark of its caller's is
left as it is: the caller knows better, and a mark in front of another one must not be the shorter-lived.
"""

from collections.abc import Mapping, Sequence

import msgspec

from models_registry.backends.content import SYSTEM_ROLES
from models_registry.facts.families import marks_caches
from models_registry.target import CachePoint, Target
from schema.wire import present

CACHE_CONTROL = "cache_control"
MARKED = (CACHE_CONTROL,)
"""What `x-switchgear-changed` says of a request that was marked."""
MAX_POINTS = 4
"""How many marks Anthropic and Bedrock take in a request."""
EPHEMERAL = msgspec.Raw(b'{"type":"ephemeral"}')
NULL = msgspec.Raw(b"null")
USUAL_POINTS = (
    CachePoint(tools=True, control=EPHEMERAL),
    CachePoint(role="system", control=EPHEMERAL),
    CachePoint(index=-1, control=EPHEMERAL),
)
UNMARKABLE = frozenset({b'"thinking"', b'"redacted_thinking"'})
"""Types of blocks that take no mark."""
_MARK = b'"cache_control"'
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_TEXT = msgspec.json.Decoder(str)

PromptFields = dict[str, msgspec.Raw]


def caching(target: Target) -> Target:
    """The deployment for a key that has its prompts cached: with the usual marks, where it is a Claude model
    for which the config names none."""
    name = target.model if target.facts is None else target.facts.model
    takes_points = target.dialect.facts.takes_cache_points and marks_caches(name)
    if target.cache_points or not takes_points:
        return target
    return msgspec.structs.replace(target, cache_points=USUAL_POINTS)


def mark_chat(fields: PromptFields, target: Target) -> tuple[str, ...]:
    """Mark a request in OpenAI's form. A message's mark is for its last block. Gives the names of what was
    changed: none where the request stays as it is."""
    if not _is_open(fields, target, ("messages", "tools")):
        return ()
    messages, tools = _objects(fields, "messages"), _objects(fields, "tools")
    places, of_tools = _chosen(target, [_role(each) for each in messages], has_tools=bool(tools))
    for place, control in places.items():
        messages[place].setdefault(CACHE_CONTROL, control)
    return _put(fields, {"messages": messages if places else [], "tools": _last_marked(tools, of_tools)})


def mark_messages(fields: PromptFields, target: Target) -> tuple[str, ...]:
    """Mark a request in Anthropic's form. The system's text counts as its first message."""
    if not _is_open(fields, target, ("messages", "tools", "system")):
        return ()
    messages, tools, system = (_objects(fields, name) for name in ("messages", "tools", "system"))
    system = system or _blocks_of(fields.get("system", NULL))
    front = ["system"] if system else []
    roles = [*front, *(_role(each) for each in messages)]
    places, of_tools = _chosen(target, roles, has_tools=bool(tools))
    changed = {"tools": _last_marked(tools, of_tools)}
    for place, control in places.items():
        if place < len(front):
            changed["system"] = _last_marked(system, control)
            continue
        turn = messages[place - len(front)]
        blocks = _blocks_of(turn.get("content", NULL))
        if blocks and bytes(blocks[-1].get("type", b"")) not in UNMARKABLE:
            turn["content"] = _raw(_last_marked(blocks, control))
            changed["messages"] = messages
    return _put(fields, changed)


def _is_open(fields: Mapping[str, msgspec.Raw], target: Target, names: Sequence[str]) -> bool:
    """Whether the config wants marks, and nothing of the request is marked yet."""
    if not target.cache_points or CACHE_CONTROL in target.params:
        return False
    if present(fields.get(CACHE_CONTROL, msgspec.UNSET)):
        return False
    return not any(_MARK in bytes(fields[name]) for name in names if name in fields)


def _chosen(
    target: Target, roles: Sequence[str], *, has_tools: bool
) -> tuple[dict[int, msgspec.Raw], msgspec.Raw | None]:
    """The messages that are marked, by their place, and the mark behind the tools. Where a point is for more
    messages than can be marked, its last ones are."""
    places: dict[int, msgspec.Raw] = {}
    of_tools: msgspec.Raw | None = None
    for point in target.cache_points:
        room = MAX_POINTS - len(places) - (of_tools is not None)
        if point.tools:
            of_tools = of_tools or (point.control if has_tools and room else None)
            continue
        found = [place for place in _places_of(point, roles) if place not in places]
        places |= dict.fromkeys(found[max(0, len(found) - room) :], point.control)
    return places, of_tools


def _places_of(point: CachePoint, roles: Sequence[str]) -> list[int]:
    if point.index is not None:
        place = point.index if point.index >= 0 else len(roles) + point.index
        return [place] if 0 <= place < len(roles) else []
    wanted = SYSTEM_ROLES if point.role in SYSTEM_ROLES else {point.role}
    return [place for place, role in enumerate(roles) if role in wanted]


def _last_marked(objects: list[PromptFields], control: msgspec.Raw | None) -> list[PromptFields]:
    """The objects with a mark on the last of them. No mark: none of them."""
    if control is None or not objects:
        return []
    return [*objects[:-1], {CACHE_CONTROL: control} | objects[-1]]


def _blocks_of(content: msgspec.Raw) -> list[PromptFields]:
    """A content as blocks. A text of blanks alone has none, since nobody takes a mark on it."""
    if bytes(content)[:1] == b"[":
        return _objects({"content": content}, "content")
    try:
        text = _TEXT.decode(content)
    except msgspec.DecodeError:
        return []
    return [{"type": msgspec.Raw(b'"text"'), "text": content}] if text.strip() else []


def _objects(fields: Mapping[str, msgspec.Raw], name: str) -> list[PromptFields]:
    try:
        return _OBJECTS.decode(fields.get(name, b"[]"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def _role(message: Mapping[str, msgspec.Raw]) -> str:
    try:
        return _TEXT.decode(message.get("role", b'""'))
    except msgspec.DecodeError:
        return ""


def _put(fields: PromptFields, changed: Mapping[str, list[PromptFields]]) -> tuple[str, ...]:
    """Put what was marked into the request. Gives the names of what was changed."""
    found = {name: _raw(objects) for name, objects in changed.items() if objects}
    fields.update(found)
    return MARKED if found else ()


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
