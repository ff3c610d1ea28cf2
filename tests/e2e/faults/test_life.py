"""A server's life: starting, two at once, workers that die, a database that goes, and the end."""

import asyncio
import contextlib
import json
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from runtime.local.postgres import EmbeddedPostgres
from runtime.postgres.migrations import TABLES
from runtime.postgres.new_database import take_turn
from tests.conftest import execute
from tests.e2e.conftest import PROVIDER_KEY, config_for
from tests.e2e.gateway import MASTER_KEY, Gateway, Process, free_port, query, serving, status_of, until
from tests.fakes.answers import COMPLETION_TOKENS, TEXT
from tests.fakes.hostile_upstream import HostileUpstream, closed_port

OTHERS = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
"""The other connections to a database."""
SECRET_PROMPT = "the recipe is two parts of gin"


def ask(text: str = "x") -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


class Streaming:
    """A stream read by a thread: `text` grows, `whole` says whether it ended with `[DONE]`."""

    def __init__(self, gateway: Gateway, model: str, call_id: str) -> None:
        self.text = ""
        self._gateway = gateway
        self._body = {"model": model, "messages": ask(), "stream": True}
        self._headers = {"authorization": f"Bearer {gateway.key}", "x-litellm-call-id": call_id}
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        until(lambda: TEXT[0] in self.text, what="the stream's first text")

    def _read(self) -> None:
        url = f"{self._gateway.url}/v1/chat/completions"
        with (
            contextlib.suppress(httpx.TransportError),
            httpx.stream("POST", url, json=self._body, headers=self._headers, timeout=60) as answer,
        ):
            for piece in answer.iter_text():
                self.text += piece

    def wait(self) -> str:
        self._thread.join(30)
        assert not self._thread.is_alive(), "the stream does not end"
        return self.text


def new_id() -> str:
    return f"life-{uuid.uuid4().hex}"


def run_to_end(arguments: list[str], folder: Path, **env: str) -> tuple[int, str]:
    """A command that ends by itself: its exit code and what it said."""
    process = Process(arguments, {"SWITCHGEAR_MASTER_KEY": MASTER_KEY, **env}, folder / f"{new_id()}.log")
    try:
        return process.wait(), process.log()
    finally:
        process.kill_all()


def written(folder: Path, config: object) -> str:
    path = folder / "config.yaml"
    path.write_text(json.dumps(config))
    return str(path)


@pytest.fixture
def config(upstream: HostileUpstream) -> dict[str, object]:
    return config_for(upstream.url)


def test_sigterm_lets_streams_finish_and_books_them(
    tmp_path: Path, config: dict[str, object], postgres_dsn: str
) -> None:
    """No new calls are taken meanwhile; two workers, so that both have calls to end."""
    with serving(tmp_path, config, postgres_dsn, "--workers", "2") as gateway:
        call_id = new_id()
        assert len(gateway.process.workers()) == 2
        streams = [Streaming(gateway, "hostile/slow_stream", call_id) for _ in range(6)]
        gateway.process.send(signal.SIGTERM)
        until(lambda: status_of(f"{gateway.url}/health/readiness") in (0, 503), what="the end of readiness")
        for stream in streams:
            assert stream.wait().endswith("data: [DONE]\n\n")
        assert gateway.process.wait() == 0
        rows = gateway.rows(call_id, count=6)
    assert [(row.outcome, row.completion_tokens) for row in rows] == [("ok", COMPLETION_TOKENS)] * 6


def test_the_drain_deadline_cuts_what_is_left_and_books_it(
    tmp_path: Path, config: dict[str, object], postgres_dsn: str, upstream: HostileUpstream
) -> None:
    env = {"SWITCHGEAR_DRAIN_S": "1"}
    with serving(tmp_path, config, postgres_dsn, env=env) as gateway:
        call_id = new_id()
        stream = Streaming(gateway, "hostile/endless_slow", call_id)
        began = time.monotonic()
        assert gateway.process.stop() == 0
        assert time.monotonic() - began < 10, "it waited for granian's kill"
        assert "[DONE]" not in stream.wait()
        row = gateway.row(call_id)
    assert row.status == "failure"
    assert row.estimated
    assert row.completion_tokens > 0


