import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends import BACKENDS
from models_registry.backends.provider_errors import MAX_MESSAGE_CHARS, error_inside, provider_error
from models_registry.dialects import Dialect
from schema.errors.upstream import ProviderAnswer, ProviderError, UpstreamError, UpstreamMalformed
from tests.models_registry.backends.making import KEY, target

TARGET = target(Dialect.OPENAI)


def error(status: int, body: object, headers: dict[str, str] | None = None) -> UpstreamError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return provider_error(status, headers or {}, raw, TARGET)


@pytest.mark.parametrize(
    ("status", "ours"),
    [(s, s) for s in (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504)]
    + [(s, s) for s in (405, 410, 415, 418, 499)]
    + [(529, 503), (498, 503), (501, 500), (505, 500), (599, 500)]
    + [(s, 502) for s in (101, 202, 204, 301, 302, 304, 600)],
)
def test_statuses_are_kept_or_mapped(status: int, ours: int) -> None:
    found = error(status, {"error": {"message": "x"}})
    assert found.http_status == ours
    assert isinstance(found, UpstreamMalformed) == (not 400 <= status < 600)


@pytest.mark.parametrize(
    ("dialect", "body", "in_envelope"),
    [
        (Dialect.OPENAI, b'{"error": {"message": "x", "type": "server_error"}}', True),
        (Dialect.OPENAI, b'{"error": {"message": "x"}}', True),
        (Dialect.OPENAI, b'{"error": "x", "code": "internal"}', True),  # xAI
        (Dialect.OPENAI, b'{"object": "error", "message": "x"}', True),  # vLLM, Mistral
        (
            Dialect.OPENAI,
            b'[{"error": {"code": 503, "message": "The model is overloaded."}}]',
            True,
        ),  # Gemini
        (
            Dialect.ANTHROPIC,
            b'{"type": "error", "error": {"type": "overloaded_error", "message": "x"}}',
            True,
        ),
        (Dialect.OLLAMA, b'{"error": "model requires more system memory (9 GiB) than is available"}', True),
        (Dialect.OPENAI, b'{"message": "Service Unavailable"}', False),  # Kong, Amazon's gateway
        (Dialect.OPENAI, b'{"error": {"code": 503}}', False),
        (Dialect.OPENAI, b'{"error": null}', False),
        (Dialect.OPENAI, b'{"error": ""}', False),
        (Dialect.OPENAI, b'{"error": {"message": "x"}', False),
        (Dialect.OPENAI, b"[]", False),
        (Dialect.OPENAI, b'[{"error": "a"}, {"error": "b"}]', False),
        (Dialect.OPENAI, b'{"type": "about:blank", "status": 503, "detail": "x"}', False),  # RFC 9457
        (Dialect.OPENAI, b"<html><h1>503 Service Unavailable</h1></html>", False),
        (Dialect.OPENAI, b"", False),
        (Dialect.OPENAI, b'{"error": {"message": "' + b"x" * 300_000 + b'"}}', False),
        (Dialect.ANTHROPIC, b'{"error": {"type": "overloaded_error"}}', False),
        (Dialect.ANTHROPIC, b'{"type": "error", "error": "overloaded"}', False),
        (Dialect.OLLAMA, b'{"error": {"message": "x"}}', False),
        (Dialect.OLLAMA, b'"error"', False),
    ],
)
def test_an_answer_says_whose_status_it_has_and_whether_the_provider_itself_spoke(
    dialect: Dialect, body: bytes, in_envelope: bool
) -> None:
    for status in (404, 500, 503, 529):
        found = BACKENDS[dialect].error(status, {}, body, target(dialect))
        assert found.answer == ProviderAnswer(status=status, in_envelope=in_envelope)


