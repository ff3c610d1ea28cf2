"""HTTP as browsers, proxies and compressing clients use it, on real sockets."""

import gzip
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import openai
import pytest
import zstandard

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import MAX_BODY_MB, config_for
from tests.e2e.gateway import Gateway, early_in_a_minute, serving
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
            assert head.headers["content-length"] == got.headers["content-length"]
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


def test_a_plain_answers_head_tells_how_it_went(gateway: Gateway, upstream: HostileUpstream) -> None:
    key = gateway.virtual_key("told", max_budget=1.5, rpm_limit=50, tpm_limit=100_000)
    headers = {"authorization": f"Bearer {key}"}
    first = httpx.post(gateway.url + CHAT, headers=headers, json=ASK).headers
    assert first["x-litellm-version"]
    assert first["x-litellm-model-name"] == "openai/happy"
    assert (first["x-litellm-max-retries"], first["x-litellm-attempted-retries"]) == ("0", "0")
    assert first["x-litellm-timeout"] == "6000.0"
    assert (first["x-litellm-key-max-budget"], first["x-litellm-key-spend"]) == ("1.5", "0")
    assert (first["x-litellm-key-rpm-limit"], first["x-litellm-key-tpm-limit"]) == ("50", "100000")
    took_ms = float(first["x-litellm-response-duration-ms"])
    assert 0 < float(first["x-litellm-overhead-duration-ms"]) < took_ms
    assert first["llm_provider-content-type"].startswith("application/json")
    second = httpx.post(gateway.url + CHAT, headers=headers, json=ASK).headers
    assert second["x-litellm-key-spend"] == first["x-litellm-response-cost"]


def test_a_refusals_head_tells_which_limit_and_until_when(gateway: Gateway) -> None:
    key = gateway.virtual_key("brief-told", rpm_limit=1)
    headers = {"authorization": f"Bearer {key}"}
    early_in_a_minute(5)
    answers = [httpx.post(gateway.url + CHAT, headers=headers, json=ASK) for _ in range(3)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"]["message"].startswith("Rate limit exceeded for api_key: ")
    assert refused.headers["rate_limit_type"] == "requests"
    assert refused.headers["reset_at"].endswith(":00 UTC")
    assert int(refused.headers["retry-after"]) > 0
    assert refused.headers["x-ratelimit-limit-requests"] == "1"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-litellm-key-rpm-limit"] == "1"


def test_a_call_larger_than_its_whole_limit_is_not_to_be_tried_again(gateway: Gateway) -> None:
    key = gateway.virtual_key("small", tpm_limit=10)
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=2) as client:
        headers = {"x-litellm-call-id": (call_id := f"{uuid.uuid4()}")}
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(
                model="hostile/happy",
                messages=ASK["messages"],  # type: ignore[arg-type]
                max_tokens=999,
                extra_headers=headers,
            )
    assert gateway.row(call_id).http_status == 429, "one row: the SDK did not ask again"
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "throttling_error")
    head = caught.value.response.headers
    assert (head["x-should-retry"], head["rate_limit_type"]) == ("false", "tokens")
    assert "retry-after" not in head


@pytest.mark.parametrize("how", ["header", "timeout", "request_timeout"])
def test_a_deadline_of_the_requests_own_is_kept(gateway: Gateway, virtual_key: str, how: str) -> None:
    headers = {"authorization": f"Bearer {virtual_key}"}
    body: dict[str, object] = {**ASK, "model": "hostile/never_answers"}
    if how == "header":
        headers["x-litellm-timeout"] = "0.5"
    else:
        body[how] = 0.5
    began_s = time.monotonic()
    answer = httpx.post(gateway.url + CHAT, headers=headers, json=body, timeout=30)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (408, "upstream_timeout")
    assert time.monotonic() - began_s < 5
    assert answer.headers["x-litellm-timeout"] == "0.5"


def test_fields_of_litellm_that_ask_for_nothing_are_no_reason_to_refuse(
    gateway: Gateway, virtual_key: str, upstream: HostileUpstream
) -> None:
    call_id = f"e2e-{uuid.uuid4().hex}"
    nothing = {
        "cache": {"no-cache": True},
        "litellm_metadata": {"a": 1},
        "priority": 1,
        "rpm": 5,
        "input_cost_per_token": 0.1,
        "mock_testing_fallbacks": True,
        "disable_global_guardrails": True,
        "caching_groups": [["a"]],
        "max_retries": 0,
        "timeout": 20,
    }
    headers = {"authorization": f"Bearer {virtual_key}", "x-litellm-call-id": call_id}
    messages = [{"role": "user", "content": call_id}]
    answer = httpx.post(gateway.url + CHAT, headers=headers, json={**ASK, "messages": messages, **nothing})
    assert answer.status_code == 200, answer.text
    asked = {**ASK, "messages": [{"role": "user", "content": "forbidden"}], "guardrails": ["shield"]}
    answer = httpx.post(gateway.url + CHAT, headers=headers, json=asked)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (400, "guardrail_refused")
    asked["messages"] = messages
    answer = httpx.post(gateway.url + CHAT, headers=headers, json=asked)
    assert (answer.status_code, answer.headers["x-litellm-applied-guardrails"]) == (200, "shield")
    for refused in ({"api_base": "http://x"}, {"headers": {"a": "b"}}, {"extra_body": {"a": 1}}):
        answer = httpx.post(gateway.url + CHAT, headers=headers, json={**ASK, **refused})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, next(iter(refused)))


def test_a_keys_named_models_are_listed_and_shown_under_a_wildcard(gateway: Gateway) -> None:
    key = gateway.virtual_key("named", models=["hostile/happy", "down"])
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["down", "hostile/happy"]
        assert client.models.retrieve("hostile/happy").id == "hostile/happy"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("hostile/other")
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="hostile/*", messages=ASK["messages"])  # type: ignore[arg-type]
    for path in ("/v1/models/hostile%2Fhappy", "/models/hostile%2fhappy", "/v1/models/hostile/happy"):
        assert gateway.get(path, key=key).json()["id"] == "hostile/happy", path


def test_a_key_may_come_as_a_password_or_in_azures_header(gateway: Gateway, virtual_key: str) -> None:
    assert httpx.get(f"{gateway.url}/v1/models", auth=("anybody", virtual_key)).status_code == 200
    headers = {"ocp-apim-subscription-key": virtual_key}
    assert httpx.get(f"{gateway.url}/v1/models", headers=headers).status_code == 200
    assert httpx.get(f"{gateway.url}/v1/models", auth=(virtual_key, "")).status_code == 401


def test_the_routes_that_scripts_of_litellm_ask_answer(gateway: Gateway, virtual_key: str) -> None:
    paths = httpx.get(f"{gateway.url}/routes").json()["routes"]
    assert {"path": "/key/health", "methods": ["POST"], "name": "keys.health"} in paths
    details = gateway.get("/health/readiness/details", key=virtual_key).json()
    assert (details["status"], details["db"]) == ("healthy", "connected")
    assert details["litellm_version"]
    assert httpx.get(f"{gateway.url}/health/readiness/details").status_code == 401
    headers = {"authorization": f"Bearer {virtual_key}"}
    for body in (b"", b"{}"):
        answer = httpx.post(f"{gateway.url}/key/health", headers=headers, content=body)
        assert (answer.status_code, answer.json()["key"]) == (200, "healthy")
    assert httpx.post(f"{gateway.url}/key/health", content=b"").status_code == 401
