"""Files at addresses of users: fetched from real sockets, and refused."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from models_registry.backends.addresses import NamedFile
from models_registry.target import TlsOptions
from runtime.blueprint import check
from runtime.guarded.fetcher import Fetcher
from runtime.guarded.guard import Guard
from runtime.upstream.client import HttpUpstream
from runtime.upstream.tls import context_for_strangers, context_of
from schema.errors.overload import Overloaded
from schema.errors.requests import FileNotFetched
from tests.fakes.certificates import self_signed, server_context

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 24
PNG_URI = "data:image/png;base64,iVBORw0KGgoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
OPEN = {"general_settings": {"user_url_allowed_hosts": ["127.0.0.0/8"]}}
Reply = Callable[[str], bytes]


def answer(body: bytes = PNG, *, status: str = "200 OK", headers: Sequence[str] = ()) -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


@contextmanager
def host(reply: Reply, context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[str]]]:
    """A server on loopback: its port, and the heads of the requests that came."""
    heads: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            try:
                if context is not None:
                    peer = context.wrap_socket(peer, server_side=True)
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = peer.recv(65536)
                    if not piece:
                        break
                    head += piece
                heads.append(head.decode())
                if head:
                    peer.sendall(reply(head.decode().split(" ")[1]))
            except OSError:
                pass
            finally:
                peer.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1], heads
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def fetch(
    *urls: str,
    config: Mapping[str, object] = OPEN,
    env: Mapping[str, str] | None = None,
    answers: Mapping[str, Sequence[str]] | None = None,
    context: ssl.SSLContext | None = None,
    is_picture: bool = True,
    take_room: Callable[[int], None] = lambda size: None,
) -> Mapping[str, str]:
    """Fetch as a worker does. `answers`: what names resolve to, one after the other."""
    checked = check(dict(config), env or {})
    assert checked.errors == ()
    turns = {name: iter(each) for name, each in (answers or {}).items()}

    async def run() -> Mapping[str, str]:
        upstream = HttpUpstream(env=env)
        await upstream.start()

        async def resolve(name: str, port: int) -> Sequence[str]:
            return next(turns[name]).split() if name in turns else await upstream.resolved(name, port)

        fetcher = Fetcher(
            checked.guard,
            Guard(checked.guard, resolve),
            context=lambda: context or ssl.create_default_context(),
            proxy_for=upstream.proxy_for,
        )
        files = [NamedFile(url, "messages[0].content[1].image_url", is_picture) for url in urls]
        try:
            return await fetcher.fetched(files, take_room)
        finally:
            await upstream.close()

    return asyncio.run(run())


def refusal(*urls: str, **more: object) -> str:
    with pytest.raises(FileNotFetched) as caught:
        fetch(*urls, **more)  # type: ignore[arg-type]  # the tests' own words
    assert caught.value.param == "messages[0].content[1].image_url"
    return caught.value.message


def test_a_picture_becomes_a_data_uri_and_the_host_learns_nothing_of_the_caller() -> None:
    with host(lambda path: answer()) as (port, heads):
        url = f"http://127.0.0.1:{port}/cat.png?size=2"
        assert fetch(url) == {url: PNG_URI}
    assert sorted(line.partition(":")[0].lower() for line in heads[0].split("\r\n")[1:] if line) == [
        "accept",
        "accept-encoding",
        "connection",
        "host",
        "user-agent",
    ]
    assert heads[0].startswith("GET /cat.png?size=2 HTTP/1.1\r\n")


def test_the_name_stays_in_the_host_header_while_the_judged_address_is_asked() -> None:
    with host(lambda path: answer()) as (port, heads):
        url = f"http://files.test:{port}/cat.png"
        assert fetch(url, answers={"files.test": ["127.0.0.1"]}) == {url: PNG_URI}
    assert f"host: files.test:{port}" in heads[0].lower()


def test_a_name_that_leads_elsewhere_at_its_second_look_up_is_looked_up_once() -> None:
    with host(lambda path: answer()) as (port, heads):
        url = f"http://files.test:{port}/cat.png"
        fetch(url, answers={"files.test": ["127.0.0.1", "169.254.169.254"]})
    assert len(heads) == 1


SPELLINGS = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "http://[::]:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://8.8.8.8@127.0.0.1:{port}/",
    "http://8.8.8.8\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@8.8.8.8/",
    "http://127.0.0.1:{port}#@8.8.8.8/",
    "http://127.0.0.1%00.example.com:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/",
    "http://[fe80::1%25lo]:{port}/",
    "http://2852039166/latest/meta-data/",
    "http://0xA9FEA9FE/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
]
"""Spellings of addresses that nobody outside may have asked for."""


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_an_inner_address_is_asked(spelling: str) -> None:
    with host(lambda path: answer()) as (port, heads):
        refusal(spelling.format(port=port), config={})
    assert heads == []


@pytest.mark.parametrize("inner", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "127.0.0.1 8.8.8.8"])
def test_a_name_of_an_inner_address_is_not_asked(inner: str) -> None:
    with host(lambda path: answer()) as (port, heads):
        assert "it leads to" in refusal(
            f"http://files.test:{port}/", config={}, answers={"files.test": [inner]}
        )
    assert heads == []


@pytest.mark.parametrize(
    "to",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.test/",
        "//10.0.0.1/",
        "http://[::1]/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://",
    ],
)
def test_a_redirect_is_judged_as_the_first_address_is(to: str) -> None:
    with host(lambda path: answer(b"", status="302 Found", headers=[f"location: {to}"])) as (port, heads):
        refusal(
            f"http://127.0.0.1:{port}/",
            config={"general_settings": {"user_url_allowed_hosts": [f"127.0.0.1:{port}"]}},
            answers={"metadata.test": ["169.254.169.254"]},
        )
    assert len(heads) == 1


def test_a_redirect_to_where_it_may_go_is_followed_a_few_times() -> None:
    def reply(path: str) -> bytes:
        if path == "/2":
            return answer()
        return answer(b"", status="302 Found", headers=[f"location: /{int(path[1:]) + 1}"])

    with host(reply) as (port, heads):
        assert fetch(f"http://127.0.0.1:{port}/0") == {f"http://127.0.0.1:{port}/0": PNG_URI}
        assert "redirects more than 3 times" in refusal(f"http://127.0.0.1:{port}/3")
    assert len(heads) == 3 + 4


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer(status="404 Not Found"), "status 404"),
        (answer(b"<html>"), "it is not a picture"),
        (answer(b"%PDF-1.7"), "it is not a picture"),
        (answer(b"<svg onload=x>", headers=["content-type: image/svg+xml"]), "it is not a picture"),
        (answer(headers=["content-encoding: gzip"]), "compresses"),
        (answer(PNG + b"\0" * 1_100_000), "it has more than 1 MB"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n" + PNG, "broke off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
        (b"", "not HTTP"),
    ],
)
def test_what_can_not_be_used_is_told(reply: bytes, reason: str) -> None:
    with host(lambda path: reply) as (port, _):
        told = refusal(f"http://127.0.0.1:{port}/", env={"MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "1"})
    assert reason in told


def test_a_document_is_one_by_its_bytes_or_its_hosts_word() -> None:
    with host(lambda path: answer(b"%PDF-1.7 ...", headers=["content-type: text/html"])) as (port, _):
        (uri,) = fetch(f"http://127.0.0.1:{port}/", is_picture=False).values()
    assert uri.startswith("data:application/pdf;base64,")
    with host(lambda path: answer(b"a,b\n", headers=["content-type: text/csv; charset=utf-8"])) as (port, _):
        (uri,) = fetch(f"http://127.0.0.1:{port}/", is_picture=False).values()
    assert uri.startswith("data:text/csv;base64,")
    with host(lambda path: answer(b"\0\1", headers=["content-type: text/plain"])) as (port, _):
        assert "it is not a document" in refusal(f"http://127.0.0.1:{port}/", is_picture=False)


def test_a_host_has_to_prove_its_name(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    trusting = ssl.create_default_context(cafile=certificate)
    with host(lambda path: answer(), server_context(certificate)) as (port, _):
        url = f"https://127.0.0.1:{port}/"
        assert fetch(url, context=trusting) == {url: PNG_URI}
        assert "certificate" in refusal(url)
        named = f"https://files.test:{port}/"  # the certificate is of 127.0.0.1, and files.test is not
        assert "certificate" in refusal(named, context=trusting, answers={"files.test": ["127.0.0.1"]})


@pytest.mark.parametrize("verify", [False, True])
def test_a_users_host_has_to_prove_itself_and_is_shown_no_certificate_of_ours(
    tmp_path: Path, verify: bool
) -> None:
    """Whatever the config says of providers."""
    ours, theirs = self_signed(tmp_path, "client"), self_signed(tmp_path)
    options = TlsOptions(verify=verify, certificate=str(ours), ca_file=str(theirs))
    context = context_for_strangers(options)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    with host(lambda path: answer(), server_context(theirs, clients=ours)) as (port, heads):
        with pytest.raises(FileNotFetched):
            fetch(f"https://127.0.0.1:{port}/", context=context)
        assert heads == []
        assert fetch(f"https://127.0.0.1:{port}/", context=context_of(options))  # as to a provider


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_behind_a_proxy_nothing_is_fetched_unless_an_admin_says_so(name: str) -> None:
    with host(lambda path: answer()) as (port, heads):
        env = {name: f"http://127.0.0.1:{port}"}
        assert "fetch_through_proxy" in refusal("http://files.example/cat.png", env=env, config={})
        assert heads == []


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_behind_a_proxy_for_https_as_well(name: str) -> None:
    env = {name: "http://127.0.0.1:9"}
    assert "fetch_through_proxy" in refusal("https://files.example/cat.png", env=env, config={})


@pytest.mark.parametrize("excepted", ["NO_PROXY", "no_proxy"])
def test_a_host_that_passes_no_proxy_is_judged_and_fetched(excepted: str) -> None:
    with host(lambda path: answer()) as (port, heads):
        env = {"ALL_PROXY": "http://127.0.0.1:9", excepted: "files.example"}
        url = f"http://files.example:{port}/cat.png"
        answers = {"files.example": ["127.0.0.1"]}
        assert fetch(url, env=env, answers=answers) == {url: PNG_URI}
        assert "private network" in refusal(url, env=env, answers=answers, config={})
    assert len(heads) == 1


def test_a_call_has_few_files_and_they_count_in_the_workers_memory() -> None:
    taken: list[int] = []
    with host(lambda path: answer()) as (port, heads):
        urls = [f"http://127.0.0.1:{port}/{n}" for n in range(3)]
        assert len(fetch(*urls, take_room=taken.append)) == 3
        assert sum(taken) == 3 * 2 * len(PNG)

        def full(size: int) -> None:
            raise Overloaded("full")

        with pytest.raises(Overloaded):
            fetch(*urls, take_room=full)
        asked = len(heads)
        assert "a call may have 20" in refusal(*(f"http://127.0.0.1:{port}/{n}" for n in range(21)))
    assert len(heads) == asked


def test_fetching_can_be_switched_off() -> None:
    assert "fetches no files" in refusal("http://8.8.8.8/", env={"MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "0"})


def test_a_name_without_an_address_is_told() -> None:
    assert "no address" in refusal("http://nowhere.invalid/cat.png")


def test_a_proxy_that_may_fetch_is_the_configs_and_is_asked_for_nothing_forbidden() -> None:
    """The proxy of `environment_variables` too, which the process's own environment does not know."""
    with host(lambda path: answer()) as (port, heads):
        env = {"HTTP_PROXY": f"http://127.0.0.1:{port}"}
        config = {"general_settings": {"fetch_through_proxy": True}}
        url = "http://files.example/cat.png"
        assert fetch(url, env=env, config=config) == {url: PNG_URI}
        assert heads[0].startswith("GET http://files.example/cat.png HTTP/1.1\r\n")
        for inner in ("http://169.254.169.254/", "http://0xA9FEA9FE/", "http://[::ffff:169.254.169.254]/"):
            refusal(inner, env=env, config=config)
    assert len(heads) == 1