def test_an_error_inside_an_answer_has_no_answer_of_its_own() -> None:
    assert error_inside(b'{"message": "x", "code": 500}', TARGET).answer is None


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Tue, 24 Nov 2026 08:00:30 GMT", "date": "Tue, 24 Nov 2026 08:00:00 GMT"}, 30.0),
        ({"retry-after": "Tue, 24 Nov 2026 07:00:00 GMT", "date": "Tue, 24 Nov 2026 08:00:00 GMT"}, 0.0),
        ({"retry-after": "1e300"}, 86_400.0),
        ({"retry-after": "Tue, 24 Nov 2026 08:00:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 5_000}, None),
        ({"retry-after": f"Tue, {'9' * 20} Nov 2026 08:00:30 GMT", "date": "x"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], wait_s: float | None) -> None:
    assert error(429, b"", headers).retry_after_s == wait_s


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "what is wrong"}},
        {"error": "what is wrong"},
        {"detail": "what is wrong"},
        {"message": "what is wrong"},
        {"type": "error", "error": {"type": "invalid_request_error", "message": "what is wrong"}},
        [{"error": {"code": 400, "message": "what is wrong", "status": "INVALID_ARGUMENT"}}],
    ],
)
def test_the_message_is_found_in_every_known_shape(body: object) -> None:
    found = error(400, body)
    assert found.message == "what is wrong"
    assert found.error_type == "invalid_request_error"


def test_a_list_of_details_is_shown_as_it_is() -> None:
    assert (
        error(422, {"detail": [{"loc": ["body"], "msg": "bad"}]}).message == '[{"loc":["body"],"msg":"bad"}]'
    )


@pytest.mark.parametrize(
    "body", [b"", b"<html>gateway</html>", b"\xff\xfe", b"{", b"null", b"[]", b"{}", b"[" * 9999]
)
def test_a_body_that_says_nothing_gets_a_message_of_ours(body: bytes) -> None:
    found = error(400, body)
    assert (found.http_status, found.message) == (
        400,
        "The provider 'openai' of 'public' failed with status 400.",
    )


def test_a_huge_body_is_not_looked_into_and_a_long_message_is_cut() -> None:
    assert "failed with status" in error(400, {"error": {"message": "x" * 300_000}}).message
    assert len(error(400, {"error": {"message": "x" * 5000}}).message) == MAX_MESSAGE_CHARS


def test_code_param_and_type_of_the_provider_are_kept() -> None:
    body = {
        "error": {"message": "m", "type": "t", "param": "tools[0]", "code": "invalid_function_parameters"}
    }
    found = error(400, body)
    assert (found.error_type, found.param, found.code) == ("t", "tools[0]", "invalid_function_parameters")
    assert error(400, {"error": {"message": "m", "code": 400}}).code == "400"


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_credential_names_the_deployment_and_shows_nothing_of_the_provider(status: int) -> None:
    found = error(
        status, {"error": {"message": "Incorrect key sk-abc***", "type": "t", "code": "invalid_api_key"}}
    )
    assert "sk-abc" not in found.message
    assert "'openai'" in found.message
    assert "'public'" in found.message
    assert (found.http_status, found.code) == (status, "invalid_api_key")


def test_a_servers_own_failure_shows_no_text_of_it() -> None:
    assert "secret path" not in error(500, {"error": {"message": "secret path /srv"}}).message


@pytest.mark.parametrize("field", ["message", "param", "code", "type"])
def test_the_deployments_key_is_cut_out_of_every_word(field: str) -> None:
    found = error(400, {"error": {"message": "m", field: f"bad {KEY} here"}})
    assert KEY not in f"{found.message}{found.param}{found.code}{found.error_type}"


