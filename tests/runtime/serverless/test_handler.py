"""A deployment in this process: what it refuses, and in which words."""

import asyncio
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from functions.contract.function import Download
from runtime.catalog import UnknownFunction
from runtime.config_file import ConfigFileError
from runtime.process.logs import LineBuffer
from runtime.reply import Reply
from runtime.serverless.events import MAX_ANSWER_BYTES
from runtime.serverless.handler import ServedFunction, Unfit, whole_answer
from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import config_for
from tests.e2e.gateway import query
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.lambda_events import body_of, http_event

MASTER = "sk-master-key-of-these-tests"
ASK: dict[str, object] = {"model": "hostile/happy", "messages": [{"role": "user", "content": "Hi"}]}
CHAT = "/v1/chat/completions"
OUTCOMES = 'SELECT outcome FROM "LiteLLM_SpendLogs" ORDER BY "startTime"'
Answers = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def upstream() -> Iterator[HostileUpstream]:
    with HostileUpstream().in_thread() as server:
        yield server


@pytest.fixture
def env(postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path) -> dict[str, str]:
    """The environment of a deployment that can serve."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(config_for(upstream.url)))
    return {
        "SWITCHGEAR_FUNCTION": "chat",
        "DATABASE_URL": postgres_dsn,
        "SWITCHGEAR_MASTER_KEY": MASTER,
        "SWITCHGEAR_DATA": str(tmp_path / "data"),
        "CONFIG_FILE_PATH": str(config),
    }


def deployment(env: Mapping[str, str], **more: str) -> ServedFunction:
    return ServedFunction({**env, **more}, LineBuffer(io.BytesIO()))


def posted(served: ServedFunction, path: str, body: object, **headers: str) -> dict[str, Any]:
    event = http_event("POST", path, body=body, key=MASTER, headers=headers)
    return served.answer(event, left_s=None)


def outcomes(env: Mapping[str, str]) -> list[str]:
    return [row["outcome"] for row in asyncio.run(query(env["DATABASE_URL"], OUTCOMES))]


def said(answer: Mapping[str, Any]) -> Any:
    return json.loads(body_of(answer))


@pytest.mark.parametrize(
    ("function", "path", "body", "told"),
    [
        ("chat", CHAT, ASK, lambda error: error["error"]["param"] == "stream"),
        ("messages", "/v1/messages", {**ASK, "max_tokens": 9}, lambda error: error["type"] == "error"),
        (
            "responses",
            "/v1/responses",
            {"model": "hostile/happy", "input": "Hi"},
            lambda error: "error" in error,
        ),
    ],
)
def test_a_streamed_call_is_refused_in_its_dialect_and_asks_nobody(
    env: dict[str, str],
    upstream: HostileUpstream,
    function: str,
    path: str,
    body: dict[str, object],
    told: Callable[[Any], bool],
) -> None:
    before = len(upstream.requests)
    answer = posted(deployment(env, SWITCHGEAR_FUNCTION=function), path, {**body, "stream": True})
    assert answer["statusCode"] == 400
    assert told(said(answer))
    assert "one response for each event" in said(answer)["error"]["message"]
    assert len(upstream.requests) == before
    assert outcomes(env) == ["refused"]


def test_compressed_bodies_are_read_and_other_codings_and_long_bodies_are_refused(
    env: dict[str, str],
) -> None:
    served = deployment(env)
    packed = gzip.compress(json.dumps(ASK).encode())
    gzipped = {"content-encoding": "gzip", "content-type": "application/json"}
    assert posted(served, CHAT, packed, **gzipped)["statusCode"] == 200
    assert posted(served, CHAT, packed, **{"content-encoding": "br"})["statusCode"] == 415
    assert posted(served, CHAT, gzip.compress(b" " * 3_000_000), **gzipped)["statusCode"] == 413
    long = {**ASK, "messages": [{"role": "user", "content": "x" * 3_000_000}]}
    assert posted(served, CHAT, long)["statusCode"] == 413
    event = http_event("POST", CHAT, body=b"x", key=MASTER)
    assert served.answer({**event, "body": "no base64!"}, left_s=None)["statusCode"] == 400


def test_a_page_of_another_origin_acts_with_no_cookie(env: dict[str, str]) -> None:
    served = deployment(env, SWITCHGEAR_FUNCTION="me", PROXY_BASE_URL="https://llm.example")
    for origin, message in (("https://llm.example", "session"), ("https://evil.example", "key")):
        event = http_event("GET", "/v1/me", headers={"origin": origin}, cookies=["switchgear_session=x"])
        answer = served.answer(event, left_s=None)
        assert answer["statusCode"] == 401
        assert message in said(answer)["error"]["message"].lower()


def test_events_of_other_forms_other_paths_and_other_methods_are_told_so(env: dict[str, str]) -> None:
    served = deployment(env)
    for event, status in (
        ({"Records": []}, 400),
        (http_event("POST", "/v1/embeddings", body=ASK, key=MASTER), 404),
        (http_event("GET", CHAT, key=MASTER), 405),
        (http_event("GET", CHAT, query="&".join("a=1" for _ in range(101))), 405),
    ):
        answer = served.answer(event, left_s=None)
        assert (answer["statusCode"], bool(said(answer)["error"]["message"])) == (status, True)
    many = "&".join(f"a{number}=1" for number in range(101))
    event = http_event("GET", "/spend/logs", key=MASTER, query=many)
    assert deployment(env, SWITCHGEAR_FUNCTION="spend").answer(event, left_s=None)["statusCode"] == 400


def test_a_head_has_the_headers_alone(env: dict[str, str]) -> None:
    served = deployment(env, SWITCHGEAR_FUNCTION="models")
    answer = served.answer(http_event("HEAD", "/v1/models", key=MASTER), left_s=None)
    assert (answer["statusCode"], answer["body"]) == (200, "")
    assert answer["headers"]["content-type"] == "application/json"


def test_without_postgres_nothing_is_asked_and_the_next_event_is_answered_again(
    env: dict[str, str], postgres_server: str, upstream: HostileUpstream
) -> None:
    name = env["DATABASE_URL"].partition("?")[0].rpartition("/")[2]
    served = deployment(env)
    assert posted(served, CHAT, ASK)["statusCode"] == 200
    before = len(upstream.requests)
    execute(dsn_of(postgres_server, "postgres"), f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    try:
        away = posted(served, CHAT, ASK)
    finally:
        execute(dsn_of(postgres_server, "postgres"), f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert (away["statusCode"], bool(said(away)["error"]["message"])) == (503, True)
    assert len(upstream.requests) == before
    assert posted(served, CHAT, ASK)["statusCode"] == 200
    assert outcomes(env) == ["ok", "ok"]


@pytest.mark.parametrize(
    ("more", "kind", "told"),
    [
        ({"SWITCHGEAR_FUNCTION": ""}, Unfit, "SWITCHGEAR_FUNCTION"),
        ({"SWITCHGEAR_FUNCTION": "nope"}, UnknownFunction, "no functions? '?nope"),
        ({"DATABASE_URL": ""}, Unfit, "DATABASE_URL"),
        ({"SWITCHGEAR_MASTER_KEY": ""}, Unfit, "SWITCHGEAR_MASTER_KEY"),
        ({"CONFIG_FILE_PATH": "/nowhere.yaml"}, ConfigFileError, "/nowhere.yaml"),
        ({"DATABASE_URL": "postgresql://ada:word@127.0.0.1:1/x"}, Unfit, "the log says why"),
    ],
)
def test_what_is_wrong_with_a_deployment_is_told_when_it_begins(
    env: dict[str, str], more: dict[str, str], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        deployment(env, **more)
    assert not (Path(env["SWITCHGEAR_DATA"]) / "master.key").exists()


def test_an_answer_that_the_platform_would_not_take_is_none() -> None:
    closed = []

    async def pieces() -> Any:
        try:
            while True:
                yield b"x" * 1_000_000
        finally:
            closed.append(True)

    async def run() -> None:
        endless = Download(media_type="text/csv", filename="x", pieces=pieces)
        reply = Reply(status=200, headers=[], body=b"", download=endless)
        assert await whole_answer(reply, wants_body=True) is None
        assert closed == [True]
        long = Reply(status=200, headers=[], body=b"x" * MAX_ANSWER_BYTES)
        assert await whole_answer(long, wants_body=True) is None
        quotes = Reply(status=200, headers=[], body=b'"' * (MAX_ANSWER_BYTES * 2 // 3))
        answer = await whole_answer(quotes, wants_body=True)
        assert answer is not None
        assert answer["isBase64Encoded"] is True

    asyncio.run(run())
