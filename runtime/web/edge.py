"""The layer in front of the fast path and of Litestar: what HTTP asks of every path alike.

It takes `SERVER_ROOT_PATH` off a path, answers the preflights of browsers, adds the headers of CORS, answers
HEAD as GET without a body, and decompresses request bodies. Most requests ask for none of this, and pass.
"""

import re
from collections.abc import Awaitable, Collection

import msgspec

from runtime.intake.coded_body import CodedBody, coding_of
from runtime.reply import Reply, error_reply
from runtime.signin.site import Site
from runtime.web.door import HEAD, SLASH, AsgiScope, Receive
from runtime.web.fast_path import WHOLE, App
from runtime.web.sending import Send, send_whole
from schema.errors.callers import NotAllowed
from schema.errors.forms import envelope

UNUSUAL = frozenset((b"origin", b"content-encoding"))
USUAL_METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE"))
ANY_ORIGIN = "*"
ALLOWED_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
PREFLIGHT_KEPT_S = b"7200"
"""How long a browser may remember a preflight's answer. Chromium keeps it for two hours at most."""
HEADER_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")
"""What `Access-Control-Request-Headers` holds: names of headers and commas."""


class HttpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings say about HTTP."""

    root_path: str = ""
    """The path under which a proxy shows the gateway, such as `/llm`. It has no slash at its end."""
    cors_origins: tuple[str, ...] | None = None
    keepalive_s: float = 0.0
    """How long a streamed call may be silent before its client is sent a comment. 0: for ever."""
    """The origins whose pages may call every route. None: every origin may call the routes of models, and
    none the others."""


class Edge:
    """One a worker. `model_paths` are the paths of models as the catalogue writes them."""

    def __init__(
        self,
        app: App,
        options: HttpOptions,
        model_paths: Collection[str],
        *,
        max_body_bytes: int,
        site: Site = Site(),  # noqa: B008  (it is frozen)
    ) -> None:
        self._app = app
        self._root = options.root_path
        self._origins = options.cors_origins
        self._model_paths = frozenset(path for path in model_paths if "{" not in path)
        self._model_prefixes = tuple(
            path.partition("{")[0] for path in model_paths if path.endswith(f"{WHOLE}}}")
        )
        self._in_middle = [
            (before, after)
            for path in model_paths
            for before, brace, rest in [path.partition("{")]
            for after in [rest.partition("}")[2]]
            if brace and after and "{" not in after
        ]
        self._beginnings = tuple({before for before, _ in self._in_middle})
        self._max_body_bytes = max_body_bytes
        self._site = site

    def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> Awaitable[None]:
        if self._root:
            self._take_root_off(scope)
        if scope["path"].startswith(self._beginnings):
            self._keep_slashes(scope)
        if scope["method"] in USUAL_METHODS:
            for name, _ in scope["headers"]:
                if name in UNUSUAL:
                    break
            else:
                return self._app(scope, receive, send)
        return self._unusual(scope, receive, send)

    async def _unusual(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        origin, coding = _value(scope, b"origin"), _value(scope, b"content-encoding")
        if origin is not None:
            shared = self._shares(scope["path"], origin)
            if scope["method"] == "OPTIONS" and _value(scope, b"access-control-request-method") is not None:
                await send_whole(send, self._preflight(scope, origin, is_shared=shared))
                return
            if not self._site.is_own(_texts(scope)):
                # a page of another origin never acts with a cookie of its reader
                scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"cookie"]
            if shared:
                send = _adding(send, [*self._shared_with(origin), (b"access-control-expose-headers", b"*")])
        if scope["method"] == "HEAD":
            scope["method"], scope[HEAD] = "GET", True
            send = _without_body(send)
        if coding is not None:
            scope["headers"] = [
                pair for pair in scope["headers"] if pair[0] not in (b"content-encoding", b"content-length")
            ]
            named = coding_of(coding.decode("latin-1"))
            if named:
                receive = CodedBody(receive, named, self._max_body_bytes).receive
        await self._app(scope, receive, send)

    def _take_root_off(self, scope: AsgiScope) -> None:
        path, root = scope["path"], self._root
        if path == root or path.startswith(f"{root}/"):
            scope["path"] = path[len(root) :] or "/"
            raw = scope.get("raw_path")
            if raw and raw.startswith(root.encode()):
                scope["raw_path"] = raw[len(root) :] or b"/"

    def _keep_slashes(self, scope: AsgiScope) -> None:
        """Keep the slashes of a model's name inside a path (`/engines/openai/gpt-4/embeddings`) apart from
        the path's own. The door undoes it."""
        path = scope["path"]
        for before, after in self._in_middle:
            if path.startswith(before) and path.endswith(after) and len(path) > len(before) + len(after):
                name = path[len(before) : -len(after)].replace("/", SLASH)
                scope["path"] = f"{before}{name}{after}"
                return

    def _shares(self, path: str, origin: bytes) -> bool:
        """Whether pages of this origin may call this path."""
        if self._origins is None:
            return path in self._model_paths or path.startswith((*self._model_prefixes, *self._beginnings))
        return ANY_ORIGIN in self._origins or origin.decode("latin-1") in self._origins

    def _shared_with(self, origin: bytes) -> list[tuple[bytes, bytes]]:
        if self._origins is None or ANY_ORIGIN in self._origins:
            return [(b"access-control-allow-origin", b"*")]
        return [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]

    def _preflight(self, scope: AsgiScope, origin: bytes, *, is_shared: bool) -> Reply:
        if not is_shared:
            error = NotAllowed(
                f"Pages of {origin.decode('latin-1')[:200]} may not call {scope['path'][:200]}. "
                "general_settings.cors_origins names the origins that may."
            )
            return error_reply(403, envelope(error), {"vary": "Origin"})
        headers = [*self._shared_with(origin), (b"access-control-allow-methods", ALLOWED_METHODS)]
        asked = _value(scope, b"access-control-request-headers")
        if asked is not None and HEADER_NAMES.fullmatch(asked):
            headers.append((b"access-control-allow-headers", asked))
        if _value(scope, b"access-control-request-private-network") == b"true":
            headers.append((b"access-control-allow-private-network", b"true"))
        headers.append((b"access-control-max-age", PREFLIGHT_KEPT_S))
        return Reply(status=204, headers=headers, body=b"")


def _texts(scope: AsgiScope) -> dict[str, str]:
    """The headers by which a page's origin is judged. One that comes twice is nobody's."""
    names = (b"origin", b"host", b"sec-fetch-site")
    return {
        name.decode(): value.decode("latin-1") for name in names if (value := _value(scope, name)) is not None
    }


def _value(scope: AsgiScope, name: bytes) -> bytes | None:
    found = [value for each, value in scope["headers"] if each == name]
    return b",".join(found) if found else None


def _adding(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    """A `send` that adds these headers to the answer."""

    async def send_with(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *headers]}  # type: ignore[misc]  # ASGI's list
        await send(message)

    return send_with


def _without_body(send: Send) -> Send:
    """A `send` that leaves out the body, and keeps the head as it is."""

    async def send_head(message: dict[str, object]) -> None:
        if message["type"] == "http.response.body":
            if message.get("more_body"):
                return
            message = {**message, "body": b""}
        await send(message)

    return send_head
