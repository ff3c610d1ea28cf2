"""The function contract: `@function` attaches a manifest to a plain async function.

The decorator wraps nothing and registers nothing: tests and `runtime/invoke.py` call the decorated function
itself, as `await chat(request, ctx)`. `runtime/catalog.py` lists the functions that are mounted.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar, get_type_hints

import msgspec

from functions.contract.roles import ROUTE_GROUPS, Access
from models_registry.turns.sse import PING, failure_frame
from schema.errors.base import GatewayError
from schema.errors.forms import ErrorForm, openai_form

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
F = TypeVar("F", bound=Callable[..., Awaitable[object]])


class EventStream(Protocol):
    """A reply sent piece by piece as `text/event-stream`.

    Whatever can fail with a status happens before a function returns its stream. `close` is always called,
    also when the client left before the first piece. Only the first call of `close` counts.
    """

    def events(self) -> AsyncIterator[bytes]:
        """Whole SSE events. Where a GatewayError is raised here, the client is sent what `failed` gives, and
        nothing after it."""
        ...

    def failed(self, error: GatewayError) -> bytes:
        """The events that tell the client that the stream broke off."""
        ...

    def close(self, error: GatewayError | None = None) -> None:
        """`error` says why the stream ended too early. None: the stream was over, or the client left."""
        ...


class StreamForm(msgspec.Struct, frozen=True, kw_only=True):
    """How a surface writes what is no part of an answer into a stream."""

    ping: bytes
    """What keeps a connection alive."""
    failed: Callable[[GatewayError, str | None], bytes]
    """The last events of a stream that failed before it began. The second argument is the call's id."""
    passes_comments: bool = True
    """Whether a provider's comments go on to the client as they are."""


def _openai_failure(error: GatewayError, _request_id: str | None) -> bytes:
    return failure_frame(error)


OPENAI_STREAM = StreamForm(ping=PING, failed=_openai_failure)


class TextReply(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that is a text, such as `text/plain`."""

    media_type: str
    content: str


class RawReply(msgspec.Struct, frozen=True, kw_only=True):
    """A reply whose bytes, status and headers the function decides itself."""

    status: int = 200
    media_type: str
    content: bytes = b""
    headers: dict[str, str] = {}


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A file of any length, made piece by piece. An error in the middle cuts the file off."""

    media_type: str
    filename: str
    pieces: Callable[[], AsyncIterator[bytes]]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the runtime must know about a function to mount, call and document it."""

    name: str
    family: str
    """The function's module, such as `keys`. The option `--functions` takes these names."""
    method: Method
    path: str
    """`{name}` is a path parameter, `{name:path}` one that may hold slashes."""
    aliases: tuple[str, ...]
    access: Access
    call_type: str
    """LiteLLM's word for the call in spend rows, such as `acompletion`. Empty: the function calls no
    model."""
    request: type[msgspec.Struct]
    reply: Any  # the return annotation, a union where the function streams
    context: type[msgspec.Struct]
    summary: str
    echoes: bool = False
    """Whether the answer has the fields of the body too that are none of its own, as they were sent."""
    error_form: ErrorForm = openai_form
    """How every error on the function's paths is written, the door's own included."""
    stream_form: StreamForm = OPENAI_STREAM
    pages: bool = False
    """Whether browsers come here: an error is a page for who wants one, and a body may be a form."""


def function(  # noqa: PLR0913  (it is the declaration of an endpoint)
    method: Method,
    path: str,
    *,
    access: Access,
    aliases: tuple[str, ...] = (),
    call_type: str = "",
    echoes: bool = False,
    error_form: ErrorForm = openai_form,
    stream_form: StreamForm = OPENAI_STREAM,
    pages: bool = False,
) -> Callable[[F], F]:
    """Declare an endpoint. The function takes exactly `(request, ctx)`, and annotates both and its reply. Its
    name is `module.function`, such as `keys.info`, or the module's where both are the same."""

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
            echoes=echoes,
            error_form=error_form,
            stream_form=stream_form,
            pages=pages,
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
    """Whether a function is among a key's routes: paths, paths that end in `*`, and groups of paths."""
    for route in routes:
        if manifest.access in ROUTE_GROUPS.get(route, frozenset()):
            return True
        for path in (manifest.path, *manifest.aliases):
            if path == route or (route.endswith("*") and path.startswith(route[:-1])):
                return True
    return False
