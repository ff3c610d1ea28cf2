"""Turns values of YAML into Structs, and says of a wrong value where it stands."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from models_registry.numbers import BadDeployment
from schema.errors.base import shortened

S = TypeVar("S", bound=msgspec.Struct)


def converted(values: Any, path: str, kind: type[S]) -> S:
    """The values as a Struct. Text may stand for a number, since the environment gives `os.environ/RPM` as
    text. A number where text is declared is an error. Raises BadDeployment."""
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as exc:
        what, _, where = str(exc).partition(" - at `$")
        where = _with_key(values, where.rstrip("`"), kind)
        raise BadDeployment(f"{path}{where}", what) from None


def _with_key(values: Any, where: str, kind: type[S]) -> str:
    """A place within a section, such as `.model_group_alias[...]`, with the key that is meant."""
    field, some, rest = where.removeprefix(".").partition("[...]")
    inside = values.get(field) if some and isinstance(values, Mapping) else None
    needed = {each.encode_name for each in msgspec.structs.fields(kind) if each.required}
    beside = {name: values[name] for name in needed & values.keys()} if isinstance(inside, Mapping) else {}
    for key, value in inside.items() if isinstance(inside, Mapping) else ():
        try:
            msgspec.convert({**beside, field: {key: value}}, kind, strict=False)
        except msgspec.ValidationError:
            return f".{field}.{shortened(str(key))}{rest}"
    return where


def kind_of(value: object) -> str:
    """The kind of a value, for a message: `a list`. The value is never shown, since it may be a secret in the
    wrong place."""
    kinds = {"dict": "a mapping", "list": "a list", "str": "text", "NoneType": "nothing"}
    return kinds.get(type(value).__name__, type(value).__name__)
