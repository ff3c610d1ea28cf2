"""The user's document through nginx: the request flow step by step, sign-in, the UI, pgAdmin, every SDK."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import openai
import pytest

from runtime.local.pgadmin import EMAIL
from tests.e2e.gateway import Gateway, until
from tests.e2e.seed import HELLO, client
from tests.e2e.sign_in import browser_of, sent_to, signed_in
from tests.fakes.entra import Entra, Person
from tests.fakes.hostile_upstream import HostileUpstream
from tests.system.conftest import PGADMIN, lacking, program
from tests.system.npm import install
from tests.system.pgadmin import PgAdminClient

MOST_REQUESTS = 4000
SET_ADMIN = """
UPDATE "LiteLLM_UserTable" SET user_role = 'proxy_admin'
WHERE user_email = 'admin@deeprunner.ai';
"""
"""The document's, verbatim."""
SECURITY_HEADERS = {
    "x-content-type-options": {"nosniff"},
    "x-frame-options": {"DENY", "SAMEORIGIN"},
    "referrer-policy": {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"},
}
JAVASCRIPT = """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3] });
const messages = [{ role: "user", content: "Hello" }];
for (const model of ["gpt-4", "claude-3-sonnet", "mistral-local"]) {
  const answer = await client.chat.completions.create({ model, messages });
  console.log(JSON.stringify([model, answer.object, answer.choices[0].message.content]));
}
"""


def logged(gateway: Gateway, call_id: str) -> dict[str, object]:
    """The row of a call, by the admin's API."""
    found: list[dict[str, object]] = []

    def arrived() -> bool:
        rows = gateway.get("/spend/logs").json()
        found[:] = [row for row in rows if row["litellm_call_id"] == call_id]
        return bool(found)

    until(arrived, 15, what=f"the row of {call_id}", pause_s=0.2)
    return found[0]


# The request flow, step by step


def test_step_1_a_client_posts_to_v1_chat_completions(stack: Gateway) -> None:
    answer = stack.post("/v1/chat/completions", model="mistral-local", messages=HELLO)
    assert answer.status_code == 200, f"nginx gave {answer.status_code}: {answer.text}"
    assert answer.headers["server"].startswith("nginx"), f"the answer came by {answer.headers['server']}"


def test_step_2_nginx_checks_rate_limits(stack: Gateway) -> None:
    """One client, as fast as it can: nginx turns it away before the gateway sees it, and takes it back."""
    statuses: list[int] = []
    with httpx.Client(base_url=stack.url, headers={"authorization": f"Bearer {stack.key}"}) as one:
        while len(statuses) < MOST_REQUESTS and 429 not in statuses:
            answer = one.get("/v1/models")
            statuses.append(answer.status_code)
        assert 429 in statuses, f"{MOST_REQUESTS} requests in a row were all let through"
        assert "x-litellm-call-id" not in answer.headers, "the gateway refused, not nginx"
        until(lambda: one.get("/v1/models").status_code == 200, 60, what="nginx's leave", pause_s=0.5)
    time.sleep(2)  # nginx forgets a hundred requests a second, and the next tests make a few


def test_step_2_nginx_routes_v1_ui_and_pgadmin_each_to_its_service(stack: Gateway) -> None:
    models = stack.get("/v1/models")
    assert "mistral-local" in models.text, f"/v1 is not the gateway's: {models.status_code}"
    assert sent_to(browser_of(stack), "/ui").path.endswith("/oauth2/v2.0/authorize")
    stranger = httpx.get(f"{stack.url}/pgadmin", follow_redirects=True, timeout=60)
    assert (stranger.status_code, "pgAdmin 4 is for admins" in stranger.text) == (403, True)
    with admin_of(stack) as browser:
        until(lambda: "pgAdmin 4" in page_of(browser, f"{stack.url}/pgadmin"), 240, what="pgAdmin", pause_s=1)


@pytest.mark.parametrize("path", ["/v1/models", "/ui", "/no-such-page"])
def test_nginx_adds_security_headers_to_every_answer(stack: Gateway, path: str) -> None:
    found = stack.get(path).headers
    missing = {
        name: found.get(name) for name, safe in SECURITY_HEADERS.items() if found.get(name) not in safe
    }
    assert missing == {}, f"{path} is answered without {missing}"


def test_step_3_the_key_is_authenticated_and_its_permissions_are_checked(stack: Gateway) -> None:
    key = stack.virtual_key("narrow", models=["mistral-local"])
    assert client(stack, key).chat.completions.create(model="mistral-local", messages=HELLO).choices
    with pytest.raises(openai.PermissionDeniedError):
        client(stack, key).chat.completions.create(model="gpt-4", messages=HELLO)
    with pytest.raises(openai.AuthenticationError):
        client(stack, "sk-not-a-key-of-this-gateway").models.list()


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gpt-4", "/v1/chat/completions"),
        ("claude-3-sonnet", "/v1/messages"),
        ("mistral-local", "/api/chat"),
    ],
)
def test_step_4_the_model_decides_the_route(
    stack: Gateway, upstream: HostileUpstream, model: str, path: str
) -> None:
    before = len(upstream.requests)
    client(stack).chat.completions.create(model=model, messages=HELLO)
    assert [seen.path for seen in upstream.requests[before:]] == [path]


