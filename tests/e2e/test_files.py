"""Pictures at addresses, for a model that can't fetch them: the gateway does, where it may."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.gateway import Gateway, serving
from tests.fakes.hostile_upstream import HostileUpstream
from tests.runtime.guarded.test_fetcher import PNG_URI, answer, host


@pytest.fixture(scope="module")
def pictures() -> Iterator[tuple[int, list[str]]]:
    with host(lambda path: answer()) as found:
        yield found


@pytest.fixture(scope="module")
def gateway(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    pictures: tuple[int, list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    name = f"files_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    config = {
        "model_list": [
            {"model_name": "local/*", "litellm_params": {"model": "ollama/*", "api_base": upstream.url}}
        ],
        "general_settings": {"user_url_allowed_hosts": [f"127.0.0.1:{pictures[0]}"]},
        "router_settings": {"num_retries": 0},
    }
    folder: Path = tmp_path_factory.mktemp("files")
    with serving(folder, config, dsn_of(postgres_server, name)) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


CHAT = "/v1/chat/completions"


def chat(url: str) -> dict[str, object]:
    part = {"type": "image_url", "image_url": {"url": url}}
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]}


def messages(url: str) -> dict[str, object]:
    part = {"type": "image", "source": {"type": "url", "url": url}}
    return {"max_tokens": 20, "messages": [{"role": "user", "content": [part]}]}


def responses(url: str) -> dict[str, object]:
    part = {"type": "input_image", "image_url": url}
    return {"input": [{"role": "user", "content": [part]}], "store": False}


SURFACES = [(CHAT, chat), ("/v1/messages", messages), ("/v1/responses", responses)]


@pytest.mark.parametrize(("path", "body"), SURFACES)
def test_a_local_model_gets_the_picture_at_an_address(
    path: str, body: object, gateway: Gateway, upstream: HostileUpstream, pictures: tuple[int, list[str]]
) -> None:
    port, _ = pictures
    asked = len(upstream.requests)
    reply = gateway.post(path, model="local/ok", **body(f"http://127.0.0.1:{port}/cat.png"))  # type: ignore[operator]
    assert reply.status_code == 200, reply.text
    bodies = [each.body.decode() for each in upstream.requests[asked:]]
    assert [PNG_URI.partition(",")[2] in each for each in bodies if "images" in each] == [True]


@pytest.mark.parametrize(("path", "body"), SURFACES)
@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/", "http://[::1]:9/x.png", "http://localhost:9/"]
)
def test_an_inner_address_is_refused_in_words_and_nothing_is_sent(
    path: str, body: object, url: str, gateway: Gateway, upstream: HostileUpstream
) -> None:
    asked = len(upstream.requests)
    reply: httpx.Response = gateway.post(path, model="local/ok", **body(url))  # type: ignore[operator]
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert "can't be fetched: it leads to" in error["message"]
    if path == CHAT:
        assert (error["code"], error["reason"]) == ("failed_to_download_image", "file_not_fetched")
        assert error["param"] == "messages[0].content[1].image_url"
        row = gateway.row(reply.headers["x-litellm-call-id"])
        assert (row.status, float(row.spend)) == ("failure", 0.0)
    assert [each for each in upstream.requests[asked:] if each.method == "POST"] == []
