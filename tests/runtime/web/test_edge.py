"""The layer in front of everything: root path, CORS, HEAD, coded bodies. The whole application behind it."""

import asyncio
import functools
import gzip
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from functions.contract.function import Download, function
from functions.contract.roles import Access
from functions.ports.context import CatalogueContext
from runtime.admin_ui.built import CODINGS, BuiltUi
from runtime.catalog import Entry, entries
from runtime.web.edge import HttpOptions
from runtime.web.mount import mount
from schema.models import ModelsQuery
from tests.runtime.identity.test_authenticator import KEY
from tests.runtime.in_process import ASK, MASTER, MAX_BODY, ROOM, House

PAGE = "https://chat.example"
OTHER = "https://evil.example"
BEARER = f"Bearer {KEY}"
CHAT = "/v1/chat/completions"
MODEL_ROUTES = (
    ("POST", CHAT),
    ("POST", "/chat/completions"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/models"),
    ("GET", "/models"),
    ("GET", "/v1/models/openai/gpt"),
)
OTHER_ROUTES = (
    ("POST", "/key/generate"),
    ("GET", "/spend/logs"),
    ("GET", "/health/readiness"),
    ("GET", "/docs"),
    ("GET", "/v1/nothing"),
    ("GET", "/metrics"),
)
PACKERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstandard.compress}