@pytest.mark.parametrize(
    "credential",
    [
        "sk-proj-abcDEF123456789",
        "sk-ant-api03-abc_DEF-123",
        "sk-pr***abcd",
        "sk-...wxyz",
        "sk-wrong****-key",
        "sk-inval**************-key",
        "invalid-*****2345",
        "test-key***enai",
        "****-key",
        "\u2022\u2022\u2022\u2022\u2022abcd",
        "gsk_abcDEF123456",
        "xai-abcdef123456",
        "AIzaSyA-1234567890abcdef",
        "AIza...cdef",
        "AKIAIOSFODNN7EXAMPLE",
        "AKIA********MPLE",
        "hf_abcdefghijklmnop",
        "nvapi-abc123DEF456",
        "ya29.a0AfH6SMB",
        "ghp_abcdefghijklmnop",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "0123456789abcdef0123456789abcdef",
        "aB3" * 20,
    ],
)
@pytest.mark.parametrize("status", [400, 404, 429])
def test_what_looks_like_a_credential_is_cut_whole_or_shortened(credential: str, status: int) -> None:
    said = f"Incorrect key ({credential}) in the request, see https://platform.example/keys"
    body = {"error": {"message": said, "code": credential, "type": credential, "param": credential}}
    for dialect, backend in BACKENDS.items():
        found = backend.error(status, {}, json.dumps(body).encode(), target(dialect))
        assert credential not in f"{found.message}{found.param}{found.code}{found.error_type}"
        assert "in the request, see https://platform.example/keys" in found.message
    inside = error_inside(json.dumps({"message": said, "code": 400}).encode(), TARGET)
    assert credential not in inside.message


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Authorization: Bearer abc.DEF-123456 is not valid", "Authorization: Bearer *** is not valid"),
        ("basic dXNlcjpwYXNz= was refused", "basic *** was refused"),
        ("Incorrect API key provided: invalid-key, sorry", "Incorrect API key provided: ***, sorry"),
        ('{"api_key": "short"} is wrong', '{"api_key": "***"} is wrong'),
        ("GET /v1?access_token=abcdef&x=1", "GET /v1?access_token=***&x=1"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\nvQIB", "***"),
    ],
)
def test_what_is_named_a_credential_is_cut_behind_its_name(said: str, shown: str) -> None:
    assert error(400, {"error": {"message": said}}).message == shown


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 4096 tokens: 5000 in the messages.",
        "Invalid 'tools[0].function.name': 'get-weather' in request req_011CeCGmBjaWkq37Sf5iU7so.",
        "The model `meta-llama/Llama-3.3-70B-Instruct-Turbo` was not found; task-12345678 failed.",
        "You exceeded **your** quota: bearer authentication is fine, basic plan, 3 * 4.",
        "Unknown parameter: 'max_tokens'; 2026-11-24T12:49:00Z, 01a20d9a-36a4-7080-b59b-392dab8e412c",
    ],
)
def test_what_is_no_credential_stays_as_it_is(said: str) -> None:
    assert error(400, {"error": {"message": said}}).message == said


def test_a_long_hostile_text_is_looked_at_in_no_time() -> None:
    for text in ("a" * 250_000, "sk-" * 80_000, "*" * 250_000, "eyJ" * 80_000, "a-" * 120_000, "=" * 250_000):
        assert len(error(400, {"error": {"message": text}}).message) <= MAX_MESSAGE_CHARS


def test_a_key_at_the_limit_of_the_message_is_not_cut_in_half() -> None:
    found = error(400, {"error": {"message": "x" * (MAX_MESSAGE_CHARS - 10) + KEY}})
    assert KEY[:8] not in found.message


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_kept_in_seconds(headers: dict[str, str], wait_s: float | None) -> None:
    assert error(429, b"", headers).retry_after_s == wait_s


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "m", "code": "context_length_exceeded"}}),
        (400, {"error": {"code": 400, "message": "m", "type": "exceed_context_size_error"}}),
        (
            400,
            {
                "object": "error",
                "message": "This model's maximum context length is 4096 tokens.",
                "code": 400,
            },
        ),
        (400, {"type": "error", "error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}),
        (400, {"error": "prompt too long; exceeded max context length by 5 tokens"}),
        (400, {"error": "the input length exceeds the context length"}),
        (500, {"error": {"message": "the request exceeds the available context size"}}),
        (413, {"error": {"message": "Please reduce: maximum context length"}}),
        (400, {"message": "The input (9 tokens) is longer than the model's context length (8 tokens)."}),
        (400, {"error": "The model is loaded with context length of only 4096 tokens."}),
        (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096."}),
        (400, {"error": "This model's maximum prompt length is 8 but the request contains 9 tokens."}),
    ],
)
def test_a_prompt_that_is_too_long_has_one_code_everywhere(status: int, body: object) -> None:
    found = error(status, body)
    assert (found.http_status, found.code) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("inside", "status"),
    [
        ({"type": "overloaded_error"}, 503),
        ({"type": "rate_limit_error"}, 429),
        ({"code": "insufficient_quota"}, 429),
        ({"code": 529}, 503),
        ({"status_code": 400, "code": "tool_use_failed"}, 400),
        ({"code": 404}, 404),
        ({"code": 700}, 502),
        ({"type": "new_kind"}, 502),
        ("text", 502),
        (7, 502),
    ],
)
def test_an_error_inside_an_answer_has_the_status_of_its_kind(inside: object, status: int) -> None:
    assert error_inside(json.dumps(inside).encode(), TARGET).http_status == status


