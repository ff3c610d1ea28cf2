"""The card's five endpoints as serverless deployments: each is one named function, in a process of its own
that AWS's own runtime client runs. Between two events the process stands still, as on the platform."""

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import SALT_KEY, config_for
from tests.e2e.gateway import MASTER_KEY, ROOT, clean_environment, query, until
from tests.e2e.sign_in import AUTHORITY, microsoft_env
from tests.fakes.answers import TEXT
from tests.fakes.entra import Entra, Person
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.lambda_api import LambdaApi, lambda_api
from tests.fakes.lambda_events import body_of, http_event

HANDLER = "runtime.serverless.handler.handler"
BASE_URL = "https://llm.example"
ASK: dict[str, object] = {"model": "hostile/happy", "messages": [{"role": "user", "content": "Hi"}]}
EXPORT = "format=csv&start_date=2020-01-01&end_date=2099-01-01"
NEVER: dict[str, object] = {**ASK, "model": "hostile/never_answers"}
OUTCOMES = 'SELECT outcome, call_type FROM "LiteLLM_SpendLogs" ORDER BY "startTime"'
HELD = 'SELECT count(*) FROM "Switchgear_Lease" WHERE amount <> 0'


class Function:
    """A deployment that waits for events."""

    def __init__(self, api: LambdaApi, process: subprocess.Popen[bytes], log: Path, data: Path) -> None:
        self._api = api
        self.process = process
        self.log = log
        self.data = data

    def call(self, event: object, *, time_s: float = 60.0) -> dict[str, Any]:
        """The answer to an event. The process is stopped as soon as it has given it, and goes on with the
        next one."""
        self.process.send_signal(signal.SIGCONT)
        answer: dict[str, Any] = self._api.call(event, time_s=time_s)
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def begin(self, event: object) -> None:
        """Give the process an event whose answer nobody waits for."""
        self._api.begin(event)