def test_a_key_has_its_share_of_the_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = check(OPEN, {})
    let_go = asyncio.Event()

    async def resolve(name: str, port: int) -> Sequence[str]:
        await let_go.wait()
        raise OSError

    async def run() -> None:
        fetcher = Fetcher(
            checked.guard,
            Guard(checked.guard, resolve),
            context=ssl.create_default_context,
            proxy_for=lambda scheme, name, port: None,
        )
        files = [NamedFile("http://silent.test/", "messages[0].content[0].image_url", True)]

        async def ask(whose: str) -> BaseException | None:
            try:
                await fetcher.fetched(files, lambda size: None, whose=whose)
            except (FileNotFetched, Overloaded) as error:
                return error
            return None

        flood = [asyncio.create_task(ask("flood")) for _ in range(10)]
        await asyncio.sleep(0.05)
        refused = [task for task in flood if task.done()]
        assert len(refused) == 10 - 4
        assert all(isinstance(task.result(), Overloaded) for task in refused)
        other = asyncio.create_task(ask("other"))
        await asyncio.sleep(0.05)
        assert not other.done()  # it is under way
        let_go.set()
        assert isinstance(await other, FileNotFetched)
        await asyncio.gather(*flood)
        assert await ask("flood") is not None  # its share is free again
        assert not fetcher._begun

    asyncio.run(run())
