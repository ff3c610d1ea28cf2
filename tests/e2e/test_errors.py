"""Every way a call can fail: its status, its envelope, the SDK's exception, and its row in the ledger."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import NamedTuple

import httpx
import msgspec
import openai
import pytest

from tests.e2e.conftest import MAX_BODY_MB, PROVIDER_KEY
from tests.e2e.gateway import Gateway, until

ASK = [{"role": "user", "content": "What carries the load?"}]
UNKNOWN_KEY = "sk-nobody-has-ever-made-this-key"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a model that fails, and what its caller and the ledger see."""

    model: str
    status: int
    raised: type[openai.APIStatusError]
    code: str
    reason: str = "provider_error"
    kind: str = "upstream_error"
    outcome: str = "uncertain"
    """`failed` costs nothing: the provider did no work."""
    error_class: str = "ProviderError"

    def __str__(self) -> str:
        return self.model


ODD_ANSWERS = (
    "garbage_json",
    "garbage_http",
    "empty_200",
    "bad_gzip",
    "endless_body",
    "status_101",
    "status_204",
    "status_205",
    "status_304",
    "status_600",
    "length_of_5000_digits",
    "chunk_of_5000_digits",
)

CASES = (
    Case(
        model="no-such-model",
        status=404,
        raised=openai.NotFoundError,
        code="model_not_found",
        reason="model_not_found",
        kind="invalid_request_error",
        outcome="refused",
        error_class="ModelNotFound",
    ),
    Case(
        model="down",
        status=500,
        raised=openai.InternalServerError,
        code="500",
        reason="upstream_unreachable",
        kind="internal_server_error",
        outcome="failed",
        error_class="UpstreamUnreachable",
    ),
    Case(
        model="slow/never_answers",
        status=408,
        raised=openai.APIStatusError,
        code="408",
        reason="upstream_timeout",
        kind="timeout_error",
        error_class="UpstreamTimeout",
    ),
    Case(
        model="slow/slow_headers",
        status=408,
        raised=openai.APIStatusError,
        code="408",
        reason="upstream_timeout",
        kind="timeout_error",
        error_class="UpstreamTimeout",
    ),
    Case(
        model="hostile/status_400_context",
        status=400,
        raised=openai.BadRequestError,
        code="context_length_exceeded",
        kind="invalid_request_error",
        outcome="failed",
    ),
    Case(
        model="hostile/status_401",
        status=401,
        raised=openai.AuthenticationError,
        code="invalid_api_key",
        kind="authentication_error",
        outcome="failed",
    ),
    Case(
        model="hostile/status_403",
        status=403,
        raised=openai.PermissionDeniedError,
        code="403",
        kind="permission_error",
        outcome="failed",
    ),
    Case(
        model="hostile/status_404",
        status=404,
        raised=openai.NotFoundError,
        code="model_not_found",
        kind="invalid_request_error",
        outcome="failed",
    ),
    Case(
        model="hostile/status_429_retry_after",
        status=429,
        raised=openai.RateLimitError,
        code="rate_limit_exceeded",
        kind="rate_limit_error",
        outcome="failed",
    ),
    Case(
        model="hostile/status_500",
        status=500,
        raised=openai.InternalServerError,
        code="500",
        kind="server_error",
        outcome="failed",
    ),
    Case(
        model="hostile/status_503",
        status=503,
        raised=openai.InternalServerError,
        code="503",
        kind="server_error",
        outcome="failed",
    ),
    Case(
        model="hostile/status_529",
        status=503,
        raised=openai.InternalServerError,
        code="503",
        kind="overloaded_error",
        outcome="failed",
    ),
    Case(
        model="hostile/html_error",
        status=502,
        raised=openai.InternalServerError,
        code="502",
        kind="internal_server_error",
    ),
    *(
        Case(
            model=f"hostile/{script}",
            status=502,
            raised=openai.InternalServerError,
            code="502",
            reason="upstream_malformed",
            error_class="UpstreamMalformed",
        )
        for script in ODD_ANSWERS
    ),
    *(
        Case(
            model=f"hostile/{script}",
            status=502,
            raised=openai.InternalServerError,
            code="502",
            reason="upstream_cut",
            error_class="UpstreamCut",
        )
        for script in ("hangs_up", "short_body", "short_error")
    ),
)


@pytest.fixture(scope="module")
def client(gateway: Gateway, virtual_key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=virtual_key, max_retries=0) as client:
        yield client


def raised_by(client: openai.OpenAI, model: str, call_id: str, *, stream: bool) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(
            model=model,
            messages=ASK,  # type: ignore[arg-type]
            stream=stream,
            extra_headers={"x-litellm-call-id": call_id},
        )
    return caught.value


