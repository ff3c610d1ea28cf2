"""HTTP as browsers, proxies and compressing clients use it, on real sockets."""

import gzip
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import zstandard

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import MAX_BODY_MB, config_for
from tests.e2e.gateway import Gateway, serving
from tests.fakes.hostile_upstream import HostileUpstream

PAGE = "https://chat.example"
CHAT = "/v1/chat/completions"
ASK = {"model": "hostile/happy", "messages": [{"role": "user", "content": "Hi"}]}
PACKERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstandard.compress}


@pytest.fixture(scope="module")
def shown(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway that a proxy shows under `/llm`, for the pages of one origin."""
    name = f"http_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    config = config_for(upstream.url)
    config["general_settings"] = {"max_request_size_mb": MAX_BODY_MB, "cors_origins": [PAGE]}
    folder: Path = tmp_path_factory.mktemp("http")
    with serving(folder, config, dsn_of(postgres_server, name), env={"SERVER_ROOT_PATH": "/llm/"}) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def preflight(url: str, path: str) -> httpx.Response:
    """What Chromium sends ahead of a call of the OpenAI SDK."""
    headers = {
        "accept": "*/*",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-arch,x-stainless-lang",
        "origin": PAGE,
        "sec-fetch-mode": "cors",
        "sec-fetch-site": "cross-site",
        "sec-fetch-dest": "empty",
        "referer": f"{PAGE}/",
    }
    return httpx.options(url + path, headers=headers)


def test_a_page_calls_a_model_and_no_management_route(gateway: Gateway, virtual_key: str) -> None:
    assert preflight(gateway.url, CHAT).status_code == 204
    assert preflight(gateway.url, CHAT).headers["access-control-allow-origin"] == "*"
    assert preflight(gateway.url, "/key/generate").status_code == 403
    headers = {"origin": PAGE, "authorization": f"Bearer {virtual_key}"}
    for fields in (ASK, {**ASK, "stream": True}, {**ASK, "model": "no-such-model"}):
        answer = httpx.post(gateway.url + CHAT, headers=headers, json=fields)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("prefix", ["/llm", ""])
def test_one_origin_alone_where_the_config_says_so(shown: Gateway, prefix: str) -> None:
    for path in (CHAT, "/key/generate"):
        answer = preflight(shown.url, prefix + path)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, PAGE)
    headers = {"authorization": f"Bearer {shown.key}", "origin": "https://evil.example"}
    answer = httpx.post(shown.url + prefix + CHAT, headers=headers, json=ASK)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_the_root_path_may_stand_in_front_of_every_path(shown: Gateway) -> None:
    for path in ("/llm/v1/models", "/v1/models", "/llm/health/readiness", "/llm", "/llm/docs"):
        assert shown.get(path).status_code == 200, path
    assert shown.get("/llmx/v1/models").status_code == 404


def test_a_connection_goes_on_after_a_head(gateway: Gateway) -> None:
    headers = {"authorization": f"Bearer {gateway.key}"}
    with httpx.Client(base_url=gateway.url, headers=headers) as client:
        for path in ("/v1/models", "/openapi.json", "/health/liveliness", "/v1/nothing"):
            got, head = client.get(path), client.head(path)
            assert (head.status_code, head.content) == (got.status_code, b"")
            assert head.headers["content-length"] == str(len(got.content))
            assert client.get(path).content == got.content


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("coding", PACKERS)
def test_a_compressed_call_is_answered(
    gateway: Gateway, virtual_key: str, coding: str, chunked: bool
) -> None:
    packed = PACKERS[coding](json.dumps({**ASK, "user": "u" * 1_000_000}).encode())
    pieces = (packed[at : at + 11] for at in range(0, len(packed), 11))
    headers = {"authorization": f"Bearer {virtual_key}", "content-encoding": coding}
    answer = httpx.post(gateway.url + CHAT, headers=headers, content=pieces if chunked else packed)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("coding", PACKERS)
def test_a_bomb_is_413_and_costs_no_memory(gateway: Gateway, virtual_key: str, coding: str) -> None:
    before_mb = gateway.process.rss_mb()
    bomb = PACKERS[coding](bytes(400_000_000))
    headers = {"authorization": f"Bearer {virtual_key}", "content-encoding": coding}
    for _ in range(5):
        answer = httpx.post(gateway.url + CHAT, headers=headers, content=bomb, timeout=30)
        assert (answer.status_code, answer.json()["error"]["type"]) == (413, "invalid_request_error")
    assert gateway.process.rss_mb() - before_mb < 50


def test_another_coding_is_415_with_a_row(gateway: Gateway, virtual_key: str) -> None:
    call_id = f"e2e-{uuid.uuid4().hex}"
    headers = {
        "authorization": f"Bearer {virtual_key}",
        "content-encoding": "br",
        "x-litellm-call-id": call_id,
    }
    answer = httpx.post(gateway.url + CHAT, headers=headers, content=b"\x0b\x02\x80{}\x03")
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip, zstd")
    assert gateway.row(call_id).http_status == 415
