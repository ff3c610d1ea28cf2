"""The Litestar application: it mounts the catalogue's functions on their paths, once, at the start.

A path without parameters is mounted as a raw ASGI route: Litestar only finds it. A path with parameters goes
through a Litestar handler, since only a handler gets path parameters.
"""

import asyncio
import gzip
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, asgi, get, route
from litestar.exceptions import HTTPException
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.types import ASGIApp, ControllerRouterHandler

from functions.contract.roles import Access
from runtime.admin_ui.built import ASSETS_PATH, CODINGS, built_ui
from runtime.catalog import Entry
from runtime.invoke import Endpoint, Gateway
from runtime.reply import Reply
from runtime.signin.style import ICON_PATH, STYLE_PATH, icon, style
from runtime.web.codings import codings_taken
from runtime.web.docs_page import reference_reply
from runtime.web.door import RAW_SEND, AsgiScope, ClientWatch, Door, Receive
from runtime.web.edge import Edge, HttpOptions
from runtime.web.fast_path import App, FastPath
from runtime.web.sending import Send, send_whole
from schema.errors.base import GatewayError
from schema.errors.forms import envelope
from schema.errors.requests import BodyTooLarge, InvalidRequest, MethodNotAllowed
from schema.errors.rows import NotFound

PLAIN_PARAMETER = re.compile(r"\{(\w+)\}")
"""A path parameter without a type, such as `{key_id}`. Our parameters are texts, and Litestar wants the type:
`{key_id:str}`."""
VARIES = ((b"vary", b"accept-encoding"),)
CODED = ((b"content-encoding", b"gzip"), *VARIES)
FRAMEWORK_ERRORS: Mapping[int, type[GatewayError]] = MappingProxyType(
    {404: NotFound, 405: MethodNotAllowed, 413: BodyTooLarge}
)


MODEL_ACCESSES = (Access.MODEL, Access.MODELS_READ, Access.RESPONSES)


class BareLitestar(Litestar):
    """Litestar, with its plugin for msgspec alone. Its plugin for pydantic imports pydantic in each worker,
    where no function has a model of pydantic's: 0.2 s of CPU at a start, and 8 MB."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def mount(
    entries: Sequence[Entry],
    gateway: Gateway,
    *,
    fast_path: bool = True,
    options: HttpOptions = HttpOptions(),  # noqa: B008  (it is frozen)
) -> App:
    """The application: every function on its path and aliases, the OpenAPI document, and errors in our
    envelope. With `fast_path` false, Litestar serves every path."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for entry in entries:
        endpoint = Endpoint(entry, gateway)
        for path in (entry.manifest.path, *entry.manifest.aliases):
            by_path.setdefault(path, {})[entry.manifest.method] = endpoint
    watch = ClientWatch()
    doors = {path: _door(each, gateway, watch, options) for path, each in by_path.items()}
    handlers = [_handler(path, by_path[path], door) for path, door in doors.items()]
    litestar = BareLitestar(
        [*handlers, *_documents(entries, options.root_path, gateway.site.ui_title)],
        openapi_config=None,
        logging_config=None,
        exception_handlers={HTTPException: _framework_error},
    )

    async def behind(scope: AsgiScope, receive: Receive, send: Send) -> None:
        scope[RAW_SEND] = send
        await litestar(scope, receive, send)  # type: ignore[arg-type]  # ASGI's types are aliases of ours

    return Edge(
        FastPath(doors, behind) if fast_path else behind,
        options,
        [path for path, each in by_path.items() if _is_of_models(each)],
        max_body_bytes=gateway.max_body_bytes,
        site=gateway.site,
    )


def _is_of_models(endpoints: Mapping[str, Endpoint]) -> bool:
    return any(endpoint.manifest.access in MODEL_ACCESSES for endpoint in endpoints.values())


def _door(
    endpoints: Mapping[str, Endpoint], gateway: Gateway, watch: ClientWatch, options: HttpOptions
) -> Door:
    return Door(
        endpoints,
        gateway.max_body_bytes,
        room=gateway.body_room,
        decoder=gateway.decoder,
        watch=watch,
        keepalive_s=options.keepalive_s,
    )


def _handler(path: str, endpoints: Mapping[str, Endpoint], mounted: Door) -> ControllerRouterHandler:
    if "{" not in path:
        return asgi(path, copy_scope=False)(mounted.handle)

    async def with_parameters() -> ASGIApp:
        return mounted.handle  # type: ignore[return-value]  # ASGI's types are aliases of ours

    typed = PLAIN_PARAMETER.sub(r"{\1:str}", path)
    return route(typed, http_method=list(endpoints), status_code=200)(with_parameters)  # type: ignore[arg-type]