def test_workers_do_not_outlive_their_parent(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    with serving(tmp_path, config_for(upstream.url), postgres_dsn, "--workers", "2") as gateway:
        process = gateway.process
        workers = process.workers()
        assert len(workers) == 2
        process.send(signal.SIGKILL)
        _, left = psutil.wait_procs(workers, timeout=20)
        assert left == []
        process.wait()


def test_workers_that_are_starting_do_not_outlive_their_parent_either(
    postgres_dsn: str, config: dict[str, object], tmp_path: Path
) -> None:
    """A SIGTERM that comes while granian starts finds none of its handlers, or the wrong one."""
    file, port = tmp_path / "config.json", free_port()
    file.write_text(json.dumps(config))
    env = {
        "DATABASE_URL": postgres_dsn,
        "SWITCHGEAR_MASTER_KEY": MASTER_KEY,
        "SWITCHGEAR_DATA": str(tmp_path / "data"),
    }
    command = ("serve", "--config", str(file), "--port", str(port), "--workers", "2")
    for moment in range(5):
        process = Process(command, env, tmp_path / f"{moment}.log")
        until(partial(_has_workers, process), what="two workers", pause_s=0.005)
        time.sleep(moment * 0.1)
        family = process.family()
        process.send(signal.SIGKILL)
        _, left = psutil.wait_procs(family, timeout=10)
        process.wait()
        for each in left:
            each.kill()
        assert left == [], f"killed {moment * 0.1:.1f} s after its workers were there"


def test_a_killed_worker_is_replaced_however_often(
    tmp_path: Path, config: dict[str, object], postgres_dsn: str
) -> None:
    """granian gives up when the new one dies within seconds as well; the server starts it anew."""
    with serving(tmp_path, config, postgres_dsn) as gateway:
        dead = set()
        for _ in range(3):
            (worker,) = gateway.process.workers()
            assert worker.pid not in dead
            dead.add(worker.pid)
            worker.kill()
            until(
                lambda: (
                    all(child.pid not in dead for child in gateway.process.workers())
                    and status_of(f"{gateway.url}/health/readiness") == 200
                ),
                what="a new worker",
            )
        assert gateway.post("/v1/chat/completions", model="hostile/happy", messages=ask()).status_code == 200
    assert "workers keep dying; starting again" in gateway.process.log()


def test_a_killed_bookkeeper_is_replaced_however_often(
    tmp_path: Path, config: dict[str, object], postgres_dsn: str
) -> None:
    with serving(tmp_path, config, postgres_dsn) as gateway:
        for number in range(3):
            gateway.process.bookkeeper().kill()
            call_id = new_id()
            headers = {"authorization": f"Bearer {gateway.key}", "x-litellm-call-id": call_id}
            body = {"model": "hostile/happy", "messages": ask()}
            url = f"{gateway.url}/v1/chat/completions"
            assert httpx.post(url, json=body, headers=headers, timeout=60).status_code == 200
            assert gateway.row(call_id).outcome == "ok", number
            until(
                lambda: gateway.get("/health/readiness").json()["status"] == "healthy",
                what="a new bookkeeper",
            )
        assert len(gateway.process.workers()) == 1
    assert "the bookkeeper ended with -9; starting it again" in gateway.process.log()


def test_two_servers_may_start_at_once_on_one_empty_database(
    tmp_path: Path, config: dict[str, object], empty_dsn: str
) -> None:
    path, ports = written(tmp_path, config), (free_port(), free_port())
    env = {"DATABASE_URL": empty_dsn, "SWITCHGEAR_MASTER_KEY": MASTER_KEY}
    servers = [
        Process(["serve", "--config", path, "--port", str(port)], env, tmp_path / f"{port}.log")
        for port in ports
    ]
    try:
        for server, port in zip(servers, ports, strict=True):
            until(
                lambda port=port: status_of(f"http://127.0.0.1:{port}/health/readiness") == 200,  # type: ignore[misc]
                what=f"readiness of {server.log()}",
            )
        assert [server.stop() for server in servers] == [0, 0]
    finally:
        for server in servers:
            server.kill_all()


def test_workers_open_nothing_before_the_checks_have_passed(
    tmp_path: Path, config: dict[str, object], empty_dsn: str
) -> None:
    """Another server makes the tables and is slow: the checks wait for their turn, and the workers for the
    checks."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/health/readiness"
    env = {
        "DATABASE_URL": empty_dsn,
        "SWITCHGEAR_MASTER_KEY": MASTER_KEY,
        "SWITCHGEAR_DATA": str(tmp_path / "data"),
    }
    arguments = ["serve", "--config", written(tmp_path, config), "--port", str(port), "--workers", "2"]

    async def waited() -> Process:
        other = await asyncpg.connect(empty_dsn)
        try:
            async with other.transaction():
                await take_turn(other)
                server = Process(arguments, env, tmp_path / "start.log")
                await asyncio.to_thread(until, partial(_has_workers, server), what="two workers")
                await asyncio.sleep(1.5)  # longer than they take to import
                opened = [len(await other.fetch(OTHERS))]
                while not opened[-1] and len(opened) < 200:  # the checks of a busy machine
                    await asyncio.sleep(0.1)
                    # A transaction sees the connections that were there when it first looked.
                    await other.execute("SELECT pg_stat_clear_snapshot()")
                    opened.append(len(await other.fetch(OTHERS)))
                assert opened[-1] == 1, server.log()
                assert await asyncio.to_thread(status_of, url) == 0
                assert server.exit_code is None
            return server
        finally:
            await other.close()

    server = asyncio.run(waited())
    try:
        until(lambda: status_of(url) == 200, what=f"readiness of {server.log()}")
        assert server.stop() == 0
        assert "Traceback" not in server.log()
    finally:
        server.kill_all()


def test_a_foreign_database_is_refused_untouched(
    tmp_path: Path, config: dict[str, object], empty_dsn: str
) -> None:
    execute(
        empty_dsn,
        "CREATE TABLE _prisma_migrations (id text)",
        'CREATE TABLE "LiteLLM_VerificationToken" (token text)',
    )
    path = written(tmp_path, config)
    code, said = run_to_end(
        ["serve", "--config", path, "--port", str(free_port())], tmp_path, DATABASE_URL=empty_dsn
    )
    assert code == 3
    assert "_prisma_migrations" in said
    assert "Traceback" not in said
    sql = "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'"
    found = {row["name"] for row in asyncio.run(query(empty_dsn, sql))}
    assert found == {"_prisma_migrations", TABLES[1]}


def test_a_database_that_is_not_there_is_named_without_its_password(
    tmp_path: Path, config: dict[str, object]
) -> None:
    dsn = f"postgresql://ada:dont-tell-anyone@127.0.0.1:{free_port()}/gone"
    arguments = ["serve", "--config", written(tmp_path, config), "--port", str(free_port())]
    code, said = run_to_end(arguments, tmp_path, DATABASE_URL=dsn)
    assert code == 3
    assert "database" in said
    assert "dont-tell-anyone" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path, command: str) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        data = tmp_path / "data"
        code, said = run_to_end([command, "--port", str(port)], tmp_path, SWITCHGEAR_DATA=str(data))
    assert code == 1
    assert f"port {port} on 127.0.0.1" in said
    assert "--port" in said
    assert "Traceback" not in said
    assert not (data / "postgres").exists()


def test_a_second_gateway_does_not_share_the_first_ones_port(
    tmp_path: Path, gateway: Gateway, postgres_dsn: str
) -> None:
    port = gateway.url.rpartition(":")[2]
    code, said = run_to_end(["serve", "--port", port], tmp_path, DATABASE_URL=postgres_dsn)
    assert code == 1
    assert f"port {port}" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["serve", "--functions", "chat,nope"], "no functions nope; there are access_groups, "),
        (["serve", "--workers", "0"], "--workers"),
        (["serve", "--port", "70000"], "--port"),
        (["serve", "--config", "/nowhere.yaml"], "/nowhere.yaml: No such file"),
        (["serve", "--port", "0"], "--port"),
    ],
)
def test_bad_arguments_are_refused_by_name(
    tmp_path: Path, postgres_dsn: str, arguments: list[str], says: str
) -> None:
    if "--port" not in arguments:
        arguments = [*arguments, "--port", str(free_port())]
    code, said = run_to_end(arguments, tmp_path, DATABASE_URL=postgres_dsn)
    assert code == 2
    assert says in said
    assert "Traceback" not in said


def test_a_guessable_master_key_is_refused(tmp_path: Path) -> None:
    code, said = run_to_end(["serve"], tmp_path, SWITCHGEAR_MASTER_KEY="sk-1234")
    assert code == 2
    assert "SWITCHGEAR_MASTER_KEY" in said
    assert "sk-1234" not in said


def test_check_config_prints_errors_and_warnings_and_starts_nothing(tmp_path: Path) -> None:
    wrong = {
        "model_list": [
            {
                "model_name": "a",
                "litellm_params": {"model": "openai/gpt-4", "api_base": "ftp://x", "shade": 1},
            },
            {"model_name": "b", "litellm_params": {"model": 7}},
        ],
        "colour": "blue",
    }
    arguments = ["serve", "--check-config", "--config", written(tmp_path, wrong)]
    data = tmp_path / "data"
    code, said = run_to_end(arguments, tmp_path, SWITCHGEAR_DATA=str(data))
    assert code == 1
    assert "config error: model_list[0].litellm_params.api_base" in said
    assert "config error: model_list[1].litellm_params.model" in said
    assert "config warning: colour" in said
    assert not data.exists()
    code, said = run_to_end([*arguments[:2]], tmp_path, SWITCHGEAR_DATA=str(data))
    assert (code, "0 errors" in said) == (0, True)


UNSERVED: list[tuple[dict[str, object], dict[str, str], str]] = [
    (
        {"general_settings": {"master_key": "sk-1234"}},
        {"SWITCHGEAR_MASTER_KEY": ""},
        "general_settings.master_key",
    ),
    (
        {},
        {"SWITCHGEAR_MASTER_KEY": "", "LITELLM_MASTER_KEY": "sk-12345"},
        "SWITCHGEAR_MASTER_KEY (or LITELLM_MASTER_KEY)",
    ),
    (
        {"general_settings": {"database_url": "postgresql://ada:pa/ss@db/x"}},
        {},
        "general_settings.database_url can't be read; percent-encode",
    ),
    ({}, {"DATABASE_URL": "postgresql://ada:pw@db/x?sslmode=on"}, "DATABASE_URL: sslmode: expected one of"),
    ({"general_settings": {"max_request_size_mb": 0}}, {}, "general_settings.max_request_size_mb"),
    ({"general_settings": {"max_request_bodies_mb": 1}}, {}, "general_settings.max_request_bodies_mb"),
    (
        {"general_settings": {"database_connection_pool_limit": 1}},
        {},
        "general_settings.database_connection_pool_limit",
    ),
    ({"general_settings": {"max_upstream_connections": 0}}, {}, "general_settings.max_upstream_connections"),
    ({}, {"HTTPS_PROXY": "socks5://proxy:1080"}, "HTTPS_PROXY"),
    ({}, {"SWITCHGEAR_JOURNAL_MB": "0"}, "SWITCHGEAR_JOURNAL_MB"),
    ({}, {"SWITCHGEAR_METRICS_TOKEN": "short"}, "SWITCHGEAR_METRICS_TOKEN"),
    ({"litellm_settings": {"max_budget": "much"}}, {}, "litellm_settings.max_budget"),
    ({"model_list": [{"model_name": "a"}]}, {"STRICT": "--strict"}, "model_list[0]"),
    ({}, {"STRICT": "--functions=chat,nope"}, "--functions: no functions nope"),
]


@pytest.mark.parametrize(("document", "env", "says"), UNSERVED)
def test_check_config_makes_the_checks_that_serve_makes(
    tmp_path: Path, postgres_dsn: str, document: dict[str, object], env: dict[str, str], says: str
) -> None:
    option = [env["STRICT"]] if "STRICT" in env else []
    arguments = ["serve", "--config", written(tmp_path, document), *option]
    data = tmp_path / "data"
    whole = {"SWITCHGEAR_DATA": str(data)} | {name: env[name] for name in env if name != "STRICT"}
    code, said = run_to_end([*arguments, "--check-config"], tmp_path, **whole)
    assert (code, "\n1 errors" in f"\n{said}") == (1, True)
    assert f"config error: {says}" in said
    assert not data.exists()
    if "database_url" not in str(document):
        whole.setdefault("DATABASE_URL", postgres_dsn)
    code, served = run_to_end([*arguments, "--port", str(free_port())], tmp_path, **whole)
    assert code == 2
    assert says in served
    for text in (said, served):
        assert "Traceback" not in text
        assert not any(secret in text for secret in ("sk-1234", "ss@db"))


def test_check_config_looks_at_what_a_start_left_behind(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "master.key").write_bytes(b"\xff\xfe")
    for arguments, expected in ((["serve", "--check-config"], 1), (["serve"], 2)):
        code, said = run_to_end(arguments, tmp_path, SWITCHGEAR_DATA=str(data), SWITCHGEAR_MASTER_KEY="")
        assert code == expected
        assert "master.key: expected `sk-` and at least 16 characters" in said
        assert "Traceback" not in said
    (data / "master.key").unlink()
    (tmp_path / "file").write_text("")
    for arguments, expected in ((["serve", "--check-config"], 1), (["serve"], 2)):
        env = {"SWITCHGEAR_DATA": str(tmp_path / "file" / "data"), "SWITCHGEAR_MASTER_KEY": ""}
        code, said = run_to_end(arguments, tmp_path, **env)
        assert code == expected
        assert "SWITCHGEAR_DATA: " in said
        assert "Traceback" not in said


@pytest.mark.parametrize("name", ["journals", "metrics", "postgres"])
def test_a_data_folder_that_cannot_be_used_is_one_line(tmp_path: Path, name: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / name).write_text("")
    for arguments, expected in ((["serve", "--check-config"], 1), (["serve"], 2)):
        code, said = run_to_end(arguments, tmp_path, SWITCHGEAR_DATA=str(data))
        assert code == expected
        assert f"SWITCHGEAR_DATA: {data / name} is no folder that can be written" in said
        assert "Traceback" not in said


def test_a_config_with_errors_is_not_served(tmp_path: Path, postgres_dsn: str) -> None:
    wrong = {"router_settings": {"num_retries": -1}}
    arguments = ["serve", "--config", written(tmp_path, wrong), "--port", str(free_port())]
    code, said = run_to_end(arguments, tmp_path, DATABASE_URL=postgres_dsn)
    assert code == 2
    assert "config error: router_settings.num_retries: expected 0 to 20, found -1" in said


def test_a_deployment_in_error_is_skipped_and_told_and_the_others_serve(
    tmp_path: Path, config: dict[str, object], postgres_dsn: str
) -> None:
    broken = [
        {
            "model_name": "lost",
            "litellm_params": {"model": "openai/x", "api_base": "os.environ/NO_SUCH_HOST"},
        },
        {"model_name": "keyless", "litellm_params": {"model": "openai/x", "api_base": "https://llm.test/v1"}},
    ]
    models = config["model_list"]
    assert isinstance(models, list)
    document = config | {"model_list": [*broken, *models]}
    with serving(tmp_path, document, postgres_dsn, env={"OPENAI_API_KEY": "sk-s3cret"}) as gateway:
        assert gateway.post("/v1/chat/completions", model="hostile/happy", messages=ask()).status_code == 200
        for name, says in (("lost", "NO_SUCH_HOST"), ("keyless", "api_key: os.environ/NAME")):
            for path in ("/v1/chat/completions", "/v1/embeddings"):
                answer = gateway.post(path, model=name, messages=ask(), input="x")
                assert (answer.status_code, answer.json()["error"]["reason"]) == (404, "deployment_in_error")
                assert says in answer.text
                assert "s3cret" not in answer.text
        ready = gateway.get("/health/readiness")
        assert ready.status_code == 200
        assert (ready.json()["status"], ready.json()["deployments_skipped"]) == ("degraded", 2)
        log = gateway.process.log()
    assert "config error: model_list[0].litellm_params.api_base" in log
    assert log.count("(this deployment is skipped)") == 2


def test_a_proxy_of_the_configs_own_environment_is_the_way_out(
    tmp_path: Path, upstream: HostileUpstream, postgres_dsn: str
) -> None:
    params = {"model": "openai/*", "api_base": "http://llm.example.com/v1", "api_key": PROVIDER_KEY}
    near = {**params, "api_base": f"{upstream.url}/v1"}
    document = {
        "model_list": [
            {"model_name": "far/*", "litellm_params": params},
            {"model_name": "near/*", "litellm_params": near},
        ],
        "environment_variables": {"HTTP_PROXY": f"http://127.0.0.1:{closed_port()}"},
        "router_settings": {"num_retries": 0},
    }
    with serving(tmp_path, document, postgres_dsn) as gateway:
        far = gateway.post("/v1/chat/completions", model="far/happy", messages=ask())
        assert (far.status_code, far.json()["error"]["reason"]) == (500, "upstream_unreachable")
        assert "name" not in far.json()["error"]["message"]  # the proxy is asked, and no resolver
        assert gateway.post("/v1/chat/completions", model="near/happy", messages=ask()).status_code == 200


def test_functions_can_be_served_apart(tmp_path: Path, config: dict[str, object], postgres_dsn: str) -> None:
    with serving(tmp_path, config, postgres_dsn, "--functions", "chat,embeddings") as gateway:
        assert gateway.post("/v1/chat/completions", model="hostile/happy", messages=ask()).status_code == 200
        assert gateway.post("/v1/embeddings", model="hostile/happy", input="x").status_code == 200
        assert gateway.get("/health/liveliness").status_code == 200
        assert gateway.get("/v1/models").status_code == 404
        assert gateway.post("/key/generate").status_code == 404
        paths = gateway.get("/openapi.json").json()["paths"]
        assert "/v1/chat/completions" in paths
        assert "/key/generate" not in paths


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "own" / "postgres")
    yield server
    server.stop()


def test_known_keys_go_on_while_postgres_is_away_and_nothing_is_lost(
    tmp_path: Path, config: dict[str, object], own_postgres: EmbeddedPostgres
) -> None:
    dsn = own_postgres.start()
    with serving(tmp_path, config, dsn) as gateway:
        key = gateway.virtual_key("cached")
        call_id = new_id()
        headers = {"authorization": f"Bearer {key}", "x-litellm-call-id": call_id}
        body = {"model": "hostile/happy", "messages": ask()}

        def call() -> int:
            url = f"{gateway.url}/v1/chat/completions"
            return httpx.post(url, json=body, headers=headers, timeout=60).status_code

        assert call() == 200
        own_postgres.stop()
        time.sleep(2.1)  # past the cache's freshness: the next call asks Postgres, and gets no answer
        assert [call() for _ in range(3)] == [200, 200, 200]
        readiness = gateway.get("/health/readiness")
        assert (readiness.status_code, readiness.json()["status"]) == (200, "degraded")
        assert gateway.get("/health/liveliness").status_code == 200
        unknown = gateway.get("/v1/models", key="sk-a-key-that-nobody-asked-for")
        assert (unknown.status_code, unknown.json()["error"]["reason"]) == (503, "no_db_connection")
        own_postgres.start()
        rows = gateway.rows(call_id, count=4, timeout_s=30)
        assert [row.outcome for row in rows] == ["ok"] * 4
        until(lambda: gateway.get("/health/readiness").json()["status"] == "healthy", what="healthy")


@pytest.mark.parametrize("moment", ["runtime", "initdb", "postgres"])
def test_a_server_stopped_while_it_starts_leaves_nothing_behind(tmp_path: Path, moment: str) -> None:
    """Whichever part it is starting: at first itself, then the cluster's maker, then Postgres."""
    env = {"SWITCHGEAR_DATA": str(tmp_path / "data")}
    process = Process(["serve", "--port", str(free_port())], env, tmp_path / "start.log")
    try:
        until(
            lambda: (
                process.exit_code is None
                and (
                    (tmp_path / "data" / "master.key").exists()
                    if moment == "runtime"
                    else any(_runs(found, moment) for found in process.family())
                )
            ),
            what=moment,
            pause_s=0.002,
        )
        assert process.stop() == 0
    finally:
        process.kill_all()
    assert "Traceback" not in process.log()
    assert not (tmp_path / "data" / "postgres" / "postmaster.pid").exists(), "Postgres was left running"


def _runs(process: psutil.Process, program: str) -> bool:
    """Its program by the command line. `initdb` runs a `postgres` too, which is no server."""
    with contextlib.suppress(psutil.Error):
        words = process.cmdline()
        is_helper = program == "postgres" and "--listen_addresses=" not in words
        return bool(words) and Path(words[0]).name == program and not is_helper
    return False


def test_logs_hold_no_secret(tmp_path: Path, config: dict[str, object], postgres_dsn: str) -> None:
    """A session with all that goes wrong; each call leaves a line, none says what it must not."""
    with serving(tmp_path, config, postgres_dsn) as gateway:
        key = gateway.virtual_key("laptop")
        for model in ("happy", "status_401", "status_500", "garbage_json", "html_error", "no_done"):
            for stream in (False, True):
                fields = {"model": f"hostile/{model}", "messages": ask(SECRET_PROMPT), "stream": stream}
                gateway.post("/v1/chat/completions", key=key, **fields)
        gateway.post("/v1/chat/completions", key=key, model="hostile/happy", messages=SECRET_PROMPT)
        gateway.post("/v1/chat/completions", key="sk-stranger-with-a-key", model="x", messages=ask())
        gateway.get(f"/key/info?key={key}")
        gateway.get(f"/v1/nothing?key={key}")
    said = gateway.process.log()
    assert said.count('"function":"chat"') == 14
    for secret in (MASTER_KEY, key, PROVIDER_KEY, "sk-stranger", SECRET_PROMPT, "".join(TEXT), TEXT[2]):
        assert secret not in said
    assert "Traceback" not in said


def _has_workers(process: Process) -> bool:
    return len(process.workers()) == 2
