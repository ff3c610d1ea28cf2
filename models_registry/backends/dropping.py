"""Fields of a request that are not to be sent, as the config or the caller says: LiteLLM's
`additional_drop_params`, and `drop_params` as a list in the config. They are taken out before the cost of a
call is judged, so that a limit that is not sent bounds nothing.

A name is a field of the body, `temperature`, or a path inside of one: `tools[*].function.strict`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from models_registry.target import FieldPath
from schema.errors.requests import InvalidRequest
from schema.wire import value_of

NEEDED = frozenset({"model", "messages", "input", "stream"})
"""Fields without which a request is none, or is answered in another form."""
ANY = "*"

DROP_FIELD = "additional_drop_params"
"""The field of a request. It never goes to a provider."""
MAX_ASKED = 100
MAX_NESTED = 10
"""How many paths inside of fields a request may name: each one goes through all of its field."""
EXPECTED = (
    f"{DROP_FIELD}: expected a list of at most {MAX_ASKED} names of fields, such as temperature, and "
    f"{MAX_NESTED} paths inside of them, such as tools[*].function.strict."
)
W = TypeVar("W", bound="WithFields")
_NAMES = msgspec.json.Decoder(list[str] | None)
_PATH = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[(?:\*|[0-9]{1,6})\])*")
_STEP = re.compile(r"[^.\[\]]+")


class WithFields(Protocol):
    """A JSON body: `schema.wire.Wire`."""

    @property
    def raw(self) -> Mapping[str, msgspec.Raw]: ...

    def fields(self) -> dict[str, msgspec.Raw]: ...

    def with_raw(self, raw: Mapping[str, msgspec.Raw]) -> None: ...


def field_path(name: str) -> FieldPath | None:
    """The steps of a name; None for one that is no path."""
    return tuple(_STEP.findall(name)) if _PATH.fullmatch(name) else None


def left(request: W, configured: Sequence[FieldPath]) -> tuple[W, tuple[str, ...]]:
    """The request without what the config and the request itself say, and the names of the fields that were
    left out or changed. Raises InvalidRequest."""
    asked = request.raw.get(DROP_FIELD)
    if asked is None:
        found = without(request, configured)
    else:
        found = without(request, (*configured, *_asked(asked), (DROP_FIELD,)))
    before, after = request.raw, found.raw
    names = [name for name in before if name != DROP_FIELD and after.get(name) != before[name]]
    return found, tuple(names)


def _asked(raw: msgspec.Raw) -> list[FieldPath]:
    """The paths that a request names. Raises InvalidRequest."""
    try:
        names = _NAMES.decode(raw) or []
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(EXPECTED, param=DROP_FIELD) from exc
    paths = [field_path(name) for name in names[: MAX_ASKED + 1]]
    found = [path for path in paths if path is not None]
    nested = sum(len(path) > 1 for path in found)
    if len(names) > MAX_ASKED or len(found) < len(paths) or nested > MAX_NESTED:
        raise InvalidRequest(EXPECTED, param=DROP_FIELD)
    return [path for path in found if path[0] not in NEEDED or len(path) > 1]


def without(request: W, paths: Sequence[FieldPath]) -> W:
    """The request without these fields. Raises InvalidRequest where it needs one of them."""
    fields = request.fields()
    if not leave_out(fields, paths):
        return request
    try:
        left = msgspec.json.decode(msgspec.json.encode(fields), type=type(request))
    except msgspec.ValidationError as exc:
        raise InvalidRequest(
            "The deployment's additional_drop_params take out what a request needs: an administrator has to "
            "mend its config."
        ) from exc
    left.with_raw(fields)
    return left


def leave_out(fields: dict[str, msgspec.Raw], paths: Sequence[FieldPath]) -> bool:
    """Take fields out of a body. True where there was one. Raises InvalidRequest for a field that is no JSON
    inside."""
    by_field: dict[str, list[Sequence[str]]] = {}
    for top, *inside in paths:
        by_field.setdefault(top, []).append(inside)
    found = False
    for top, insides in by_field.items():
        raw = fields.get(top)
        if raw is None:
            continue
        if [] in insides:
            del fields[top]
            found = True
            continue
        value = value_of(raw, top)
        removed = [_remove(value, inside) for inside in insides]
        if any(removed):
            fields[top] = msgspec.Raw(msgspec.json.encode(value))
            found = True
    return found


def _remove(value: Any, steps: Sequence[str]) -> bool:  # any JSON
    step, *more = steps
    keys: Sequence[Any] = ()
    if isinstance(value, dict):
        keys = list(value) if step == ANY else [step] if step in value else ()
    elif isinstance(value, list):
        place = int(step) if step.isdecimal() else len(value)
        keys = range(len(value)) if step == ANY else [place] if place < len(value) else ()
    if more:
        return sum(_remove(value[key], more) for key in keys) > 0
    for key in reversed(keys):
        del value[key]
    return bool(keys)