class Answer:
    """What an application sent."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        start, *rest = messages
        self.status: int = start["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        self.body = b"".join(message.get("body", b"") for message in rest)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found


class Site:
    """An application in this process, under some settings. `fast_path` false: Litestar serves every path."""

    def __init__(self, *, fast_path: bool = True, house: House | None = None, **options: Any) -> None:
        self.house = house or House()
        self.app = mount(entries(), self.house.gateway, fast_path=fast_path, options=HttpOptions(**options))

    def call(
        self, method: str, path: str, body: bytes | list[bytes] = b"", /, **headers: str | None
    ) -> Answer:
        pieces = body if isinstance(body, list) else [body]
        named = {"authorization": BEARER, **headers}
        return asyncio.run(
            self.acall(method, path, pieces, {k: v for k, v in named.items() if v is not None})
        )

    async def acall(self, method: str, path: str, pieces: list[bytes], headers: dict[str, str]) -> Answer:
        incoming = [
            {"type": "http.request", "body": piece, "more_body": number + 1 < len(pieces)}
            for number, piece in enumerate(pieces)
        ]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        pairs = [(b"host", b"gateway.test"), (b"content-length", b"%d" % sum(map(len, pieces)))]
        pairs += [
            (name.replace("_", "-").encode(), line.encode())
            for name, value in headers.items()
            for line in value.split("\n")
        ]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": pairs,
            "client": ("192.0.2.1", 1234),
            "server": ("gateway.test", 80),
            "state": {},
            "extensions": {},
        }
        await self.app(scope, receive, send)
        return Answer(sent)

    def preflight(self, path: str, method: str = "POST", origin: str = PAGE, **more: str) -> Answer:
        """As Chromium asks: without a key."""
        return self.call(
            "OPTIONS",
            path,
            authorization=None,
            origin=origin,
            access_control_request_method=method,
            access_control_request_headers="authorization,content-type,x-stainless-lang",
            sec_fetch_mode="cors",
            **more,
        )


@functools.cache
def shared(*, fast_path: bool = True, **options: Any) -> Site:
    """A site that several tests use: mounting the whole catalogue takes a while."""
    return Site(fast_path=fast_path, **options)


# CORS


@pytest.mark.parametrize(("method", "path"), MODEL_ROUTES)
@pytest.mark.parametrize("fast_path", [True, False])
def test_pages_of_any_origin_may_call_models(method: str, path: str, fast_path: bool) -> None:
    answer = shared(fast_path=fast_path).preflight(path, method)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert method in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type,x-stainless-lang"
    assert int(answer.headers["access-control-max-age"]) > 0


@pytest.mark.parametrize(("method", "path"), OTHER_ROUTES)
def test_other_routes_are_not_shared_unless_the_config_says_so(method: str, path: str) -> None:
    answer = shared().preflight(path, method)
    assert answer.status == 403
    assert "cors_origins" in answer.error["message"]
    plain = shared().call(method, path, origin=PAGE)
    for each in (answer, plain):
        assert not [name for name in each.headers if name.startswith("access-control-")]
    told = shared(cors_origins=(PAGE,)).preflight(path, method)
    assert (told.status, told.headers["access-control-allow-origin"]) == (204, PAGE)
    assert shared(cors_origins=(PAGE,)).call(method, path, origin=PAGE).headers[
        "access-control-allow-origin"
    ] == (PAGE)


@pytest.mark.parametrize(
    "fields",
    [{}, {"model": "no-such-model"}, {"messages": 7}],
    ids=["answered", "404", "400"],
)
def test_answers_and_errors_can_be_read_by_the_page(fields: dict[str, Any]) -> None:
    answer = shared().call("POST", CHAT, json.dumps({**ASK, **fields}).encode(), origin=PAGE)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "*"
    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"authorization": None}, 401),
        ("POST", {"authorization": "Bearer sk-unknown-unknown"}, 401),
        ("PUT", {}, 405),
        ("POST", {"content_encoding": "br"}, 415),
    ],
)
def test_refusals_can_be_read_by_the_page_too(
    method: str, headers: dict[str, str | None], status: int
) -> None:
    answer = shared().call(method, CHAT, b"{}", origin=PAGE, **headers)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "*")


def test_a_stream_can_be_read_by_the_page() -> None:
    answer = shared().call("POST", CHAT, json.dumps({**ASK, "stream": True}).encode(), origin=PAGE)
    assert answer.headers["access-control-allow-origin"] == "*"


def test_without_an_origin_nothing_is_said_of_it() -> None:
    answer = shared().call("POST", CHAT, json.dumps(ASK).encode())
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "origin", [OTHER, "null", "https://chat.example.evil.example", "http://chat.example"]
)
def test_a_list_of_origins_narrows_the_routes_of_models(origin: str) -> None:
    site = shared(cors_origins=(PAGE,))
    assert site.preflight(CHAT, origin=origin).status == 403
    answer = site.call("GET", "/v1/models", origin=origin)
    assert answer.status == 200, "who is no browser does not care"
    assert "access-control-allow-origin" not in answer.headers
    mine = site.call("GET", "/v1/models", origin=PAGE)
    assert (mine.headers["access-control-allow-origin"], mine.headers["vary"]) == (PAGE, "Origin")


def test_an_empty_list_shares_nothing_and_a_star_everything() -> None:
    assert shared(cors_origins=()).preflight(CHAT).status == 403
    assert (
        shared(cors_origins=("*",)).preflight("/key/generate").headers["access-control-allow-origin"] == "*"
    )


def test_a_page_may_reach_a_gateway_in_the_readers_network() -> None:
    answer = shared().preflight(CHAT, access_control_request_private_network="true")
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert "access-control-allow-private-network" not in shared().preflight(CHAT).headers


@pytest.mark.parametrize("asked", ["x\r\ny: z", "a" * 5000, "x-ok, (bad)"])
def test_header_names_that_are_none_are_not_repeated(asked: str) -> None:
    answer = shared().call(
        "OPTIONS",
        CHAT,
        origin=PAGE,
        access_control_request_method="POST",
        access_control_request_headers=asked,
    )
    assert answer.status == 204
    assert "access-control-allow-headers" not in answer.headers


def test_options_without_an_origin_is_no_preflight() -> None:
    answer = shared().call("OPTIONS", CHAT)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("origin", [None, PAGE])
@pytest.mark.parametrize(
    ("method", "path"), [*MODEL_ROUTES, ("GET", "/spend/logs"), ("POST", "/key/generate")]
)
def test_a_cookie_is_no_credential_and_credentials_are_never_allowed(
    method: str, path: str, origin: str | None
) -> None:
    for site in (shared(), shared(cors_origins=(PAGE,)), shared(cors_origins=("*",))):
        answer = site.call(
            method,
            path,
            b"{}",
            authorization=None,
            cookie=f"token={KEY}; authorization={BEARER}",
            origin=origin,
        )
        assert answer.status == 401
        assert "access-control-allow-credentials" not in answer.headers
        assert "set-cookie" not in answer.headers
        assert "access-control-allow-credentials" not in site.preflight(path, method).headers


# HEAD


@pytest.mark.parametrize("fast_path", [True, False])
@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/gpt", "/health/liveliness", "/openapi.json", "/docs"]
)
def test_head_is_get_without_a_body(path: str, fast_path: bool) -> None:
    got, head = shared(fast_path=fast_path).call("GET", path), shared(fast_path=fast_path).call("HEAD", path)
    assert (head.status, head.body) == (got.status, b"") == (200, b"")
    for headers in (got.headers, head.headers):
        headers.pop("x-litellm-call-id", None)
    assert head.headers == got.headers
    assert int(head.headers["content-length"]) == len(got.body)


def test_the_document_is_gzipped_for_who_takes_it() -> None:
    plain = shared().call("GET", "/openapi.json")
    short = shared().call("GET", "/openapi.json", accept_encoding="gzip, br")
    assert "content-encoding" not in plain.headers
    assert short.headers["content-encoding"] == "gzip"
    assert gzip.decompress(short.body) == plain.body
    assert int(short.headers["content-length"]) == len(short.body)
    assert plain.headers["vary"] == short.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize("path", ["/openapi.json", "/ui/assets/index-abc.js"])
@pytest.mark.parametrize("refused", ["gzip;Q=0", "gzip;q=0, br;Q=0.0", "*;q=0", "*\nbr;q=0, gzip;q=0"])
def test_who_refuses_a_coding_gets_the_plain_form(
    path: str, refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = tmp_path / "dist" / "assets"
    assets.mkdir(parents=True)
    for ending in ("", *CODINGS.values()):
        (assets / f"index-abc.js{ending}").write_bytes(b"the form " + ending.encode())
    built = BuiltUi(tmp_path)
    monkeypatch.setattr("runtime.web.mount.built_ui", lambda: built)
    assert "content-encoding" not in shared().call("GET", path, accept_encoding=refused).headers
    assert shared().call("GET", path, accept_encoding="gzip").headers["content-encoding"] == "gzip"


def test_head_needs_the_key_that_get_needs_and_tells_the_same_status() -> None:
    assert shared().call("HEAD", "/v1/models", authorization=None).status == 401
    assert shared().call("HEAD", "/v1/nothing").status == 404
    assert shared().call("HEAD", "/v1/models/none").status == 404


def test_head_of_what_only_posts_is_405_and_get_names_head_too() -> None:
    head = shared().call("HEAD", CHAT)
    assert (head.status, head.body, head.headers["allow"]) == (405, b"", "POST")
    assert shared().call("POST", "/v1/models").headers["allow"] == "GET, HEAD"


def test_head_of_a_file_makes_no_file() -> None:
    made: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        made.append(1)
        yield b"row"

    @function("GET", "/file", access=Access.MODELS_READ)
    async def file(request: ModelsQuery, ctx: CatalogueContext) -> Download:
        """A file."""
        return Download(media_type="text/csv", filename="rows.csv", pieces=pieces)

    house = House()
    entry = Entry(function=file, manifest=file.manifest)  # type: ignore[attr-defined]  # set by the decorator
    site = Site(house=house)
    site.app = mount([entry], house.gateway)
    head = site.call("HEAD", "/file", authorization=f"Bearer {MASTER}")
    assert (head.status, head.body, made) == (200, b"", [])
    assert head.headers["content-disposition"]
    assert site.call("GET", "/file", authorization=f"Bearer {MASTER}").body == b"row"


# Coded bodies


@pytest.mark.parametrize("fast_path", [True, False])
@pytest.mark.parametrize("coding", PACKERS)
def test_a_compressed_call_is_answered_and_forwarded_plain(coding: str, fast_path: bool) -> None:
    site = Site(fast_path=fast_path)
    packed = PACKERS[coding](json.dumps(ASK).encode())
    answer = site.call("POST", CHAT, [packed[:9], packed[9:]], content_encoding=coding.upper())
    assert answer.status == 200, answer.body
    (request,) = site.house.upstream.requests
    assert json.loads(request.body)["messages"] == ASK["messages"]
    assert "content-encoding" not in request.headers
    assert len(site.house.sink.rows) == 1
    assert site.house.room.held_bytes == 0


def test_management_bodies_may_be_compressed_too() -> None:
    body = gzip.compress(b'{"key_alias": 7}')
    answer = shared().call(
        "POST", "/key/generate", body, authorization=f"Bearer {MASTER}", content_encoding="gzip"
    )
    assert (answer.status, answer.error["param"]) == (400, "key_alias")


@pytest.mark.parametrize("coding", PACKERS)
def test_the_limit_is_on_what_comes_out(coding: str) -> None:
    big = json.dumps({**ASK, "user": "u" * (MAX_BODY + 1)}).encode()
    packed = PACKERS[coding](big)
    assert len(packed) < MAX_BODY < len(big)
    site = Site()
    answer = site.call("POST", CHAT, packed, content_encoding=coding)
    assert answer.status == 413
    assert site.house.room.held_bytes == 0
    (row,) = site.house.sink.rows
    assert row.http_status == 413


@pytest.mark.parametrize("coding", PACKERS)
def test_a_bomb_is_413_and_a_body_beside_it_goes_on(coding: str) -> None:
    site = Site()
    packed = PACKERS[coding](bytes(8 * ROOM))
    assert site.call("POST", CHAT, packed, content_encoding=coding).status in (413, 503)
    assert site.house.room.held_bytes == 0
    assert site.call("POST", CHAT, json.dumps(ASK).encode()).status == 200


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, zstd", "x-secret"])
def test_another_coding_is_415_with_the_two_that_are_known_and_a_row(coding: str) -> None:
    site = Site()
    answer = site.call("POST", CHAT, json.dumps(ASK).encode(), content_encoding=coding)
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "gzip, zstd")
    assert set(answer.error) >= {"message", "type", "param", "code", "reason"}
    assert [row.http_status for row in site.house.sink.rows] == [415]


def test_identity_is_no_coding() -> None:
    assert shared().call("POST", CHAT, json.dumps(ASK).encode(), content_encoding="identity").status == 200


def test_garbage_is_400_by_name_with_a_row() -> None:
    site = Site()
    answer = site.call("POST", CHAT, json.dumps(ASK).encode(), content_encoding="gzip")
    assert (answer.status, "gzip" in answer.error["message"]) == (400, True)
    assert [row.http_status for row in site.house.sink.rows] == [400]


def test_a_compressed_body_without_a_key_is_401() -> None:
    packed = gzip.compress(json.dumps(ASK).encode())
    assert shared().call("POST", CHAT, packed, authorization=None, content_encoding="gzip").status == 401


# The root path


@pytest.mark.parametrize("fast_path", [True, False])
@pytest.mark.parametrize("prefix", ["/llm", ""])
@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/openai/*", "/docs", "/openapi.json", "/health/liveliness"]
)
def test_paths_are_served_under_the_root_path_and_without_it(path: str, prefix: str, fast_path: bool) -> None:
    assert shared(fast_path=fast_path, root_path="/llm").call("GET", prefix + path).status == 200


def test_the_root_path_itself_is_the_reference_page_whose_link_has_it() -> None:
    page = shared(root_path="/llm").call("GET", "/llm")
    assert page.status == 200
    built, missing = b'<base href="/llm/ui/">', b'href="/llm/openapi.json"'
    assert built in page.body or missing in page.body
    document = json.loads(shared(root_path="/llm").call("GET", "/llm/openapi.json").body)
    assert document["servers"] == [{"url": "/llm"}]
    assert "servers" not in json.loads(shared().call("GET", "/openapi.json").body)


@pytest.mark.parametrize(
    "path", ["/llmx/v1/models", "/llm/llm/v1/models", "/LLM/v1/models", "/x/llm/v1/models"]
)
def test_another_prefix_is_not_taken_off(path: str) -> None:
    assert shared(root_path="/llm").call("GET", path).status == 404


def test_a_page_may_call_models_under_the_root_path() -> None:
    site = shared(root_path="/llm/deep")
    assert site.preflight(f"/llm/deep{CHAT}").status == 204
    assert site.preflight("/llm/deep/key/generate").status == 403
    assert site.call("HEAD", "/llm/deep/v1/models").status == 200


def test_the_options_are_kept() -> None:
    assert msgspec.structs.asdict(HttpOptions()) == {
        "root_path": "",
        "cors_origins": None,
        "keepalive_s": 0.0,
    }