class Cloud:
    """Deploys functions that share one database."""

    def __init__(self, folder: Path, dsn: str, env: Mapping[str, str]) -> None:
        self._folder = folder
        self.dsn = dsn
        self._env = env

    @contextmanager
    def deployed(self, name: str, data: Path | None = None) -> Iterator[Function]:
        data = data or self._folder / uuid.uuid4().hex
        log_path = self._folder / f"{name}.log"
        with lambda_api() as api, log_path.open("ab") as log:
            env = {
                "AWS_LAMBDA_RUNTIME_API": api.address,
                "SWITCHGEAR_FUNCTION": name,
                "DATABASE_URL": self.dsn,
                "SWITCHGEAR_MASTER_KEY": MASTER_KEY,
                "SWITCHGEAR_SALT_KEY": SALT_KEY,
                "SWITCHGEAR_DATA": str(data),
                "CONFIG_FILE_PATH": str(self._folder / "config.json"),
                **self._env,
            }
            process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", HANDLER],
                cwd=ROOT,
                env=clean_environment(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                yield Function(api, process, log_path, data)
            finally:
                process.kill()
                process.wait()

    def rows(self) -> list[tuple[str, str]]:
        return [(row["outcome"], row["call_type"]) for row in asyncio.run(query(self.dsn, OUTCOMES))]


@pytest.fixture(scope="module")
def entra() -> Iterator[Entra]:
    with Entra().running() as tenant:
        tenant.redirect_uris.add(f"{BASE_URL}/sso/callback")
        yield tenant


@pytest.fixture
def cloud(postgres_dsn: str, upstream: HostileUpstream, entra: Entra, tmp_path: Path) -> Cloud:
    if importlib.util.find_spec("awslambdaric") is None:
        pytest.skip("AWS's runtime client (awslambdaric) is made for Linux alone")
    (tmp_path / "config.json").write_text(json.dumps(config_for(upstream.url)))
    env = {**microsoft_env(entra), AUTHORITY: entra.url, "PROXY_BASE_URL": BASE_URL}
    return Cloud(tmp_path, postgres_dsn, env)


def said(answer: Mapping[str, Any]) -> Any:
    return json.loads(body_of(answer))


def test_keys_chat_embeddings_and_spend_are_each_a_deployment(cloud: Cloud) -> None:
    """Each row is in Postgres when the answer is given, and nothing is held of any budget."""
    with cloud.deployed("keys") as keys:
        made = keys.call(
            http_event("POST", "/key/generate", body={"key_alias": "ada", "max_budget": 1}, key=MASTER_KEY)
        )
        key = said(made)["key"]
        listed = keys.call(http_event("GET", "/key/list", key=MASTER_KEY, query="return_full_object=true"))
        assert [each["key_alias"] for each in said(listed)["keys"]] == ["ada"]
        refused = keys.call(http_event("GET", "/key/list", key=key))
        assert refused["statusCode"] in (200, 403)
        unknown = keys.call(http_event("GET", "/key/info", key="sk-nobody-has-this-key"))
        assert (unknown["statusCode"], unknown["headers"]["www-authenticate"]) == (401, "Bearer")
    with cloud.deployed("chat") as chat:
        for number in range(1, 4):
            answer = chat.call(http_event("POST", "/v1/chat/completions", body=ASK, key=key))
            assert answer["statusCode"] == 200, body_of(answer)
            assert said(answer)["choices"][0]["message"]["content"] == "".join(TEXT)
            assert answer["headers"]["x-litellm-call-id"]
            assert len(cloud.rows()) == number, chat.log.read_text()
            assert asyncio.run(query(cloud.dsn, HELD))[0][0] == 0
            assert [each for each in (chat.data / "journals").iterdir() if each.is_dir()] == []
        wrong = chat.call(http_event("POST", "/v1/embeddings", body=ASK, key=key))
        assert (wrong["statusCode"], "serves chat alone" in said(wrong)["error"]["message"]) == (404, True)
        assert chat.call(http_event("GET", "/v1/chat/completions"))["headers"]["allow"] == "POST"
    with cloud.deployed("embeddings") as embeddings:
        asked = {"model": "hostile/happy", "input": "x"}
        answer = embeddings.call(http_event("POST", "/v1/embeddings", body=asked, key=key))
        assert said(answer)["data"][0]["embedding"]
    with cloud.deployed("spend") as spend:
        logged = said(spend.call(http_event("GET", "/spend/logs", key=MASTER_KEY)))
        assert sorted(row["call_type"] for row in logged) == ["acompletion"] * 3 + ["aembedding"]
        assert {row["spend"] > 0 for row in logged if row["call_type"] == "acompletion"} == {True}
        file = spend.call(
            http_event(
                "GET",
                "/spend/logs/export",
                key=MASTER_KEY,
                query=EXPORT,
            )
        )
        assert (file["statusCode"], body_of(file).count(b"\n")) == (200, 5)


def test_microsofts_answer_comes_back_to_a_deployment_of_the_callback(cloud: Cloud, entra: Entra) -> None:
    """One deployment sends the browser to Microsoft, and another one takes it back. Cookies go both ways."""
    entra.at_the_keyboard = Person(oid="oid-of-lambda", email="lambda@deeprunner.ai")
    page = {"accept": "text/html"}
    with cloud.deployed("sso-key-generate") as begins, cloud.deployed("sso-callback") as ends:
        sent = begins.call(http_event("GET", "/sso/key/generate", headers=page))
        assert sent["statusCode"] in (302, 303), body_of(sent)
        cookies = [each.partition(";")[0] for each in sent["cookies"]]
        back = httpx.URL(httpx.get(sent["headers"]["location"]).headers["location"])
        event = http_event("GET", back.path, query=back.query.decode(), headers=page, cookies=cookies)
        done = ends.call(event)
        assert done["statusCode"] in (302, 303), body_of(done)
        assert any("Secure" in each and "HttpOnly" in each for each in done["cookies"])
        again = ends.call(event)
        assert (again["statusCode"], "text/html" in again["headers"]["content-type"]) == (401, True)
    found = asyncio.run(query(cloud.dsn, 'SELECT user_email FROM "LiteLLM_UserTable"'))
    assert [row["user_email"] for row in found] == ["lambda@deeprunner.ai"]


def test_a_call_ends_before_the_platforms_time_is_up_and_its_row_says_so(cloud: Cloud) -> None:
    with cloud.deployed("chat") as chat:
        warm = chat.call(http_event("POST", "/v1/chat/completions", body=ASK, key=MASTER_KEY))
        assert warm["statusCode"] == 200
        answer = chat.call(http_event("POST", "/v1/chat/completions", body=NEVER, key=MASTER_KEY), time_s=8)
        assert answer["statusCode"] == 503
    assert [outcome for outcome, _ in cloud.rows()] == ["ok", "failed"]


def test_a_row_that_a_dead_process_left_is_booked_where_its_disk_outlives_it(cloud: Cloud) -> None:
    """A killed process leaves its hold in its journal. A later one with the same data directory books it at
    its ceiling, before it answers."""
    slow = http_event("POST", "/v1/chat/completions", body=NEVER, key=MASTER_KEY)
    with cloud.deployed("chat") as chat:
        data = chat.data
        chat.begin(slow)
        until_held(data)
        os.kill(chat.process.pid, signal.SIGKILL)
    assert cloud.rows() == []
    with cloud.deployed("spend", data) as spend:
        answer = spend.call(http_event("GET", "/spend/logs", key=MASTER_KEY))
        assert answer["statusCode"] == 200
    assert [outcome for outcome, _ in cloud.rows()] == ["uncertain"]


def until_held(data: Path) -> None:
    """Wait until a journal in the folder holds a call that is under way."""

    def held() -> bool:
        files = [path for path in data.glob("journals/*/*") if path.is_file()]
        return any(b"never_answers" in path.read_bytes() for path in files)

    until(held, 60, what="the hold in the journal")
