"""The user's document, sentence by sentence: each sentence that can be run is run here.

A capability that is not built yet is an expected failure that names what it waits for. The test must fail, so
that its mark is taken away on the day the capability is built. The tests here are about calls, costs and
models. `test_seed_roles.py` and `test_seed_sign_in.py` have the tests about people, and `tests/system` has
those that need nginx, containers or a browser. `tests/e2e/document.py` holds the sentences, and the two files
beside it say which test runs which sentence.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import openai
import pytest
import yaml

from tests.e2e.gateway import ROOT, Gateway, clean_environment, query, serving
from tests.e2e.provider_names import PROVIDERS
from tests.e2e.seed import (
    CLOUD,
    CONFIG,
    HELLO,
    LOCAL,
    ask,
    client,
    provider_env,
    shipped_config,
)
from tests.fakes.answers import COMPLETION_TOKENS, PROMPT_TOKENS
from tests.fakes.hostile_upstream import HostileUpstream

SAID_USD = {  # dollars per 1K tokens, as the document has them: gpt-4's prompts, claude's answers
    "gpt-4": (Decimal("0.03"), Decimal("0.06")),
    "claude-3-sonnet": (Decimal("0.003"), Decimal("0.015")),
}


# One API, many models


@pytest.mark.parametrize("model", [*CLOUD, *LOCAL])
def test_any_openai_sdk_calls_every_model_of_the_document(
    seed: Gateway, upstream: HostileUpstream, model: str
) -> None:
    ask(seed, upstream, model, f"any-{model}")


def test_post_v1_chat_completions_with_curl(seed: Gateway) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    answer = subprocess.run(
        [
            "curl", "-sf", f"{seed.url}/v1/chat/completions",
            "-H", f"Authorization: Bearer {seed.key}",
            "-H", "Content-Type: application/json",
            "-d", '{ "model": "mistral-local", "messages": [{"role": "user", "content": "Hi"}] }',
        ],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    assert '"chat.completion"' in answer.stdout


def test_gpt_4_calls_the_openai_api(seed: Gateway, upstream: HostileUpstream) -> None:
    seen = ask(seed, upstream, "gpt-4", "route-gpt-4")
    assert (seen.path, seen.model, seen.headers["authorization"]) == (
        "/v1/chat/completions",
        "gpt-4",
        "Bearer sk-openai",
    )


def test_claude_3_sonnet_calls_the_anthropic_api(seed: Gateway, upstream: HostileUpstream) -> None:
    seen = ask(seed, upstream, "claude-3-sonnet", "route-claude")
    assert (seen.path, seen.headers["x-api-key"]) == ("/v1/messages", "sk-ant")


def test_mistral_local_calls_the_ollama_container(seed: Gateway, upstream: HostileUpstream) -> None:
    seen = ask(seed, upstream, "mistral-local", "route-mistral")
    assert (seen.path, seen.model) == ("/api/chat", "mistral")


def test_a_request_is_translated_into_the_providers_words(seed: Gateway, upstream: HostileUpstream) -> None:
    """The system prompt and the bound of the answer have another place with each provider."""
    before = len(upstream.requests)
    said = [{"role": "system", "content": "Be short."}, *HELLO]
    for model in ("gpt-4", "claude-3-sonnet", "mistral-local"):
        client(seed).chat.completions.create(model=model, messages=said, max_tokens=9)
    openais, anthropics, ollamas = (seen.fields for seen in upstream.requests[before:])
    assert (openais["messages"], openais["max_tokens"]) == (said, 9)
    parts = [{"type": "text", "text": "Hello"}]
    assert (anthropics["messages"], anthropics["max_tokens"]) == ([{"role": "user", "content": parts}], 9)
    assert "Be short." in json.dumps(anthropics["system"])
    options = ollamas["options"]
    assert isinstance(options, dict)
    assert (ollamas["messages"], options["num_predict"]) == (said, 9)


def test_the_answer_is_in_openais_format_whoever_gave_it(seed: Gateway) -> None:
    shapes = set()
    for model in ("gpt-4", "claude-3-sonnet", "mistral-local"):
        answer = client(seed).chat.completions.create(model=model, messages=HELLO)
        assert answer.choices[0].message.content
        shapes.add((answer.object, answer.choices[0].message.role, answer.choices[0].finish_reason))
    assert shapes == {("chat.completion", "assistant", "stop")}


def test_more_than_100_providers_are_reached_by_their_names(
    postgres_dsn: str, tmp_path: Path, upstream: HostileUpstream
) -> None:
    """One deployment for each provider of the list, all at the fake one's address."""
    params = {"api_base": f"{upstream.url}/v1", "api_key": "sk-of-the-provider"}
    models = [
        {"model_name": name, "litellm_params": {"model": f"{name}/any-model", **params}} for name in PROVIDERS
    ]
    answered = []
    with serving(tmp_path, {"model_list": models}, postgres_dsn) as gateway:
        program = client(gateway)
        for name in PROVIDERS:
            try:
                program.chat.completions.create(model=name, messages=HELLO)
            except openai.NotFoundError:  # its deployment names no provider
                continue
            answered.append(name)
    assert len(answered) > 100, f"only {len(answered)} of {len(PROVIDERS)} providers are known: {answered}"


