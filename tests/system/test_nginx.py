"""Real nginx with the production's configuration before the real gateway: TLS, streams, limits, forgeries,
closed doors, the log."""

import json
import socket
import ssl
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import config_for
from tests.e2e.gateway import MASTER_KEY, Gateway, free_port, serving, until
from tests.e2e.seed import HELLO
from tests.fakes import answers
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.json_server import JsonServer, json_server
from tests.system.conftest import program
from tests.system.front import NAMES, Front, fronting
from tests.system.npm import install

SAID = "".join(answers.TEXT)
AUTH = {"authorization": f"Bearer {MASTER_KEY}"}
CHAT = "/v1/chat/completions"
MAX_BODY = 2 * 1024 * 1024
"""What `config_for` has as the gateway's limit."""
SDK = """
import OpenAI from "openai";
import dns from "node:dns";
const lookup = dns.lookup;
dns.lookup = (name, options, done) => lookup("127.0.0.1", options, done);
const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const messages = [{ role: "user", content: "Hello" }];
const plain = await client.chat.completions.create({ model: "hostile/happy", messages });
let streamed = "";
const stream = await client.chat.completions.create({ model: "hostile/happy", messages, stream: true });
for await (const chunk of stream)
  streamed += chunk.choices[0]?.delta?.content ?? "";
console.log(JSON.stringify([plain.choices[0].message.content, streamed]));
"""


@pytest.fixture(scope="module")
def pgadmin() -> Iterator[JsonServer]:
    """What stands where pgAdmin is; it keeps what it was asked."""
    with json_server(lambda asked: (200, b'{"pgAdmin": 4}')) as server:
        yield server


