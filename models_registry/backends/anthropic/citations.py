"""Sources of an answer's text."""

import msgspec

from models_registry.backends.tolerance import UNREADABLE
from models_registry.turns.events import Cited


class _CitedSource(msgspec.Struct, frozen=True):
    url: str | None = None
    title: str | None = None


_SOURCES = msgspec.json.Decoder(_CitedSource)


def cited(source: msgspec.Raw) -> Cited:
    """A citation as the core has it."""
    try:
        found = _SOURCES.decode(source)
    except UNREADABLE:
        return Cited(source)
    return Cited(source, found.url or "", found.title or "")