# Cost tracking


@pytest.mark.parametrize("model", SAID_USD)
def test_cloud_apis_are_charged_per_token(seed: Gateway, upstream: HostileUpstream, model: str) -> None:
    ask(seed, upstream, model, f"cost-{model}")
    row = seed.row(f"cost-{model}")
    prompt_usd, answer_usd = SAID_USD[model]
    expected = (row.prompt_tokens * prompt_usd + row.completion_tokens * answer_usd) / 1000
    assert (row.prompt_tokens, row.completion_tokens) == (PROMPT_TOKENS, COMPLETION_TOKENS)
    assert Decimal(row.spend) == expected


PROGRAM = """
client = OpenAI(base_url="https://litellm.deeprunner.ai/v1", api_key="sk-xxx")

# Cloud API (OpenAI) - costs $0.03/1K tokens
client.chat.completions.create(model="gpt-4", messages=[...])

# Cloud API (Anthropic) - costs $0.015/1K tokens
client.chat.completions.create(model="claude-3-sonnet", messages=[...])

# Local OSS (Ollama) - FREE, private, no external call
client.chat.completions.create(model="mistral-local", messages=[...])
"""
"""The document's, verbatim. Its `[...]` stands for messages."""


def test_the_documents_program_costs_what_its_comments_say(
    postgres_dsn: str, tmp_path: Path, upstream: HostileUpstream
) -> None:
    with HostileUpstream().in_thread() as ollama:
        document, env = shipped_config(ollama.url), provider_env(upstream.url)
        with serving(tmp_path, document, postgres_dsn, env=env) as gateway:
            before = len(upstream.requests)
            program = PROGRAM.replace("https://litellm.deeprunner.ai", gateway.url)
            program = program.replace("sk-xxx", gateway.key).replace("[...]", repr(HELLO))
            exec(program, {"OpenAI": openai.OpenAI})
            asked = [(seen.path, seen.model) for seen in upstream.requests[before:]]
            others = {
                link.raddr.ip
                for process in gateway.process.family()
                for link in process.net_connections(kind="inet")
                if link.raddr
            }
            rows = gateway.rows(count=3)
            logs = {row["model_group"]: row for row in gateway.get("/spend/logs").json(parse_float=Decimal)}
    assert asked == [("/v1/chat/completions", "gpt-4"), ("/v1/messages", "claude-sonnet-4-6")]
    assert [(seen.path, seen.model) for seen in ollama.requests] == [("/api/chat", "mistral")]
    assert others
    assert others <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert [row.model_group for row in rows] == ["gpt-4", "claude-3-sonnet", "mistral-local"]
    costs = {name: row["metadata"]["cost_breakdown"] for name, row in logs.items()}
    of_prompts = costs["gpt-4"]["input_cost"] / rows[0].prompt_tokens * 1000
    of_answers = costs["claude-3-sonnet"]["output_cost"] / rows[1].completion_tokens * 1000
    assert (of_prompts, of_answers) == (Decimal("0.03"), Decimal("0.015"))
    assert Decimal(rows[2].spend) == 0
    assert [Decimal(row.spend) for row in rows[:2]] == [
        rows[0].prompt_tokens * Decimal("0.00003") + rows[0].completion_tokens * Decimal("0.00006"),
        rows[1].prompt_tokens * Decimal("0.000003") + rows[1].completion_tokens * Decimal("0.000015"),
    ]
    assert {name: row["price_source"] for name, row in logs.items()} == {
        "gpt-4": "genai-prices",
        "claude-3-sonnet": "genai-prices",
        "mistral-local": "local",
    }
    assert all(logs[name]["price_version"] for name in ("gpt-4", "claude-3-sonnet"))


@pytest.mark.parametrize("model", LOCAL)
def test_local_models_cost_0_dollars_per_request(
    seed: Gateway, upstream: HostileUpstream, model: str
) -> None:
    ask(seed, upstream, model, f"cost-{model}")
    assert Decimal(seed.row(f"cost-{model}").spend) == 0