def test_steps_5_and_6_the_answer_is_openais_and_its_cost_is_logged(stack: Gateway) -> None:
    spent = {}
    for model in ("gpt-4", "claude-3-sonnet", "mistral-local"):
        answer = client(stack).chat.completions.create(
            model=model, messages=HELLO, extra_headers={"x-litellm-call-id": f"flow-{model}"}
        )
        assert (answer.object, answer.choices[0].finish_reason) == ("chat.completion", "stop")
        row = logged(stack, f"flow-{model}")
        assert answer.usage is not None
        assert row["total_tokens"] == answer.usage.total_tokens
        spent[model] = row["spend"]
    assert spent["mistral-local"] == 0
    assert all(isinstance(cost, float) and cost > 0 for cost in (spent["gpt-4"], spent["claude-3-sonnet"]))


# Sign-in and pgAdmin, at the addresses of the document


def test_the_ui_at_port_3000_redirects_to_microsoft_and_takes_the_user_back(
    stack: Gateway, entra: Entra
) -> None:
    asked = sent_to(browser_of(stack), "/ui").params
    assert asked["redirect_uri"] == f"{stack.url}/sso/callback"
    assert asked["code_challenge_method"] == "S256"
    with signed_in(stack, entra, Person(oid="oid-nginx", email="nginx@deeprunner.ai")) as browser:
        me = browser.get("/user/info")
        assert me.status_code == 200, f"the session does not pass nginx: {me.text}"
        assert me.json()["user_info"]["user_email"] == "nginx@deeprunner.ai"


def page_of(browser: httpx.Client, url: str) -> str:
    page = browser.get(url, follow_redirects=True)
    return page.text if page.status_code == 200 else ""


@contextmanager
def admin_of(gateway: Gateway) -> Iterator[httpx.Client]:
    """The browser of who has signed in with the master key."""
    with browser_of(gateway) as browser:
        told = browser.post("/login", data={"username": "admin", "password": gateway.key})
        assert told.status_code == 303, told.text
        yield browser


def test_pgadmin_at_its_address_shows_the_three_tables_and_sets_an_admin(
    stack: Gateway, entra: Entra
) -> None:
    """The document's address and statement, in the real pgAdmin, by its own role in the database."""
    who = Person(oid="oid-by-sql", email="admin@deeprunner.ai")
    with signed_in(stack, entra, who) as person, admin_of(stack) as browser:
        assert person.get("/user/info").json()["user_info"]["user_role"] == "internal_user"
        assert person.get(PGADMIN).status_code in (308, 403)
        until(lambda: "pgAdmin 4" in page_of(browser, PGADMIN), 240, what=PGADMIN, pause_s=1)
        password = re.findall(r"password (\S+)$", stack.process.log(), re.MULTILINE)[0]
        shown = PgAdminClient(browser, PGADMIN)
        shown.sign_in(EMAIL, password)
        shown.open_server()
        for table in ("LiteLLM_UserTable", "LiteLLM_VerificationToken", "LiteLLM_SpendLogs"):
            assert re.fullmatch(r"\[\['\d+'\]\]", shown.run(f'SELECT count(*) FROM "{table}"')), table
        assert shown.run(SET_ADMIN).startswith("UPDATE 1")
        assert "permission denied" in shown.run('SELECT * FROM "Switchgear_Session"')
        until(lambda: role_of(person) == "proxy_admin", 5, what="the role that SQL has set", pause_s=0.1)
    (entry,) = stack.get("/audit?action=pgadmin_opened&page_size=1").json()["audit_logs"]
    assert entry["action"] == "pgadmin_opened"


def role_of(person: httpx.Client) -> str:
    return str(person.get("/user/info").json()["user_info"]["user_role"])


# Every SDK


def test_the_javascript_sdk_calls_every_kind_of_model(office: Gateway, tmp_path: Path) -> None:
    node = program("node")
    install("openai", tmp_path)
    script = tmp_path / "calls.mjs"
    script.write_text(JAVASCRIPT)
    words = [node, str(script), f"{office.url}/v1", office.key]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(model, kind) for model, kind, _ in answers] == [
        (model, "chat.completion") for model in ("gpt-4", "claude-3-sonnet", "mistral-local")
    ]
    assert all(text for _, _, text in answers)


def test_curl_calls_the_gateway_through_nginx(stack: Gateway) -> None:
    curl = shutil.which("curl") or lacking("curl is not installed")
    body = '{ "model": "mistral-local", "messages": [{"role": "user", "content": "Hi"}] }'
    words = [curl, "-sf", f"{stack.url}/v1/chat/completions", "-H", f"Authorization: Bearer {stack.key}"]
    words += ["-H", "Content-Type: application/json", "-d", body]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"curl ended with {done.returncode}: {done.stdout}{done.stderr}"
    assert json.loads(done.stdout)["object"] == "chat.completion"
