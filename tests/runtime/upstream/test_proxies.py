"""Proxies of the environment: which proxy reaches whom, and what happens to a call that a proxy refuses."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from models_registry.target import Deadlines
from runtime.blueprint import check
from runtime.guarded.guard import Guard
from runtime.settings import SettingsError, read_settings
from runtime.upstream.client import HttpUpstream
from runtime.upstream.proxies import Proxies, Proxy
from schema.errors.upstream import UpstreamUnreachable
from tests.fakes.hostile_upstream import HostileUpstream
from tests.runtime.upstream.test_client import drain, request_to

DEADLINES = Deadlines(connect_s=2.0, first_byte_s=2.0, idle_s=2.0, total_s=5.0)
ENV = {"HTTPS_PROXY": "http://proxy.example:3128", "HTTP_PROXY": "http://plain.example"}


def proxy_of(env: dict[str, str], scheme: str, host: str, port: int = 443) -> str | None:
    proxy = Proxies(env).proxy_for(scheme, host, port)
    return None if proxy is None else f"{proxy.host}:{proxy.port}"


def test_each_scheme_has_its_proxy() -> None:
    assert proxy_of(ENV, "https", "api.openai.com") == "proxy.example:3128"
    assert proxy_of(ENV, "http", "models.example.com", 80) == "plain.example:80"
    assert proxy_of({"ALL_PROXY": "http://all.example:1"}, "https", "api.openai.com") == "all.example:1"
    assert proxy_of({"https_proxy": "http://small.example:1"}, "https", "a.com") == "small.example:1"
    assert proxy_of({}, "https", "api.openai.com") is None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "localhost", "ollama", "10.0.0.7", "192.168.1.2", "gpu.internal", "fd00::1"]
)
def test_what_is_near_passes_no_proxy(host: str) -> None:
    assert proxy_of(ENV, "http", host, 11434) is None


@pytest.mark.parametrize(
    ("entry", "host", "is_direct"),
    [
        ("*", "api.openai.com", True),
        ("api.openai.com", "api.openai.com", True),
        ("openai.com", "api.openai.com", True),
        (".openai.com", "api.openai.com", True),
        ("*.openai.com", "api.openai.com", True),
        ("openai.com", "evil-openai.com", False),
        ("openai.com", "openai.com.evil.tld", False),
        ("openai.com:443", "api.openai.com", True),
        ("openai.com:8443", "api.openai.com", False),
        ("203.0.113.0/24", "203.0.113.9", True),
        ("203.0.113.0/24", "203.0.114.9", False),
        ("2001:db8::/32", "2001:db8::5", True),
        (" example.org , api.openai.com ", "api.openai.com", True),
        ("", "api.openai.com", False),
    ],
)
def test_no_proxy_names_hosts_domains_networks_and_ports(entry: str, host: str, is_direct: bool) -> None:
    assert (proxy_of({**ENV, "NO_PROXY": entry}, "https", host) is None) is is_direct


@pytest.mark.parametrize(
    "address", ["socks5://p.example:1080", "https://p.example:1", "http://:80", "http://a:b:c"]
)
def test_an_address_that_is_no_http_proxys_stops_the_start_and_is_not_shown(address: str) -> None:
    secret = address.replace("://", "://ada:hunter2@")
    with pytest.raises(SettingsError, match="HTTPS_PROXY") as refused:
        read_settings({"HTTPS_PROXY": secret})
    assert "hunter2" not in str(refused.value)


def test_a_proxys_password_is_not_shown() -> None:
    proxy = Proxies({"HTTPS_PROXY": "http://ada:hunter2@p.example:1"}).proxy_for("https", "a.com", 443)
    assert proxy is not None
    assert proxy.authorization is not None
    assert proxy.authorization.reveal() == "Basic " + base64.b64encode(b"ada:hunter2").decode()
    assert "hunter2" not in repr(proxy)


class Tunnels:
    """A proxy that answers CONNECT with what it is told to, and forwards to one port of this machine."""

    def __init__(self, answer: bytes, port: int) -> None:
        self._answer = answer
        self._port = port
        self.heads: list[bytes] = []
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Tunnels"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self._answer)
        if b" 200 " not in self._answer:
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)


def by_proxy(
    answer: bytes, test: Callable[[HttpUpstream, HostileUpstream, Tunnels], Awaitable[None]]
) -> None:
    """The provider is `provider.example`, which only the proxy finds."""

    async def run() -> None:
        async with HostileUpstream().running() as provider, Tunnels(answer, provider.port).running() as proxy:
            client = HttpUpstream(env={})
            found = Proxy(host="127.0.0.1", port=proxy.port)
            client._proxies._by_scheme.update({"http": found, "https": found})
            await client.start()
            await test(client, provider, proxy)
            await client.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\nbody",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200",
        b"",
    ],
)
def test_a_proxy_that_makes_no_connection_sent_nothing(answer: bytes) -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream, proxy: Tunnels) -> None:
        request = request_to("https://provider.example", "happy")
        with pytest.raises(UpstreamUnreachable) as refused:
            await client.open(request, DEADLINES)
        assert "provider.example" not in refused.value.message, "callers see the message"
        assert provider.requests == []
        assert proxy.heads[0].startswith(b"CONNECT provider.example:443 HTTP/1.1\r\n")
        assert b"authorization: Bearer" not in proxy.heads[0], "the provider's key is not the proxy's"
        assert client.pool.open == 0

    by_proxy(answer, test)


def test_plain_http_goes_through_a_proxy_in_absolute_form() -> None:
    async def run() -> None:
        async with HostileUpstream().running() as proxy:
            client = HttpUpstream(env={"HTTP_PROXY": f"http://ada:pw@127.0.0.1:{proxy.port}"})
            await client.start()
            await drain(client, request_to("http://provider.example:8000", "happy"), DEADLINES)
            seen = proxy.requests[0]
            assert seen.path == "http://provider.example:8000/v1/chat/completions"
            assert seen.headers["host"] == "provider.example:8000"
            assert seen.headers["proxy-authorization"].startswith("Basic ")
            await client.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, "through a proxy only"),
        ({"https_proxy": "http://proxy.example:3128"}, "through a proxy only"),
        ({"ALL_PROXY": "http://proxy.example:3128"}, "through a proxy only"),
        ({"all_proxy": "proxy.example:3128"}, "through a proxy only"),
        ({"HTTP_PROXY": "http://proxy.example:3128"}, "private network"),
        ({"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "llm.partner.example"}, "private network"),
        ({"ALL_PROXY": "http://proxy.example:3128", "no_proxy": ".partner.example"}, "private network"),
        ({"ALL_PROXY": "http://proxy.example:3128", "NO_PROXY": "*"}, "private network"),
        (
            {"ALL_PROXY": "http://proxy.example:3128", "NO_PROXY": "llm.partner.example:443"},
            "private network",
        ),
        (
            {"ALL_PROXY": "http://proxy.example:3128", "NO_PROXY": "llm.partner.example:8443"},
            "through a proxy only",
        ),
    ],
)
def test_a_host_of_the_api_is_not_called_through_a_proxy_and_is_judged_without(
    env: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that somebody entered through the API: a stored model's, a stored credential's."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        return [(0, 0, 0, "", ("10.0.0.7", port))]

    monkeypatch.setattr("runtime.upstream.dialing.socket.getaddrinfo", look_up)
    guard = Guard(check({}, env).guard, _nobody)

    async def run() -> None:
        client = HttpUpstream(env=env, judge=guard.why_not_called)
        await client.start()
        try:
            with pytest.raises(UpstreamUnreachable, match=reason):
                await client.open(request_to("https://llm.partner.example", "happy"), DEADLINES, judged=True)
        finally:
            await client.close()

    asyncio.run(run())
    assert asked == ([] if "proxy" in reason else ["llm.partner.example"])


async def _nobody(host: str, port: int) -> list[str]:
    raise OSError


@pytest.mark.parametrize(
    ("general", "host", "may"),
    [
        ({}, "llm.partner.example", False),
        ({"fetch_through_proxy": True}, "llm.partner.example", True),
        ({"user_url_allowed_hosts": ["llm.partner.example"]}, "llm.partner.example", True),
        ({"user_url_allowed_hosts": ["llm.partner.example:8443"]}, "llm.partner.example", False),
        ({}, "8.8.8.8", True),
        ({"fetch_through_proxy": True}, "169.254.169.254", False),
        ({"fetch_through_proxy": True}, "0xA9FEA9FE", False),
    ],
)
def test_who_is_called_through_a_proxy(general: dict[str, object], host: str, may: bool) -> None:
    guard = Guard(check({"general_settings": general}, {}).guard, _nobody)
    assert (guard.why_not_called(host, 443, None) is None) is may
