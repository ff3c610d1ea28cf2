"""The fields of a body that nobody declared: which are refused, and which have no effect."""

from collections.abc import Iterator, Sequence

import msgspec

from schema.errors.requests import UnsupportedParameter
from schema.fields import Json
from schema.wire import Wire, to_json, value_of

WITHOUT_EFFECT = frozenset(
    [
        "agent_id",
        "aliases",
        "auto_rotate",
        "budget_reset_at",
        "config",
        "created_at",
        "created_by",
        "logging",
        "prompts",
        "rotation_interval",
        "send_invite_email",
        "sso_user_id",
        "updated_at",
        "updated_by",
    ]
)
"""LiteLLM's fields of management calls that restrict nothing and have no column here. They are left out, and
the answer names them in a header. A field that limits, permits or pays for something is never here."""
QUERIES_WITHOUT_EFFECT = frozenset({"expand", "include_metadata"})
"""LiteLLM's query parameters that only ask for more in an answer."""
_ASKS_NOTHING = frozenset({b"null", b"{}", b"[]", b'""', b"0", b"0.0", b"false"})
"""Values with which an undeclared field asks for nothing."""
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def with_parts(request: Wire, name: str, parts: Sequence[Wire]) -> None:
    """Give each of the bodies in a body's list the fields it came with, for `refuse_undeclared`."""
    if name in request.raw:
        for part, raw in zip(parts, _OBJECTS.decode(request.raw[name]), strict=True):
            part.with_raw(raw)


def refuse_undeclared(request: Wire, shown: msgspec.Struct | None = None) -> None:
    """Refuse a body with a field that nobody declared: a limit that is asked for and silently not kept is
    worse than a refusal. `shown` is the row as answers show it: a field that is sent back as it is there asks
    for nothing. Raises UnsupportedParameter."""
    undeclared = list(_undeclared(request))
    row = _as_shown(shown) if undeclared and shown is not None else {}
    for name in undeclared:
        if name in row and value_of(request.raw[name], name) == value_of(row[name], name):
            continue
        if name not in WITHOUT_EFFECT:
            raise UnsupportedParameter(f"{name}: not supported by this version.", param=name)


def _as_shown(row: msgspec.Struct) -> Json:
    """The fields of a row as answers show them. None of a row in which SQL wrote what JSON can't say."""
    try:
        return _ROW.decode(to_json(row))
    except msgspec.DecodeError:
        return {}


def without_effect(request: Wire) -> list[str]:
    """The fields of a body that have no effect here. The answer names them."""
    return [name for name in _undeclared(request) if name in WITHOUT_EFFECT]


def _undeclared(request: Wire) -> Iterator[str]:
    """The fields of a body that nobody declared and that ask for something."""
    declared = set(request.__struct_encode_fields__)
    for name, value in request.raw.items():
        if name not in declared and bytes(value) not in _ASKS_NOTHING:
            yield name
