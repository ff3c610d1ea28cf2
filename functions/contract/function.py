"""The function contract: `@function` attaches a manifest to a plain async function.

Nothing is wrapped and nothing is registered: the decorated function is the function, called as
`await chat(request, ctx)` by tests and by `runtime/invoke.py` alike. `runtime/catalog.py` lists
what is mounted.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar, get_type_hints

import msgspec

from functions.contract.roles import ROUTE_GROUPS, Access
from schema.errors import GatewayError

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
F = TypeVar("F", bound=Callable[..., Awaitable[object]])


class EventStream(Protocol):
    """A reply sent piece by piece as `text/event-stream`.

    Everything that can fail with a status happened before a function returned it. `close` is
    called whatever happened, also when the client left before the first piece; the first time counts.
    """

    def events(self) -> AsyncIterator[bytes]:
        """Whole SSE events. A GatewayError raised here is sent as an `error` event, with no
        `[DONE]` after it."""
        ...

    def close(self, error: GatewayError | None = None) -> None:
        """`error` is why it ended before its time; None where it was over, or the client left."""
        ...


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that is a text of some kind, such as `text/plain`."""

    media_type: str
    content: str


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that is made piece by piece, of whatever length. An error in the middle cuts it off."""

    media_type: str
    filename: str
    pieces: Callable[[], AsyncIterator[bytes]]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the runtime needs to know of a function to mount, invoke and document it."""

    name: str
    family: str
    """The module: `--functions` mounts by it."""
    method: Method
    path: str
    """`{name}` is a path parameter, `{name:path}` one that may hold slashes."""
    aliases: tuple[str, ...]
    access: Access
    call_type: str
    """What spend rows call it, in LiteLLM's words; empty for what calls no model."""
    request: type[msgspec.Struct]
    reply: Any  # the return annotation, a union where the function streams
    context: type[msgspec.Struct]
    summary: str


def function(
    method: Method,
    path: str,
    *,
    access: Access,
    aliases: tuple[str, ...] = (),
    call_type: str = "",
) -> Callable[[F], F]:
    """Declare an endpoint. The function takes exactly `(request, ctx)`, both annotated, and
    says what it returns; a name is `module.function`, or `module` where both are the same."""

    def attach(fn: F) -> F:
        hints = get_type_hints(fn)
        parameters = list(inspect.signature(fn).parameters)
        if parameters != ["request", "ctx"] or "return" not in hints:
            raise TypeError(f"{fn.__qualname__} must be `async def (request: ..., ctx: ...) -> ...`")
        family = fn.__module__.rpartition(".")[2]
        manifest = Manifest(
            name=family if fn.__name__ == family else f"{family}.{fn.__name__}",
            family=family,
            method=method,
            path=path,
            aliases=aliases,
            access=access,
            call_type=call_type,
            request=hints["request"],
            reply=hints["return"],
            context=hints["ctx"],
            summary=(inspect.getdoc(fn) or "").partition("\n\n")[0].replace("\n", " "),
        )
        setattr(fn, "manifest", manifest)  # noqa: B010  (functions have no typed attributes)
        return fn

    return attach


def manifest_of(fn: Callable[..., Awaitable[object]]) -> Manifest:
    """The manifest of a decorated function. Raises TypeError for any other."""
    manifest = getattr(fn, "manifest", None)
    if not isinstance(manifest, Manifest):
        raise TypeError(f"{fn!r} is not decorated with @function")
    return manifest


def permits_route(routes: Sequence[str], manifest: Manifest) -> bool:
    """Is a function among a key's routes? They are paths, paths ending in `*`, or groups of paths."""
    for route in routes:
        if manifest.access in ROUTE_GROUPS.get(route, frozenset()):
            return True
        for path in (manifest.path, *manifest.aliases):
            if path == route or (route.endswith("*") and path.startswith(route[:-1])):
                return True
    return False
