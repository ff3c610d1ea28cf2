"""Models that change while calls go on: by the config file and by the API, at four workers, under load."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from tests.e2e.conftest import SALT_KEY
from tests.e2e.faults.test_life import Streaming, new_id
from tests.e2e.gateway import Gateway, query, serving, until
from tests.e2e.seed import ask
from tests.fakes.answers import TEXT
from tests.fakes.hostile_upstream import HostileUpstream

WORKERS = 4
ENV = {"SWITCHGEAR_SALT_KEY": SALT_KEY}
IN_FORCE = 'SELECT count(*) FROM "Switchgear_HostConfig" WHERE models = $1'
THREE_LINES = """
- model_name: llama3-local
  litellm_params:
    model: ollama/llama3
    api_base: http://ollama:11434
"""


def entry(name: str, upstream: HostileUpstream, model: str = "gpt-4o") -> dict[str, Any]:
    params = {"model": f"openai/{model}", "api_base": f"{upstream.url}/v1", "api_key": "sk-of-the-provider"}
    return {"model_name": name, "litellm_params": params}


def config_path(gateway: Gateway, folder: Path) -> Path:
    (found,) = folder.glob("config-*.yaml")
    return found


def call(gateway: Gateway, model: str) -> httpx.Response:
    return gateway.post("/v1/chat/completions", model=model, messages=[{"role": "user", "content": "x"}])


def at_all_workers(gateway: Gateway, models: int) -> None:
    """Wait until every worker tells that it serves with so many deployments."""
    until(
        lambda: asyncio.run(query(gateway.dsn, IN_FORCE, models))[0][0] == WORKERS,
        what=f"{models} models at {WORKERS} workers",
    )


@contextmanager
def calling(gateway: Gateway, model: str, threads: int = 6) -> Iterator[list[tuple[int, str]]]:
    """Calls of a model, one after the other in some threads. Each has the status of its answer
    and the id of its deployment."""
    found: list[tuple[int, str]] = []
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            answer = call(gateway, model)
            assert answer.status_code != 200 or answer.json()["model"] == model
            found.append((answer.status_code, answer.headers.get("x-litellm-model-id", answer.text)))

    running = [threading.Thread(target=run) for _ in range(threads)]
    for each in running:
        each.start()
    try:
        yield found
    finally:
        over.set()
        for each in running:
            each.join()


def test_no_call_fails_while_models_change_at_four_workers(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    """One half of the changes goes through the API, the other through the file; each changes the deployments
    of the model that is called."""
    base = entry("steady", upstream)
    with (
        serving(
            tmp_path, {"model_list": [base]}, postgres_dsn, "--workers", str(WORKERS), env=ENV
        ) as gateway,
        calling(gateway, "steady") as answers,
    ):
        path = config_path(gateway, tmp_path)
        ids = {call(gateway, "steady").headers["x-litellm-model-id"]}
        for number in range(8):
            made = gateway.post("/model/new", **entry("steady", upstream, f"gpt-4o-{number}"))
            assert made.status_code == 200, made.text
            path.write_text(yaml.safe_dump({"model_list": [base, entry(f"more-{number}", upstream)]}))
            id = made.json()["model_id"]
            ids.add(id)
            assert gateway.post("/model/delete", id=id).status_code == 200
        at_all_workers(gateway, 2)
        many = len(answers)
        until(lambda: len(answers) > many + 50, what="calls afterwards")
    assert {status for status, _ in answers} == {200}, [each for each in answers if each[0] != 200][:3]
    assert {id for _, id in answers} <= ids


def test_a_change_by_the_api_is_in_force_at_all_workers_and_after_a_restart(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    config = {"model_list": [entry("one", upstream)]}
    with serving(tmp_path, config, postgres_dsn, "--workers", str(WORKERS), env=ENV) as gateway:
        at_all_workers(gateway, 1)
        assert gateway.post("/model/new", **entry("stored", upstream)).status_code == 200
        at_all_workers(gateway, 2)
        assert {call(gateway, "stored").status_code for _ in range(30)} == {200}
        told = gateway.get("/config/hosts").json()
        assert (told["same"], [host["workers"] for host in told["hosts"]]) == (True, [WORKERS])
    (tmp_path / "again").mkdir()
    with serving(tmp_path / "again", config, postgres_dsn, env=ENV) as again:
        assert call(again, "stored").status_code == 200
        key = again.virtual_key("reader")
        listed = again.get("/v1/models", key=key).json()["data"]
        assert [card["id"] for card in listed] == ["one", "stored"]
        shown = again.get("/model/info").text + again.get("/v2/model/info").text
        assert "sk-of-the-provider" not in shown
    with serving(tmp_path / "again", config, postgres_dsn, env={"STORE_MODEL_IN_DB": "False"}) as without:
        assert call(without, "stored").status_code == 404


def test_the_documents_lines_work_after_a_reload_and_after_a_restart(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    config = {"model_list": [entry("one", upstream)]}
    lines = yaml.safe_load(THREE_LINES.replace("http://ollama:11434", upstream.url))
    with serving(tmp_path, config, postgres_dsn) as gateway:
        path = config_path(gateway, tmp_path)
        path.write_text(yaml.safe_dump({"model_list": [*config["model_list"], *lines]}))
        until(lambda: call(gateway, "llama3-local").status_code == 200, what="the model after the change")
        assert ask(gateway, upstream, "llama3-local", new_id()).model == "llama3"
        after = yaml.safe_load(path.read_text())
    (tmp_path / "again").mkdir()
    with serving(tmp_path / "again", after, postgres_dsn) as again:
        assert ask(again, upstream, "llama3-local", new_id()).model == "llama3"


def test_sighup_makes_no_worker_start_anew(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    with serving(
        tmp_path, {"model_list": [entry("one", upstream)]}, postgres_dsn, "--workers", "2"
    ) as gateway:
        before = {worker.pid for worker in gateway.process.workers()}
        path = config_path(gateway, tmp_path)
        path.write_text(yaml.safe_dump({"model_list": [entry("two", upstream)]}))
        gateway.process.send(signal.SIGHUP)
        until(lambda: {call(gateway, "two").status_code for _ in range(10)} == {200}, what="the new file")
        until(lambda: {call(gateway, "one").status_code for _ in range(10)} == {404}, what="both workers")
        assert {worker.pid for worker in gateway.process.workers()} == before


def test_a_stream_ends_on_the_model_that_it_began_with(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    with serving(tmp_path, {"model_list": []}, postgres_dsn, env=ENV) as gateway:
        made = gateway.post("/model/new", **entry("hostile", upstream, "slow_stream"))
        stream = Streaming(gateway, "hostile", new_id())
        assert gateway.post("/model/delete", id=made.json()["model_id"]).status_code == 200
        assert call(gateway, "hostile").status_code == 404
        text = stream.wait()
        assert "[DONE]" in text
        assert TEXT[-1] in text


def test_a_file_that_is_wrong_changes_nothing_and_readiness_tells(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    with serving(tmp_path, {"model_list": [entry("one", upstream)]}, postgres_dsn) as gateway:
        path = config_path(gateway, tmp_path)
        path.write_text(
            "model_list: [{model_name: one, litellm_params: {model: nosuch/x, api_key: sk-S3CRET}}]"
        )
        until(lambda: gateway.get("/health/readiness").json()["config"] == "refused", what="the refusal")
        assert gateway.get("/health/readiness").json()["status"] == "degraded"
        assert call(gateway, "one").status_code == 200
        told = gateway.get("/config/hosts").json()["hosts"][0]
        assert "model_list[0].litellm_params.model" in told["config_error"]
        until(lambda: "config_refused" in gateway.process.log(), what="the line")  # lines wait a moment
        log = gateway.process.log()
        assert log.count("config_refused") == 1
        assert "S3CRET" not in log


def test_a_worker_that_is_killed_comes_back_with_what_is_in_force(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    with serving(tmp_path, {"model_list": [entry("one", upstream)]}, postgres_dsn, env=ENV) as gateway:
        gateway.post("/model/new", **entry("stored", upstream))
        path = config_path(gateway, tmp_path)
        path.write_text(yaml.safe_dump({"model_list": [entry("two", upstream)]}))
        until(lambda: call(gateway, "two").status_code == 200, what="the new file")
        (worker,) = gateway.process.workers()
        worker.kill()
        psutil.wait_procs([worker], timeout=10)

        def is_back() -> bool:
            try:
                return call(gateway, "two").status_code == 200
            except httpx.TransportError:
                return False

        until(is_back, what="the worker")
        assert call(gateway, "stored").status_code == 200
        assert call(gateway, "one").status_code == 404


def test_two_hosts_with_differing_files_are_told_by_readiness(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    with (
        serving(folders[0], {"model_list": [entry("one", upstream)]}, postgres_dsn, env=ENV) as first,
        serving(folders[1], {"model_list": [entry("two", upstream)]}, postgres_dsn, env=ENV) as second,
    ):
        until(lambda: first.get("/health/readiness").json()["config"] == "differs", what="the difference")
        assert second.get("/config/hosts").json()["same"] is False
        assert first.post("/model/new", **entry("stored", upstream)).status_code == 200
        until(lambda: call(second, "stored").status_code == 200, what="the model at the other server")
        config_path(second, folders[1]).write_bytes(config_path(first, folders[0]).read_bytes())
        until(lambda: second.get("/config/hosts").json()["same"] is True, what="the same file")
        until(lambda: first.get("/health/readiness").json()["config"] == "in force", what="readiness")


def test_nothing_of_a_stored_secret_is_in_a_log_an_error_or_an_export(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    secret = "sk-a-S3CRET-of-the-provider"
    model = entry("m", upstream)
    model["litellm_params"] |= {"api_key": secret, "extra_headers": {"x-token": f"{secret}-2"}}
    with serving(tmp_path, {"model_list": []}, postgres_dsn, env=ENV) as gateway:
        id = gateway.post("/model/new", **model).json()["model_id"]
        texts = [
            gateway.post("/credentials", credential_name="c", credential_values={"api_key": secret}).text,
            gateway.post("/model/new", **model, surplus=secret[:5]).text,
            gateway.post(
                "/model/new", **{**model, "litellm_params": {"model": secret, "api_key": secret}}
            ).text,
            gateway.post("/model/update", model_info={"id": id}, litellm_params={"timeout": "x"}).text,
            *(
                gateway.get(path).text
                for path in (
                    "/model/info",
                    "/v2/model/info",
                    "/model_group/info",
                    "/credentials",
                    f"/credentials/by_model/{id}",
                    "/audit?page_size=100",
                    "/audit/export?format=csv",
                    "/metrics",
                    "/config/hosts",
                    "/router/settings",
                )
            ),
        ]
        assert call(gateway, "m").status_code == 200
    texts.append(gateway.process.log())
    for text in texts:
        assert "S3CRET" not in text.replace(f"`{secret}`", ""), text[:400]