def test_every_request_is_logged_with_model_tokens_cost_and_latency(
    seed: Gateway, upstream: HostileUpstream
) -> None:
    ask(seed, upstream, "gpt-4", "logged")
    sql = """SELECT model, total_tokens, spend, request_duration_ms FROM "LiteLLM_SpendLogs"
             WHERE litellm_call_id = 'logged'"""
    seed.row("logged")
    (row,) = asyncio.run(query(seed.dsn, sql))
    assert (row["model"], row["total_tokens"]) == ("gpt-4", PROMPT_TOKENS + COMPLETION_TOKENS)
    assert row["spend"] > 0
    assert row["request_duration_ms"] >= 0


# Available models


def test_the_documents_yaml_adds_a_model_and_a_restart_serves_it(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    added = yaml.safe_load(
        """
        - model_name: llama3-local
          litellm_params:
            model: ollama/llama3
            api_base: http://ollama:11434
        """.replace("http://ollama:11434", upstream.url)
    )
    with serving(tmp_path, {"model_list": added}, postgres_dsn) as restarted:
        assert ask(restarted, upstream, "llama3-local", "added").model == "llama3"


def test_a_local_model_that_is_not_pulled_says_how_to_pull_it(seed: Gateway, tmp_path: Path) -> None:
    with HostileUpstream("ollama_not_pulled").in_thread() as ollama:
        document = shipped_config(ollama.url)
        with serving(tmp_path, document, seed.dsn) as running, pytest.raises(openai.NotFoundError) as caught:
            client(running).chat.completions.create(model="mistral-local", messages=HELLO)
    assert "docker exec litellm-ollama ollama pull mistral" in caught.value.message


def test_the_shipped_config_has_the_documents_models_and_no_error(seed: Gateway) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "runtime", "serve", "--check-config", "--config", str(CONFIG)],
        cwd=ROOT,
        env=clean_environment(
            {
                "OPENAI_API_KEY": "sk-openai",
                "ANTHROPIC_API_KEY": "sk-ant",
                "LITELLM_MASTER_KEY": seed.key,
                "DATABASE_URL": seed.dsn,
            }
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert {card.id for card in client(seed).models.list()} == {*CLOUD, *LOCAL}


# Why Ollama


def test_what_is_said_to_a_local_model_reaches_no_cloud(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    """Also where the local model fails: there is no way round by a cloud."""
    secret = "the-sensitive-data-of-this-test"
    with HostileUpstream("ollama_not_pulled").in_thread() as broken, HostileUpstream().in_thread() as ollama:
        config = shipped_config(broken.url)
        for entry in config["model_list"]:
            if entry["model_name"] == "llama3-local":
                entry["litellm_params"]["api_base"] = ollama.url
        with serving(tmp_path, config, postgres_dsn, env=provider_env(upstream.url)) as gateway:
            for model in ("llama3-local", "mistral-local"):
                said = [{"role": "user", "content": secret}]
                answer = gateway.post("/v1/chat/completions", model=model, messages=said)
                assert (answer.status_code == 200) == (model == "llama3-local"), answer.text
    assert [secret.encode() in seen.body for seen in ollama.requests] == [True]
    assert any(secret.encode() in seen.body for seen in broken.requests)
    assert not any(secret.encode() in seen.body for seen in upstream.requests)


@pytest.mark.usefixtures("model")
def test_inference_runs_on_this_machines_cpu(gateway: Gateway) -> None:
    answer = client(gateway).chat.completions.create(
        model="smollm2-local",
        messages=HELLO,
        max_tokens=8,
        extra_headers={"x-litellm-call-id": "on-this-cpu"},
    )
    assert answer.choices[0].message.content
    row = gateway.row("on-this-cpu")
    assert 0 < row.completion_tokens <= 8
    assert Decimal(row.spend) == 0


LOOPBACK_ALONE = """
import fcntl, os, socket, struct, sys
with socket.socket() as sock:  # SIOCSIFFLAGS, IFF_UP
    fcntl.ioctl(sock, 0x8914, struct.pack("16sh", b"lo", 1))
os.execv(sys.executable, [sys.executable, "-m", "runtime", *sys.argv[1:]])
"""


@pytest.mark.usefixtures("model")
def test_a_local_model_answers_on_a_machine_without_any_network(tmp_path: Path) -> None:
    """In a network namespace of its own, which has the loopback interface and nothing else."""
    alone = ["unshare", "--net" if os.geteuid() == 0 else "-rn"] if hasattr(os, "geteuid") else []
    if not alone or shutil.which("unshare") is None or subprocess.run([*alone, "true"]).returncode != 0:
        pytest.skip("no network namespace can be made here")
    body = {"model": "smollm2-local", "messages": HELLO, "max_tokens": 8}
    done = subprocess.run(
        [*alone, sys.executable, "-c", LOOPBACK_ALONE, "invoke", "chat", json.dumps(body)],
        cwd=ROOT,
        env=clean_environment({"SWITCHGEAR_DATA": str(tmp_path / "data")}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["choices"][0]["message"]["content"]
