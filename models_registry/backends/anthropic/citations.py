"""Sources of an answer's text."""

import msgspec

from models_registry.turns.events import Cited
from schema.wire import MaybeRaw, present

_LISTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


class _CitedSource(msgspec.Struct, frozen=True):
    url: str | None = None
    title: str | None = None


_SOURCES = msgspec.json.Decoder(_CitedSource)


def citations_in(raw: MaybeRaw) -> list[msgspec.Raw]:
    """The citations of a block. Empty: there are none that can be read."""
    if not present(raw):
        return []
    try:
        return [msgspec.Raw(msgspec.json.encode(each)) for each in _LISTS.decode(raw)]
    except msgspec.DecodeError:
        return []


def cited(source: msgspec.Raw) -> Cited:
    """A citation as the core has it."""
    try:
        found = _SOURCES.decode(source)
    except msgspec.DecodeError:
        return Cited(source)
    return Cited(source, found.url or "", found.title or "")
