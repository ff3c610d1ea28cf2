"""The user's document, sentence by sentence: what it says that can be run, is run here.

A capability that is not built yet is an expected failure that names what it waits for; it must fail,
so that the mark goes away with the day it is built.
"""

import asyncio
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.gateway import Gateway, query, serving
from tests.fakes.answers import COMPLETION_TOKENS, PROMPT_TOKENS
from tests.fakes.hostile_upstream import HostileUpstream, Seen

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
CONFIG = INFRA / "config" / "litellm-config.yaml"
HELLO: Any = [{"role": "user", "content": "Hello"}]
CLOUD = ("gpt-4", "gpt-3.5-turbo", "claude-3-sonnet")
LOCAL = ("mistral-local", "llama3-local", "codellama-local", "phi3-local")
SAID_USD = {  # dollars per 1K tokens, as the document has them: gpt-4's prompts, claude's answers
    "gpt-4": (Decimal("0.03"), Decimal("0.06")),
    "claude-3-sonnet": (Decimal("0.003"), Decimal("0.015")),
}


def waits_for(capability: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(strict=True, reason=f"waits for {capability}")


@pytest.fixture(scope="module")
def seed(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """The shipped config, with the three providers' addresses turned to the fake one."""
    name = f"seed_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    document = yaml.safe_load(CONFIG.read_text().replace("http://ollama:11434", upstream.url))
    document["general_settings"].pop("database_url")
    document["general_settings"].pop("master_key")
    env = {
        "OPENAI_API_KEY": "sk-openai",
        "ANTHROPIC_API_KEY": "sk-ant",
        "OPENAI_BASE_URL": f"{upstream.url}/v1",
        "ANTHROPIC_BASE_URL": upstream.url,
    }
    folder = tmp_path_factory.mktemp("seed")
    with serving(folder, document, dsn_of(postgres_server, name), env=env) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def client(gateway: Gateway, key: str | None = None) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key or gateway.key, max_retries=0)


def ask(gateway: Gateway, upstream: HostileUpstream, model: str, call_id: str) -> Seen:
    """One call by the document's program; gives what the provider saw of it."""
    before = len(upstream.requests)
    client(gateway).chat.completions.create(
        model=model, messages=HELLO, extra_headers={"x-litellm-call-id": call_id}
    )
    (seen,) = upstream.requests[before:]
    return seen


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


def test_the_answer_is_in_openais_format_whoever_gave_it(seed: Gateway) -> None:
    shapes = set()
    for model in ("gpt-4", "claude-3-sonnet", "mistral-local"):
        answer = client(seed).chat.completions.create(model=model, messages=HELLO)
        assert answer.choices[0].message.content
        shapes.add((answer.object, answer.choices[0].message.role, answer.choices[0].finish_reason))
    assert shapes == {("chat.completion", "assistant", "stop")}


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
        document = yaml.safe_load(CONFIG.read_text().replace("http://ollama:11434", ollama.url))
        document["general_settings"].clear()
        env = {
            "OPENAI_API_KEY": "sk-openai",
            "ANTHROPIC_API_KEY": "sk-ant",
            "OPENAI_BASE_URL": f"{upstream.url}/v1",
            "ANTHROPIC_BASE_URL": upstream.url,
        }
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
        document = yaml.safe_load(CONFIG.read_text().replace("http://ollama:11434", ollama.url))
        document["general_settings"].clear()
        with serving(tmp_path, document, seed.dsn) as running, pytest.raises(openai.NotFoundError) as caught:
            client(running).chat.completions.create(model="mistral-local", messages=HELLO)
    assert "docker exec litellm-ollama ollama pull mistral" in caught.value.message


# Authentication and roles


def test_an_api_key_is_checked_against_postgresql(seed: Gateway) -> None:
    key = seed.virtual_key("checked")
    assert client(seed, key).models.list().data
    with pytest.raises(openai.AuthenticationError):
        client(seed, "sk-not-a-key-of-this-gateway").models.list()


def test_keys_are_stored_hashed_with_permissions_and_expiration(seed: Gateway) -> None:
    key = seed.virtual_key("stored", models=["gpt-4"], duration="30d")
    sql = """SELECT token, models, expires FROM "LiteLLM_VerificationToken" WHERE key_alias = 'stored'"""
    (row,) = asyncio.run(query(seed.dsn, sql))
    assert key not in str(dict(row))
    assert row["models"] == ["gpt-4"]
    assert row["expires"] is not None


def test_a_key_without_permission_for_a_model_is_turned_away(seed: Gateway) -> None:
    key = seed.virtual_key("narrow", models=["mistral-local"])
    with pytest.raises(openai.PermissionDeniedError):
        client(seed, key).chat.completions.create(model="gpt-4", messages=HELLO)


def test_admins_manage_keys_and_view_all_logs(seed: Gateway, upstream: HostileUpstream) -> None:
    key = seed.virtual_key("watched")
    client(seed, key).chat.completions.create(
        model="gpt-4", messages=HELLO, extra_headers={"x-litellm-call-id": "watched"}
    )
    seed.row("watched")
    logs = seed.get("/spend/logs").json()
    assert any(row["litellm_call_id"] == "watched" for row in logs)


def test_team_members_use_the_api_and_view_their_own_usage_alone(seed: Gateway) -> None:
    mine, other = (seed.virtual_key(f"member-{who}", user_id=who) for who in ("ada", "bob"))
    for who, key in (("ada", mine), ("bob", other)):
        client(seed, key).chat.completions.create(
            model="mistral-local", messages=HELLO, extra_headers={"x-litellm-call-id": f"of-{who}"}
        )
        seed.row(f"of-{who}")
    assert {row["user"] for row in seed.get("/spend/logs", key=mine).json()} == {"ada"}
    assert seed.post("/key/generate", key=mine, user_id="bob").status_code == 403
    assert seed.post("/user/new", key=mine, user_id="eve").status_code == 403
    assert seed.post("/budget/new", key=mine, max_budget=1).status_code == 403
    foreign = seed.get(f"/key/info?key={other}", key=mine)
    assert foreign.status_code == 404


def test_the_documents_sql_that_sets_an_admin_runs(seed: Gateway) -> None:
    execute(
        seed.dsn,
        """INSERT INTO "LiteLLM_UserTable" (user_id, user_email) VALUES ('boss', 'admin@deeprunner.ai')""",
        """UPDATE "LiteLLM_UserTable" SET user_role = 'proxy_admin'
WHERE user_email = 'admin@deeprunner.ai';""",
    )
    sql = """SELECT user_role FROM "LiteLLM_UserTable" WHERE user_id = 'boss'"""
    assert asyncio.run(query(seed.dsn, sql))[0]["user_role"] == "proxy_admin"


def test_an_admin_set_by_sql_may_manage_keys(seed: Gateway) -> None:
    execute(
        seed.dsn,
        """INSERT INTO "LiteLLM_UserTable" (user_id, user_email) VALUES ('chief', 'chief@deeprunner.ai')""",
        """UPDATE "LiteLLM_UserTable" SET user_role = 'proxy_admin' WHERE user_id = 'chief'""",
    )
    key = seed.virtual_key("chief", user_id="chief")
    assert seed.post("/key/generate", key=key).status_code == 200


def test_devops_create_test_keys_and_may_not_configure_models(seed: Gateway) -> None:
    sql = """INSERT INTO "LiteLLM_UserTable" (user_id, user_role) VALUES ('ops', 'devops')"""
    execute(seed.dsn, sql)
    key = seed.virtual_key("ops", user_id="ops")
    made = seed.post("/key/generate", key=key, duration="1h")
    assert made.status_code == 200
    assert made.json()["max_budget"] > 0
    assert seed.post("/key/generate", key=key, duration="30d").status_code == 403
    assert seed.get("/spend/logs", key=key).status_code == 200
    for path in ("/user/new", "/budget/new"):
        assert seed.post(path, key=key).status_code == 403


def test_there_is_a_full_audit_log(seed: Gateway) -> None:
    seed.virtual_key("audited")
    execute(seed.dsn, """UPDATE "LiteLLM_VerificationToken" SET blocked = true WHERE key_alias = 'audited'""")
    entries = seed.get("/audit?table_name=LiteLLM_VerificationToken&page_size=2").json()["audit_logs"]
    assert [entry["action"] for entry in entries] == ["blocked", "created"]
    assert entries[0]["changed_by"] == f"sql:{entries[0]['database_user']}"
    assert entries[1]["changed_by"] == "default_user_id"
    assert seed.get("/audit", key=seed.virtual_key("nobody")).status_code == 403


@waits_for("Microsoft 365 sign-in")
def test_the_ui_redirects_to_microsoft(seed: Gateway) -> None:
    assert seed.get("/sso/key/generate").status_code in (302, 303, 307)


@waits_for("the admin UI")
def test_the_admin_ui_is_at_ui(seed: Gateway) -> None:
    assert seed.get("/ui").status_code == 200


# Data persistence


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("LiteLLM_UserTable", {"user_id", "user_email", "user_role"}),
        ("LiteLLM_VerificationToken", {"token", "models", "expires"}),
        ("LiteLLM_SpendLogs", {"model", "total_tokens", "spend", "request_duration_ms"}),
    ],
)
def test_the_tables_of_the_document_are_there(seed: Gateway, table: str, columns: set[str]) -> None:
    sql = "SELECT column_name FROM information_schema.columns WHERE table_name = $1"
    found = {row["column_name"] for row in asyncio.run(query(seed.dsn, sql, table))}
    assert columns <= found


# Deployment


def test_the_config_stands_where_the_document_has_it() -> None:
    names = [entry["model_name"] for entry in yaml.safe_load(CONFIG.read_text())["model_list"]]
    assert set(names) == {*CLOUD, *LOCAL}


@waits_for("the compose deployment")
@pytest.mark.parametrize("name", ["docker-compose.yml", "scripts/setup.sh", "nginx/nginx.conf", "Dockerfile"])
def test_docker_compose_up_and_setup_sh_have_their_files(name: str) -> None:
    assert (INFRA / name).is_file()


@waits_for("the compose deployment")
@pytest.mark.parametrize("service", ["nginx", "litellm", "postgres", "ollama", "pgadmin"])
def test_compose_has_the_services_of_the_document(service: str) -> None:
    assert service in yaml.safe_load((INFRA / "docker-compose.yml").read_text())["services"]