class Failure(NamedTuple):
    """What became of a case's call."""

    call_id: str
    error: openai.APIStatusError


@pytest.fixture(scope="module")
def failures(client: openai.OpenAI) -> Mapping[str, Failure]:
    """Every case called, at the same time: most of a failure is waiting."""

    def call(case: Case) -> Failure:
        call_id = f"e2e-{uuid.uuid4().hex}"
        return Failure(call_id, raised_by(client, case.model, call_id, stream=False))

    with ThreadPoolExecutor(len(CASES)) as threads:
        return dict(zip(map(str, CASES), threads.map(call, CASES), strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_failed_call_has_its_status_its_exception_and_one_row(
    gateway: Gateway, failures: Mapping[str, Failure], case: Case
) -> None:
    call_id, error = failures[case.model]
    assert (type(error) is openai.APIStatusError) == (case.raised is openai.APIStatusError)
    assert isinstance(error, case.raised)
    assert (error.status_code, error.code, error.type) == (case.status, case.code, case.kind)
    envelope = error.response.json()
    assert set(envelope) == {"error"}
    assert envelope["error"]["reason"] == case.reason
    assert set(envelope["error"]) == {"message", "type", "param", "code", "reason"}
    assert PROVIDER_KEY not in error.response.text
    row = gateway.row(call_id)
    assert (row.outcome, row.status, row.http_status) == (case.outcome, "failure", case.status)
    assert row.error_class == case.error_class
    assert (row.completion_tokens > 0) == (case.outcome == "uncertain")
    assert (Decimal(row.spend) > 0) == (case.outcome == "uncertain"), "the bound, where nobody knows"


@pytest.mark.parametrize(
    "model", ["no-such-model", "down", "hostile/status_429", "hostile/empty_200", "hostile/error_first_frame"]
)
def test_a_stream_that_fails_at_once_is_a_status_and_no_stream(
    gateway: Gateway, client: openai.OpenAI, model: str
) -> None:
    call_id = f"e2e-{uuid.uuid4().hex}"
    error = raised_by(client, model, call_id, stream=True)
    assert error.response.headers["content-type"] == "application/json"
    row = gateway.row(call_id)
    assert (row.status, row.http_status) == ("failure", error.status_code)


def test_retry_after_reaches_the_caller(client: openai.OpenAI, failures: Mapping[str, Failure]) -> None:
    for script, seconds in (("status_429_retry_after", "7"), ("status_503", "3")):
        error = failures[f"hostile/{script}"].error
        assert error.response.headers["retry-after"] == seconds
    assert (
        "retry-after" not in raised_by(client, "hostile/status_429", "retry", stream=False).response.headers
    )


def test_a_model_that_the_key_may_not_use_is_refused_with_a_row(gateway: Gateway) -> None:
    key = gateway.virtual_key("one-model", models=["down"])
    call_id = f"e2e-{uuid.uuid4().hex}"
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as client:
        error = raised_by(client, "hostile/happy", call_id, stream=False)
    assert isinstance(error, openai.PermissionDeniedError)
    assert (error.code, error.type, error.param) == ("403", "key_model_access_denied", "model")
    assert error.response.json()["error"]["reason"] == "key_model_access_denied"
    row = gateway.row(call_id)
    assert (row.outcome, row.http_status, row.model_group) == ("refused", 403, "hostile/happy")


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose body is wrong."""

    name: str
    content: bytes
    says: str
    status: int = 400
    param: str | None = None
    error_class: str = "InvalidRequest"

    def __str__(self) -> str:
        return self.name


def chat_body(**changed: object) -> bytes:
    return json.dumps({"model": "hostile/happy", "messages": ASK, **changed}).encode()


BODIES = (
    Body(name="malformed", content=b'{"model": "x", ', says="not valid JSON"),
    Body(name="empty", content=b"", says="not valid JSON"),
    Body(name="not utf-8", content=b'{"model": "\xff", "messages": []}', says="not valid JSON"),
    Body(
        name="deep",
        content=chat_body()[:-1] + b', "x": ' + b"[" * 100_000,
        says="400 levels",
        error_class="TooComplex",
    ),
    Body(name="array", content=b"[]", says="object"),
    Body(name="no model", content=b'{"messages": []}', says="model", param="model"),
    Body(name="wrong type", content=chat_body(temperature="hot"), says="float", param="temperature"),
    Body(name="wrong item", content=chat_body(messages=[{"role": 7}]), says="str", param="messages[0].role"),
    Body(name="twice", content=chat_body()[:-1] + b', "model": "other"}', says="twice"),
)


def raw_call(
    gateway: Gateway, content: bytes | Iterator[bytes], call_id: str, *, key: str | None = None
) -> httpx.Response:
    headers = {"content-type": "application/json", "x-litellm-call-id": call_id}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    return httpx.post(f"{gateway.url}/v1/chat/completions", content=content, headers=headers, timeout=30)


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_a_wrong_body_is_refused_by_its_path_with_one_row(
    gateway: Gateway, virtual_key: str, body: Body
) -> None:
    call_id = f"e2e-{uuid.uuid4().hex}"
    answer = raw_call(gateway, body.content, call_id, key=virtual_key)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (body.status, "invalid_request_error")
    assert body.says in error["message"]
    assert error["param"] == body.param
    row = gateway.row(call_id)
    assert (row.outcome, row.http_status, row.error_class) == ("refused", 400, body.error_class)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversized_body_is_413_with_one_row(gateway: Gateway, virtual_key: str, chunked: bool) -> None:
    call_id = f"e2e-{uuid.uuid4().hex}"
    size = MAX_BODY_MB * 1024 * 1024 + 1
    content = chat_body(user="u" * size)
    pieces = (content[at : at + 65536] for at in range(0, len(content), 65536))
    answer = raw_call(gateway, pieces if chunked else content, call_id, key=virtual_key)
    assert answer.status_code == 413
    assert answer.json()["error"]["reason"] == "request_too_large"
    assert gateway.row(call_id).http_status == 413


def test_a_body_of_just_the_limit_is_taken(gateway: Gateway, virtual_key: str) -> None:
    room = MAX_BODY_MB * 1024 * 1024 - len(chat_body(user=""))
    answer = raw_call(gateway, chat_body(user="u" * room), "just", key=virtual_key)
    assert answer.status_code == 200


def rows_so_far(gateway: Gateway) -> int:
    """The ledger's size when a call made just now is in it: rows are booked in order."""
    call_id = f"e2e-{uuid.uuid4().hex}"
    raw_call(gateway, chat_body(model="no-such-model"), call_id, key=gateway.key)
    gateway.row(call_id)
    return len(gateway.rows())


def test_callers_that_nobody_knows_leave_no_row(gateway: Gateway) -> None:
    before = rows_so_far(gateway)
    unknown = raw_call(gateway, chat_body(), "nobody", key=UNKNOWN_KEY)
    missing = raw_call(gateway, chat_body(), "nobody")
    malformed = raw_call(gateway, chat_body(), "nobody", key="not-a-key")
    broken = raw_call(gateway, b"{", "nobody", key=UNKNOWN_KEY)
    large = raw_call(gateway, chat_body(user="u" * (MAX_BODY_MB << 20)), "nobody", key=UNKNOWN_KEY)
    for answer in (unknown, missing, malformed, broken, large):
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert UNKNOWN_KEY not in answer.text
    assert unknown.json()["error"]["type"] == "token_not_found_in_db"
    assert missing.json()["error"]["message"].startswith("Authentication Error,")
    assert rows_so_far(gateway) == before + 1


def test_the_sdk_raises_its_authentication_error_for_a_bad_key(gateway: Gateway) -> None:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=UNKNOWN_KEY, max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model="hostile/happy", messages=ASK)  # type: ignore[arg-type]
        assert caught.value.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            client.models.list()


def test_a_key_works_until_it_expires_or_is_deleted(gateway: Gateway) -> None:
    brief = gateway.virtual_key("brief", duration="1s")
    made_at = time.monotonic()
    until(lambda: gateway.get("/v1/models", key=brief).status_code == 401, what="the key's end")
    assert time.monotonic() - made_at >= 0.9
    assert gateway.get("/v1/models", key=brief).json()["error"]["reason"] == "expired_key"
    gone = gateway.virtual_key("gone")
    assert gateway.get("/v1/models", key=gone).status_code == 200
    assert gateway.post("/key/delete", keys=[gone]).status_code == 200
    assert gateway.get("/v1/models", key=gone).status_code == 401


def test_a_service_key_makes_no_keys(gateway: Gateway) -> None:
    service_key = gateway.virtual_key("nobody's")
    answer = gateway.post("/key/generate", key=service_key, key_alias="mine")
    assert answer.status_code == 403
    assert answer.json()["error"]["type"] == "permission_error"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("PUT", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("DELETE", "/v1/models/down", 405),
        ("POST", "/health/readiness", 405),
        ("POST", "/openapi.json", 405),
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/chat/completions/more", 404),
        ("GET", "/v1/chat/../../etc/passwd", 404),
    ],
)
def test_a_wrong_method_or_path_answers_in_the_envelope(
    gateway: Gateway, virtual_key: str, method: str, path: str, status: int
) -> None:
    headers = {"authorization": f"Bearer {virtual_key}"}
    answer = httpx.request(method, gateway.url + path, headers=headers, json=None)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code", "reason"}
    if status == 405:
        assert answer.headers["allow"]
