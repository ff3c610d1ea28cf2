"""Sentences of the user's document about keys, roles and what each role may do, and about what PostgreSQL
keeps of it."""

import asyncio
from pathlib import Path

import openai
import pytest

from tests.conftest import execute
from tests.e2e.gateway import Gateway, query, serving, until
from tests.e2e.seed import HELLO, ask, client, provider_env, shipped_config
from tests.fakes.hostile_upstream import HostileUpstream

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


# What each role may: the first of a line for admins, the second for DevOps, the third for team members

MAY: tuple[tuple[str, str, dict[str, object], str], ...] = (
    ("POST", "/v1/chat/completions", {"model": "mistral-local", "messages": HELLO}, "yyy"),
    ("GET", "/v1/models", {}, "yyy"),
    ("GET", "/spend/logs", {}, "yyy"),
    ("GET", "/user/daily/activity?start_date=2026-01-01&end_date=2026-01-31", {}, "yyy"),
    ("POST", "/key/generate", {"duration": "1h"}, "yyy"),
    ("GET", "/metrics", {}, "yyn"),
    ("GET", "/alerts", {}, "yyn"),
    ("GET", "/audit", {}, "yyn"),
    ("GET", "/budget/list", {}, "yyn"),
    ("POST", "/user/new", {}, "ynn"),
    ("POST", "/team/new", {}, "ynn"),
    ("POST", "/budget/new", {"max_budget": 1}, "ynn"),
)


@pytest.mark.parametrize(("place", "role"), [*enumerate(("proxy_admin", "devops", "internal_user"))])
def test_each_role_of_the_document_may_what_it_says_and_no_more(seed: Gateway, place: int, role: str) -> None:
    made = seed.post("/user/new", user_id=f"of-{role}", user_role=role)
    assert made.status_code == 200, made.text
    key = seed.virtual_key(f"of-{role}", user_id=f"of-{role}")
    found = {}
    for method, path, body, _ in MAY:
        answer = seed.get(path, key=key) if method == "GET" else seed.post(path, key=key, **body)
        assert answer.status_code in (200, 403), answer.text
        found[path] = "y" if answer.status_code == 200 else "n"
    assert found == {path: may[place] for _, path, _, may in MAY}


def test_devops_and_admins_see_everybodys_calls_and_a_team_member_only_own_ones(seed: Gateway) -> None:
    seen = {}
    for role in ("proxy_admin", "devops", "internal_user"):
        user = f"sees-{role}"
        seed.post("/user/new", user_id=user, user_role=role)
        key = seed.virtual_key(user, user_id=user)
        client(seed, key).chat.completions.create(
            model="mistral-local", messages=HELLO, extra_headers={"x-litellm-call-id": user}
        )
        seed.row(user)
        seen[role] = key
    users = {
        role: {row["user"] for row in seed.get("/spend/logs", key=key).json()} for role, key in seen.items()
    }
    everybody = {f"sees-{role}" for role in seen}
    assert users["proxy_admin"] >= everybody
    assert users["devops"] >= everybody
    assert users["internal_user"] == {"sees-internal_user"}


def test_devops_monitor_performance(seed: Gateway) -> None:
    """The latency of calls, from the metrics and from the log."""
    seed.post("/user/new", user_id="watcher", user_role="devops")
    key = seed.virtual_key("watcher", user_id="watcher")
    client(seed).chat.completions.create(
        model="mistral-local", messages=HELLO, extra_headers={"x-litellm-call-id": "measured"}
    )
    seed.row("measured")
    (logged,) = (
        row for row in seed.get("/spend/logs", key=key).json() if row["litellm_call_id"] == "measured"
    )
    assert logged["request_duration_ms"] >= 0
    until(
        lambda: "mistral-local" in seed.get("/metrics", key=key).text, what="the call among what is measured"
    )


def test_an_admin_configures_a_model_and_it_is_served(seed: Gateway, upstream: HostileUpstream) -> None:
    params = {"model": "ollama/qwen3", "api_base": upstream.url}
    made = seed.post("/model/new", model_name="qwen3-local", litellm_params=params)
    assert made.status_code == 200, f"POST /model/new answered {made.status_code}: {made.text}"
    assert ask(seed, upstream, "qwen3-local", "configured").model == "qwen3"


@pytest.mark.parametrize("role", ["devops", "internal_user"])
def test_nobody_else_configures_models(seed: Gateway, upstream: HostileUpstream, role: str) -> None:
    seed.post("/user/new", user_id=f"tries-{role}", user_role=role)
    key = seed.virtual_key(f"tries-{role}", user_id=f"tries-{role}")
    params = {"model": "ollama/qwen3", "api_base": upstream.url}
    refused = seed.post("/model/new", key=key, model_name=f"by-{role}", litellm_params=params)
    assert refused.status_code == 403, f"POST /model/new answered {refused.status_code}: {refused.text}"


# Data persistence


def test_users_are_kept_with_id_address_and_role(seed: Gateway) -> None:
    fields = {"user_id": "kept", "user_email": "kept@deeprunner.ai", "user_role": "internal_user"}
    assert seed.post("/user/new", **fields).status_code == 200
    sql = """SELECT user_id, user_email, user_role FROM "LiteLLM_UserTable" WHERE user_id = 'kept'"""
    (row,) = asyncio.run(query(seed.dsn, sql))
    assert dict(row) == fields


def test_all_data_is_in_postgresql(postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path) -> None:
    """A gateway with the database and nothing else of the one before it has its users, keys, logs, costs."""
    config, env = shipped_config(upstream.url), provider_env(upstream.url)
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    with serving(folders[0], config, postgres_dsn, env=env) as first:
        key = first.virtual_key("lasting", user_id="ada")
        ask(first, upstream, "gpt-4", "before")
        (before,) = first.rows("before")
    with serving(folders[1], config, postgres_dsn, env=env) as second:
        assert client(second, key).models.list().data
        assert second.get("/user/info?user_id=ada").json()["user_id"] == "ada"
        assert second.row("before") == before
        logs = second.get("/spend/logs").json()
    assert [row["litellm_call_id"] for row in logs] == ["before"]
    assert logs[0]["spend"] > 0
