"""Everything that is mounted, in one table. A function that is not here does not exist."""

from collections.abc import Awaitable, Callable, Collection

import msgspec

from functions import chat, embeddings, health, keys, models, spend
from functions.function import Manifest, manifest_of

Function = Callable[..., Awaitable[object]]

CATALOG: tuple[Function, ...] = (
    chat.chat,
    embeddings.embeddings,
    models.models,
    models.retrieve,
    keys.generate,
    keys.info,
    keys.list_keys,
    keys.delete,
    spend.logs,
    health.liveliness,
    health.readiness,
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    function: Function
    manifest: Manifest


class UnknownFunction(ValueError):
    """A name that the catalogue does not have."""


def entries(families: Collection[str] | None = None) -> tuple[Entry, ...]:
    """The catalogue, or its families named (health always comes along: probes need it). Raises
    UnknownFunction."""
    everything = tuple(Entry(function=fn, manifest=manifest_of(fn)) for fn in CATALOG)
    if families is None:
        return everything
    known = {entry.manifest.family for entry in everything}
    unknown = [name for name in families if name not in known]
    if unknown:
        raise UnknownFunction(f"no functions {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    wanted = {*families, "health"}
    return tuple(entry for entry in everything if entry.manifest.family in wanted)


def entry_named(name: str) -> Entry:
    """The function of that name; a family's name stands for its first. Raises UnknownFunction."""
    wanted = name.replace("-", "_")
    everything = entries()
    for entry in everything:
        if entry.manifest.name == wanted:
            return entry
    for entry in everything:
        if entry.manifest.family == wanted:
            return entry
    names = ", ".join(entry.manifest.name for entry in everything)
    raise UnknownFunction(f"no function {name!r}; there are {names}")