class ApiDocument:
    """The OpenAPI document. It is made when it is first asked for, and kept: a start need not wait for that
    tenth of a second. A thread makes it, since calls must not wait either."""

    def __init__(self, entries: Sequence[Entry], root_path: str) -> None:
        self._entries = entries
        self._root_path = root_path
        self._making: asyncio.Task[tuple[bytes, bytes]] | None = None

    async def encoded(self, accepted: str = "") -> tuple[bytes, bool]:
        """The document, and whether it is gzipped: half a megabyte is sixty kilobytes then. `accepted` is the
        header `Accept-Encoding`."""
        if self._making is None:
            self._making = asyncio.create_task(asyncio.to_thread(self._forms), name="document")
        plain, gzipped = await asyncio.shield(self._making)  # another client may wait for it too
        return (gzipped, True) if codings_taken(accepted, ("gzip",)) else (plain, False)

    def _forms(self) -> tuple[bytes, bytes]:
        plain = self._make()
        return plain, gzip.compress(plain, mtime=0)

    def _make(self) -> bytes:
        from runtime.web.openapi import openapi_document

        return msgspec.json.encode(openapi_document(self._entries, self._root_path))


def _accepted(request: Request[Any, Any, Any]) -> str:
    """The client's `Accept-Encoding`, which may stand on several lines."""
    return ", ".join(request.headers.getall("accept-encoding", []))


def _documents(entries: Sequence[Entry], root_path: str, title: str) -> list[ControllerRouterHandler]:
    """The handlers of the OpenAPI document, of the page that shows it, and of the files of pages."""
    document = ApiDocument(entries, root_path)

    @get(["/openapi.json"])
    async def openapi_json(request: Request[Any, Any, Any]) -> ASGIApp:
        body, gzipped = await document.encoded(_accepted(request))
        return _sends(body, b"application/json", CODED if gzipped else VARIES)

    @get([STYLE_PATH])
    async def pages_style() -> ASGIApp:
        return _sends(style().encode(), b"text/css; charset=utf-8")

    @get([ICON_PATH, "/favicon.ico"])
    async def pages_icon() -> ASGIApp:
        return _sends(icon().encode(), b"image/svg+xml")

    @get([f"{ASSETS_PATH}/{{name:str}}"])
    async def ui_asset(name: str, request: Request[Any, Any, Any]) -> ASGIApp:
        taken = codings_taken(_accepted(request), tuple(CODINGS))
        found = await asyncio.to_thread(built_ui().asset, name, taken)
        if found is None:
            raise HTTPException(status_code=404, detail="There is no such file of the admin UI.")
        return _replies(Reply(status=200, headers=list(found.headers), body=found.body))

    @get(["/", "/docs"])
    async def reference() -> ASGIApp:
        return _replies(await asyncio.to_thread(reference_reply, built_ui(), root_path, title=title))

    return [openapi_json, pages_style, pages_icon, ui_asset, reference]


def _sends(body: bytes, kind: bytes, more: Sequence[tuple[bytes, bytes]] = ()) -> ASGIApp:
    """An ASGI application that sends one body. The document and the page are large and open to everybody, so
    they are sent like every reply: in pieces, and cut off when the client stops reading."""
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *more]
    return _replies(Reply(status=200, headers=headers, body=body))


def _replies(reply: Reply) -> ASGIApp:
    async def send_page(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await send_whole(scope.get(RAW_SEND, send), reply)

    return send_page  # type: ignore[return-value]  # ASGI's types are aliases of ours


def _framework_error(request: Request[Any, Any, Any], exc: HTTPException) -> Response[bytes]:
    """The answer to a request that Litestar itself refuses, in the same envelope as every other error."""
    kind = FRAMEWORK_ERRORS.get(exc.status_code, InvalidRequest if exc.status_code < 500 else GatewayError)
    error = kind(f"{request.method} {request.url.path[:200]}: {exc.detail}")
    headers = {name: value for name, value in (exc.headers or {}).items() if name.lower() == "allow"}
    return Response(
        msgspec.json.encode(envelope(error)),
        status_code=error.http_status,
        media_type=MediaType.JSON,
        headers=headers,
    )