@pytest.fixture(scope="module")
def behind(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Gateway, int]]:
    """A gateway that believes nginx, and the port at which nginx will be."""
    program("nginx")
    name, port = f"nginx_{uuid.uuid4().hex}", free_port()
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    env = {
        "PROXY_BASE_URL": f"https://{NAMES[0]}:{port}",
        "SWITCHGEAR_TRUSTED_PROXIES": "127.0.0.1/32",
    }
    dsn = dsn_of(postgres_server, name)
    folder = tmp_path_factory.mktemp("behind")
    with serving(folder, config_for(upstream.url), dsn, env=env) as running:
        yield running, port
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def front(
    behind: tuple[Gateway, int], pgadmin: JsonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    gateway, port = behind
    values = {"SG_BODY_MAX": str(MAX_BODY)}
    with fronting(
        tmp_path_factory.mktemp("front"),
        gateway.url,
        pgadmin=pgadmin.url.removeprefix("http://"),
        port=port,
        values=values,
    ) as running:
        yield running


@pytest.fixture
def gateway(behind: tuple[Gateway, int]) -> Gateway:
    return behind[0]


def raw(front: Front, request: bytes, *, name: str = NAMES[0]) -> bytes:
    """The answer to bytes that no client library would send."""
    context = ssl.create_default_context(cafile=str(front.certificate))
    with (
        socket.create_connection(("127.0.0.1", front.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as sock,
    ):
        sock.sendall(request)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    return answer


def curl(front: Front, *words: str, name: str = NAMES[0]) -> str:
    command = [program("curl"), "-sS", "--max-time", "30", "--cacert", str(front.certificate)]
    command += ["--resolve", f"{name}:{front.port}:127.0.0.1", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sdk_of(front: Front, http: httpx.Client, name: str = NAMES[0]) -> openai.OpenAI:
    client: Any = http
    return openai.OpenAI(
        base_url=f"{front.url(name)}/v1", api_key=MASTER_KEY, http_client=client, max_retries=0
    )


# TLS and clients


@pytest.mark.parametrize("name", NAMES)
def test_the_python_sdk_calls_by_both_names(front: Front, name: str) -> None:
    with front.client(name) as http:
        sdk = sdk_of(front, http, name)
        answer = sdk.chat.completions.create(model="hostile/happy", messages=HELLO)
        assert answer.choices[0].message.content == SAID
        pieces = sdk.chat.completions.create(model="hostile/happy", messages=HELLO, stream=True)
        assert "".join(each.choices[0].delta.content or "" for each in pieces if each.choices) == SAID


def test_the_javascript_sdk_calls_over_tls(front: Front, tmp_path: Path) -> None:
    node = program("node")
    install("openai", tmp_path)
    script = tmp_path / "calls.mjs"
    script.write_text(SDK)
    done = subprocess.run(
        [node, str(script), f"{front.url()}/v1", MASTER_KEY],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "NODE_EXTRA_CA_CERTS": str(front.certificate)},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [SAID, SAID]


def test_curl_speaks_http_2_and_streams(front: Front) -> None:
    body = json.dumps({"model": "hostile/happy", "messages": HELLO, "stream": True})
    words = ["--http2", "-w", "\n%{http_version} %{http_code}", f"{front.url()}/v1/chat/completions"]
    words += ["-H", f"Authorization: Bearer {MASTER_KEY}", "-H", "Content-Type: application/json", "-d", body]
    answer = curl(front, *words)
    assert answer.endswith("\n2 200"), answer[-200:]
    assert "data: [DONE]" in answer


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(front: Front, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(front.certificate))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", front.port), timeout=10) as plain,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(plain, server_hostname=NAMES[0])


def test_another_name_is_shown_no_certificate(front: Front) -> None:
    with (
        socket.create_connection(("127.0.0.1", front.port), timeout=10) as plain,
        pytest.raises(ssl.SSLError, match="unrecognized name"),
    ):
        ssl.create_default_context().wrap_socket(plain, server_hostname="evil.example")


def test_plain_http_is_sent_on_and_answers_lets_encrypt(front: Front) -> None:
    challenges = front.acme / ".well-known" / "acme-challenge"
    challenges.mkdir(parents=True)
    (challenges / "token").write_text("proof")
    assert httpx.get(f"{front.plain}/.well-known/acme-challenge/token").text == "proof"
    known = httpx.post(f"{front.plain}/v1/models?x=1", headers={"host": NAMES[1]})
    assert (known.status_code, known.headers["location"]) == (308, f"{front.url(NAMES[1])}/v1/models?x=1")
    forged = httpx.get(f"{front.plain}/ui", headers={"host": "evil.example"})
    assert forged.headers["location"] == f"{front.url()}/ui"


# Streams and bodies


def test_the_first_token_arrives_before_the_last_is_produced(front: Front) -> None:
    body = {"model": "hostile/slow_stream", "messages": HELLO, "stream": True}
    arrived: list[float] = []
    with (
        front.client() as http,
        http.stream("POST", "/v1/chat/completions", json=body, headers=AUTH) as answer,
    ):
        for piece in answer.iter_raw():
            if b"data:" in piece:
                arrived.append(time.monotonic())
    assert len(arrived) > 3
    assert arrived[-1] - arrived[0] > 0.3, "the stream was kept back until it was whole"


def test_a_client_that_leaves_ends_the_call_behind_nginx(front: Front, upstream: HostileUpstream) -> None:
    before = len(upstream.requests)
    body = {"model": "hostile/endless_slow", "messages": HELLO, "stream": True}
    with (
        front.client() as http,
        http.stream("POST", "/v1/chat/completions", json=body, headers=AUTH) as answer,
    ):
        next(answer.iter_raw())
    (seen,) = upstream.requests[before:]
    assert seen.gone.wait(10), "the provider goes on producing for nobody"


def test_a_reload_drops_no_stream(front: Front) -> None:
    body = {"model": "hostile/slow_stream", "messages": HELLO, "stream": True}
    with (
        front.client() as http,
        http.stream("POST", "/v1/chat/completions", json=body, headers=AUTH) as answer,
    ):
        pieces = answer.iter_raw()
        first = next(pieces)
        front.nginx.reload()
        rest = b"".join(pieces)
    assert b"data: [DONE]" in rest, first + rest
    assert front.client().get("/health/liveliness").status_code == 200


@pytest.mark.parametrize(("extra", "by"), [(0, "the gateway"), (1, "nginx")])
def test_the_body_limit_is_the_gateways(front: Front, extra: int, by: str) -> None:
    """A body of exactly the limit reaches the gateway, which refuses it for what it says."""
    answer = front.client().post("/v1/chat/completions", content=b"x" * (MAX_BODY + extra), headers=AUTH)
    assert (answer.status_code, "x-litellm-call-id" in answer.headers) == (
        (400, True) if by == "the gateway" else (413, False)
    ), answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"]


def test_a_slow_head_does_not_hold_others_up(front: Front) -> None:
    context = ssl.create_default_context(cafile=str(front.certificate))
    with socket.create_connection(("127.0.0.1", front.port), timeout=10) as plain:
        sock = context.wrap_socket(plain, server_hostname=NAMES[0])
        sock.sendall(b"GET /v1/models HTTP/1.1\r\nHost: ")
        assert front.client().get("/health/liveliness").status_code == 200
        sock.sendall(f"{NAMES[0]}\r\nConnection: close\r\n\r\n".encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 401")


# Limits by address


def test_an_addresss_flood_is_429_in_openais_shape(gateway: Gateway, tmp_path: Path) -> None:
    values = {"SG_RATE_ADDRESS": "2r/s", "SG_BURST_ADDRESS": "5"}
    with fronting(tmp_path, gateway.url, values=values) as few, few.client() as http:
        answers = [http.get("/v1/models", headers=AUTH) for _ in range(10)]
        refused = [each for each in answers if each.status_code == 429]
        assert 2 <= len(refused) <= 5
        error = refused[0].json()["error"]
        assert (error["type"], error["code"]) == ("throttling_error", "rate_limit_exceeded")
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].headers["x-request-id"]
        assert "x-litellm-call-id" not in refused[0].headers
        sdk = sdk_of(few, http)
        with pytest.raises(openai.RateLimitError):
            all(sdk.models.list() for _ in range(10))
        until(lambda: http.get("/v1/models", headers=AUTH).is_success, 10, what="leave", pause_s=0.5)


def test_strangers_and_sign_ins_have_limits_of_their_own(gateway: Gateway, tmp_path: Path) -> None:
    values = {
        "SG_RATE_STRANGERS": "1r/s",
        "SG_BURST_STRANGERS": "3",
        "SG_RATE_SIGN_IN": "1r/s",
        "SG_BURST_SIGN_IN": "2",
    }
    with fronting(tmp_path, gateway.url, values=values) as few, few.client() as http:
        strangers = [http.get("/v1/models").status_code for _ in range(8)]
        assert strangers == [401] * 4 + [429] * 4
        assert {http.get("/v1/models", headers=AUTH).status_code for _ in range(20)} == {200}
        assert {http.get("/health/readiness").status_code for _ in range(20)} == {200}
        signing = [http.get("/login", headers=AUTH).status_code for _ in range(6)]
        assert signing == [200] * 3 + [429] * 3


# What a client can't forge


def test_the_address_of_a_call_is_the_clients_whatever_it_says(front: Front, gateway: Gateway) -> None:
    forged = {
        "x-forwarded-for": "203.0.113.9",
        "x-real-ip": "203.0.113.9",
        "forwarded": "for=203.0.113.9;host=evil.example;proto=http",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "http",
    }
    body = {"model": "hostile/happy", "messages": HELLO}
    call_id = f"forged-{uuid.uuid4().hex}"
    answer = front.client().post(
        "/v1/chat/completions", json=body, headers={**AUTH, **forged, "x-litellm-call-id": call_id}
    )
    assert answer.status_code == 200
    gateway.row(call_id)
    rows = gateway.get("/spend/logs").json()
    (address,) = [row["requester_ip_address"] for row in rows if row["litellm_call_id"] == call_id]
    assert address == "127.0.0.1"


def test_another_proxy_in_front_is_believed_where_it_is_named(gateway: Gateway, tmp_path: Path) -> None:
    with fronting(tmp_path, gateway.url, values={"SG_REAL_IP_FROM": "127.0.0.1/32"}) as front:
        answer = front.client().get(
            "/v1/models", headers={**AUTH, "x-forwarded-for": "198.51.100.1, 203.0.113.9"}
        )
        assert answer.status_code == 200
        until(lambda: bool(front.log()), what="the log")
        assert front.log()[-1]["address"] == "203.0.113.9"


@pytest.mark.parametrize(
    "head",
    [
        "GET /ui HTTP/1.1\r\nHost: evil.example\r\n",
        "GET https://evil.example/ui HTTP/1.1\r\nHost: {name}\r\n",
        "GET /ui HTTP/1.1\r\nHost: {other}\r\n",
    ],
)
def test_another_host_is_misdirected(front: Front, head: str) -> None:
    request = head.format(name=NAMES[0], other=NAMES[1])
    answer = raw(front, f"{request}Connection: close\r\n\r\n".encode())
    assert answer.split(b" ")[1] in (b"400", b"421"), answer[:300]
    assert b"evil.example" not in answer


def test_an_upgrade_to_h2c_is_not_passed_on(front: Front) -> None:
    request = (
        f"GET /health/liveliness HTTP/1.1\r\nHost: {NAMES[0]}:{front.port}\r\n"
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    )
    context = ssl.create_default_context(cafile=str(front.certificate))
    with socket.create_connection(("127.0.0.1", front.port), timeout=10) as plain:
        sock = context.wrap_socket(plain, server_hostname=NAMES[0])
        sock.sendall(request.encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 200")


# Paths


@pytest.mark.parametrize("path", ["/key/list", "/key%2flist", "//key//list"])
def test_a_path_written_in_another_way_is_the_same_route(front: Front, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: {NAMES[0]}:{front.port}\r\nConnection: close\r\n"
    without = raw(front, f"{request}\r\n".encode())
    assert without.startswith(b"HTTP/1.1 401"), without[:300]
    answer = raw(front, f"{request}Authorization: Bearer {MASTER_KEY}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200"), answer[:500]
    assert b'"total_count"' in answer


@pytest.mark.parametrize(
    "path", ["/metrics", "/metrics/", "//metrics", "/%6detrics", "/x/../metrics", "/metrics?x=1"]
)
def test_metrics_are_not_public(front: Front, gateway: Gateway, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: {NAMES[0]}:{front.port}\r\nConnection: close\r\n"
    answer = raw(front, f"{request}Authorization: Bearer {MASTER_KEY}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404"), answer[:300]
    assert gateway.get("/metrics").status_code == 200, "the gateway's own port has them"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models", 401),
        ("/ui", 303),
        ("/login", 200),
        ("/sso/key/generate", 401),
        ("/key/list", 401),
        ("/scim/v2/Users", 401),
        ("/health/readiness", 200),
        ("/docs", 200),
        ("/pgadmin", 308),
        ("/pgadmin/", 403),
        ("/.pgadmin-check", 404),
        ("/no-such-page", 404),
    ],
)
def test_where_paths_lead_and_what_every_answer_has(front: Front, path: str, status: int) -> None:
    answer = front.client().get(path)
    assert answer.status_code == status, answer.text[:300]
    headers = answer.headers
    assert headers.get_list("x-content-type-options") == ["nosniff"]
    assert headers.get_list("x-frame-options") == ["DENY"]
    assert headers["strict-transport-security"] == "max-age=63072000"
    assert len(headers.get_list("content-security-policy")) == 1
    assert headers.get_list("referrer-policy")[0] in ("strict-origin-when-cross-origin", "same-origin")
    assert headers["x-request-id"]
    assert headers["server"] == "nginx", "it does not say which version it is"


# pgAdmin's door


def test_pgadmin_is_for_the_session_of_an_admin(front: Front, gateway: Gateway, pgadmin: JsonServer) -> None:
    before = len(pgadmin.asked)
    by_key = front.client().get("/pgadmin/", headers=AUTH)
    assert by_key.status_code == 403, "a key is no session"
    assert pgadmin.asked[before:] == []

    with front.client() as browser:
        assert browser.post("/login", data={"username": "admin", "password": MASTER_KEY}).status_code == 303
        (cookie,) = [name for name in browser.cookies if "session" in name]
        browser.cookies.set("pga4_session", "its-own", domain=NAMES[0])
        forged = {"authorization": "Bearer x", "remote-user": "root", "x-forwarded-user": "root"}
        assert browser.get("/pgadmin/browser/", headers={}).json() == {"pgAdmin": 4}
        assert browser.get("/pgadmin/browser/", headers=forged).status_code in (200, 403)
        (seen, *_) = pgadmin.asked[before:]
        assert seen.headers["x-script-name"] == "/pgadmin"
        assert "its-own" in seen.headers["cookie"]
        assert browser.cookies[cookie] not in str([each.headers for each in pgadmin.asked])
        for each in pgadmin.asked[before:]:
            assert not {"authorization", "remote-user", "x-forwarded-user"} & each.headers.keys()

        page = browser.get("/pgadmin/")
        assert page.headers.get_list("x-frame-options") == ["SAMEORIGIN"]
        assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
    audit = gateway.get("/audit?action=pgadmin_opened").json()
    assert [entry["action"] for entry in audit["audit_logs"]] == ["pgadmin_opened"]


def test_a_users_session_does_not_open_pgadmin(front: Front, gateway: Gateway, pgadmin: JsonServer) -> None:
    before = len(pgadmin.asked)
    with front.client() as browser:
        browser.cookies.set("__Host-switchgear_session", "A" * 43, domain=NAMES[0])
        refused = browser.get("/pgadmin/")
    assert refused.status_code == 403
    assert "Sign in" in refused.text
    assert pgadmin.asked[before:] == []


def test_pgadmin_can_be_left_out(gateway: Gateway, tmp_path: Path) -> None:
    with fronting(tmp_path, gateway.url, values={"SG_PGADMIN": "off"}) as front:
        for path in ("/pgadmin", "/pgadmin/", "/%70gadmin/browser/"):
            assert front.client().get(path).status_code == 404


# The log


def test_the_log_is_json_without_queries_and_secrets(front: Front) -> None:
    secret = f"in-the-query-{uuid.uuid4().hex}"
    answer = front.client().get(f"/sso/callback?code={secret}&state=x", headers={"x-request-id": "forged"})
    assert answer.headers["x-request-id"] != "forged"
    body = {"model": "hostile/happy", "messages": HELLO}
    called = front.client().post("/v1/chat/completions", json=body, headers=AUTH)
    call_id = called.headers["x-litellm-call-id"]

    def logged() -> bool:
        return any(line["call"] == call_id for line in front.log())

    until(logged, what="the line of the call")
    line = next(line for line in front.log() if line["id"] == answer.headers["x-request-id"])
    assert (line["path"], line["status"], line["address"]) == (
        "/sso/callback",
        answer.status_code,
        "127.0.0.1",
    )
    text = front.nginx.log_path.read_text()
    assert secret not in text
    assert MASTER_KEY not in text


def test_a_gateway_that_is_away_is_503_in_openais_shape(tmp_path: Path) -> None:
    program("nginx")
    with fronting(tmp_path, f"http://127.0.0.1:{free_port()}") as front:
        answer = front.client().get("/v1/models", headers=AUTH)
    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "service_unavailable"
    assert answer.headers["retry-after"] == "2"
