"""`just try-provider` against hosts that work, and hosts that don't."""

import json
from pathlib import Path

import pytest

from models_registry.facts.table import facts_of
from runtime.commands.try_provider import TryOptions, cheapest, try_provider
from tests.fakes.certificates import self_signed, server_context
from tests.fakes.json_server import Asked, json_server
from tests.runtime.guarded.test_fetcher import answer, host

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
}
VECTORS = {"object": "list", "data": [{"index": 0, "embedding": [0.1, 0.2, 0.3]}], "model": "e"}
KEY = {"OPENAI_API_KEY": "sk-the-secret"}


def options(name: str, **more: str) -> TryOptions:
    return TryOptions(name=name, **more)  # type: ignore[arg-type]  # the tests' own words


def test_a_provider_that_works_is_told_with_what_it_cost(capsys: pytest.CaptureFixture[str]) -> None:
    with json_server(lambda asked: (200, json.dumps(COMPLETION).encode())) as server:
        env = {**KEY, "OPENAI_API_BASE": f"{server.url}/v1"}
        assert try_provider(options("openai/gpt-4o-mini"), {}, env) == 0
    (asked,) = server.asked
    assert (asked.path, asked.headers["authorization"]) == ("/v1/chat/completions", "Bearer sk-the-secret")
    assert json.loads(asked.body) == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 16,
    }
    out = capsys.readouterr().out
    assert "works: answered in" in out
    assert "'Hello!'" in out
    assert "8 tokens in, 2 out, $0.0000024; booked nowhere" in out
    assert "sk-the-secret" not in out


def test_a_model_of_the_config_is_called_at_each_deployment(capsys: pytest.CaptureFixture[str]) -> None:
    def answers(asked: Asked) -> tuple[int, bytes]:
        if b'"two"' in asked.body:
            return 404, b'{"error":{"message":"The model `two` does not exist","code":"model_not_found"}}'
        return 200, json.dumps(COMPLETION).encode()

    with json_server(answers) as server:
        models = [
            {
                "model_name": "gpt",
                "litellm_params": {"model": f"openai/{model}", "api_base": server.url, "api_key": "k"},
            }
            for model in ("one", "two")
        ]
        assert try_provider(options("gpt"), {"model_list": models}, {}) == 1
    out = capsys.readouterr().out
    assert "openai/one at" in out
    assert "price unknown" in out
    assert "failed after" in out
    assert ": model\n" in out
    assert "The provider has no model `two`." in out


def test_an_embedding_model_is_asked_for_a_vector(capsys: pytest.CaptureFixture[str]) -> None:
    with json_server(lambda asked: (200, json.dumps(VECTORS).encode())) as server:
        env = {**KEY, "OPENAI_API_BASE": server.url}
        assert try_provider(options("openai/text-embedding-3-small"), {}, env) == 0
        assert try_provider(options("openai/mine", mode="embedding"), {}, env) == 0
    assert [asked.path for asked in server.asked] == ["/embeddings", "/embeddings"]
    assert capsys.readouterr().out.count("'3 numbers'") == 2


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (answer(b"<html>hi</html>"), "answer"),
        (answer(b"<html>", status="404 Not Found"), "address"),
        (answer(b'{"error":{"message":"bad key"}}', status="401 No"), "key"),
        (b"SSH-2.0\r\n", "answer"),
    ],
)
def test_what_is_wrong_is_said_in_a_word(
    reply: bytes, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with host(lambda path: reply) as (port, _):
        env = {**KEY, "OPENAI_API_BASE": f"http://127.0.0.1:{port}/v1"}
        assert try_provider(options("openai/gpt-4o-mini"), {}, env) == 1
    assert f" ms: {fault}\n" in capsys.readouterr().out


def test_a_host_without_a_believed_certificate_is_a_fault_of_tls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with host(lambda path: answer(), server_context(self_signed(tmp_path))) as (port, _):
        env = {**KEY, "OPENAI_API_BASE": f"https://127.0.0.1:{port}/v1"}
        assert try_provider(options("openai/gpt-4o-mini"), {}, env) == 1
    assert " ms: tls\n" in capsys.readouterr().out


def test_a_key_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert try_provider(options("groq/llama-3.1-8b-instant"), {}, {}) == 1
    assert "GROQ_API_KEY" in capsys.readouterr().out


def test_a_name_that_is_none_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert try_provider(options("nonsense"), {}, {}) == 2
    assert "no provider" in capsys.readouterr().err


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "groq", "mistral", "deepseek"])
def test_a_provider_without_a_model_is_tried_with_a_cheap_one_that_knows_tools(provider: str) -> None:
    model = cheapest(provider, "chat")
    assert model is not None
    facts = facts_of(provider, model)
    assert facts is not None
    assert facts.tools