@given(st.integers(100, 999), st.binary(max_size=100))
def test_any_answer_is_an_error_with_a_failing_status(status: int, body: bytes) -> None:
    for dialect, backend in BACKENDS.items():
        found = backend.error(status, {}, body, target(dialect))
        assert 400 <= found.http_status < 600
        assert found.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "detail", "param"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@given(JSON)
def test_any_json_is_an_error_without_a_crash(body: object) -> None:
    assert isinstance(error(400, body), ProviderError)


@pytest.mark.parametrize(
    "body",
    [
        b"what is wrong",
        b"what is wrong\n",
        {"errors": [{"message": "what is wrong"}]},
        {"errors": ["what is wrong"]},
        {"errors": {"message": "what is wrong"}},
        {"error": [{"message": "what is wrong"}]},
        {"error": {"error": {"message": "what is wrong"}}},
        {"error": {"message": {"detail": "what is wrong"}}},
        {"detail": {"message": "what is wrong"}},
        {"error_description": "what is wrong", "type": "x"},
        {"type": "about:blank", "title": "Bad", "detail": "what is wrong"},
        "what is wrong",
    ],
)
def test_the_reason_is_found_wherever_servers_put_it(body: object) -> None:
    for status in (400, 404, 422, 429):
        found = error(status, body)
        assert (found.message, found.said) == ("what is wrong", "what is wrong")


def test_several_reasons_and_a_hosts_own_upstream_are_told() -> None:
    assert error(400, {"errors": [{"message": "one"}, {"message": "two"}]}).message == "one; two"
    raw = {"error": {"message": "Provider returned error", "metadata": {"raw": "context is full"}}}
    assert error(400, raw).message == "Provider returned error: context is full"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 599])
def test_the_words_of_a_5xx_are_the_callers_where_the_model_is_local(status: int) -> None:
    body = json.dumps({"error": "model requires more system memory (9 GiB) than is available"}).encode()
    for dialect in Dialect:
        away, local = target(dialect), msgspec.structs.replace(target(dialect), local=True)
        found = BACKENDS[dialect].error(status, {}, body, away)
        assert found.http_status < 600
        assert "more system memory" in found.said
        assert "more system memory" not in found.message
        near = BACKENDS[dialect].error(status, {}, body, local)
        assert "more system memory" in near.said
        assert "more system memory" in near.message


def test_a_refused_credential_says_in_the_log_alone_why() -> None:
    for status in (401, 402, 403):
        found = error(status, {"error": {"message": f"Incorrect key {KEY} of the project 'blue'"}})
        assert "blue" not in found.message
        assert "project 'blue'" in found.said
        assert KEY not in found.said


@pytest.mark.parametrize(
    "text",
    [f"bad key {KEY}", "see https://ada:hunter22@db.test/x", "password: hunter22", "sk-proj-abcd1234efgh"],
)
def test_no_words_hold_a_credential(text: str) -> None:
    near = msgspec.structs.replace(TARGET, local=True)
    for status in (400, 401, 500, 503):
        for body in (text.encode(), json.dumps({"errors": [text]}).encode()):
            found = provider_error(status, {}, body, near)
            for secret in (KEY, "hunter22", "sk-proj-abcd1234efgh"):
                assert secret not in found.message + found.said


@pytest.mark.parametrize("body", [b"x" * 20_000, b"\x00\x01 words", b"<p>words</p>", b"  {broken: words"])
def test_what_is_no_text_for_people_is_no_reason(body: bytes) -> None:
    assert error(400, body).said == ""
