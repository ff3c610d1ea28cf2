"""Reads the parts of a request that are kept as their bytes."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from schema.errors.base import shortened
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.responses import InputItem, NamedTool, ReasoningOptions, TextOptions, ToolSpecification
from schema.wire import MaybeRaw, invalid, present

T = TypeVar("T")
ITEMS = msgspec.json.Decoder(str | list[InputItem])
TOOLS = msgspec.json.Decoder(list[ToolSpecification])
CHOICES = msgspec.json.Decoder(str | NamedTool)
TEXTS = msgspec.json.Decoder(TextOptions)
REASONINGS = msgspec.json.Decoder(ReasoningOptions)


def read(decoder: "msgspec.json.Decoder[T]", raw: MaybeRaw, param: str) -> T | None:
    """The value of a field. None: it was not sent, or is null. Raises InvalidRequest, which names its place,
    such as `input[0].role`."""
    if not present(raw):
        return None
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as exc:
        found = invalid(exc)
        inside = found.param or ""
        path = param + (inside if inside.startswith("[") else f".{inside}" if inside else "")
        raise InvalidRequest(f"'{path}': {str(exc).partition(' - at ')[0]}.", param=path) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidRequest(f"'{param}': its JSON can't be read.", param=param) from exc


def read_items(raw: MaybeRaw) -> Sequence[InputItem]:
    """The items of an input. A text is one message of the user."""
    found = read(ITEMS, raw, "input")
    if isinstance(found, str):
        return [InputItem(role="user", content=found)] if found else []
    return found or []


def unsupported(param: str, why: str) -> UnsupportedParameter:
    """The refusal of what this deployment's model can't be asked."""
    return UnsupportedParameter(
        f"'{shortened(param)}' is not supported for this model: {why}.", param=shortened(param)
    )
