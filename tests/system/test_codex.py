"""The real Codex CLI, one-shot and with a task: it reads a file, patches it, and says so. The models are
scripted (`tests/fakes/coder.py`), in four dialects."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import SALT_KEY, config_for
from tests.e2e.gateway import ROOT, Gateway, Row, serving, until
from tests.fakes import coder
from tests.fakes.answers import TEXT
from tests.fakes.hostile_upstream import HostileUpstream
from tests.system.conftest import program
from tests.system.npm import install

VERSION = "0.171.0"
CLIENTS = ROOT / ".tools" / "clients"
"""Where npm installs clients. The folder is not committed."""
UPSTREAMS = ("hostile", "anthropic", "ollama", "native")
CONFIG = """
model = "{model}"
model_provider = "switchgear"
web_search = "disabled"

[model_providers.switchgear]
name = "Switchgear"
base_url = "{url}/v1"
env_key = "SWITCHGEAR_KEY"
wire_api = "responses"
"""
"""What the guide says to write. OpenAI runs `web_search` itself, so no other model has it."""


@pytest.fixture(scope="session")
def codex() -> str:
    """Codex's command, installed by npm."""
    program("node")
    command = CLIENTS / "node_modules" / ".bin" / "codex"
    if not command.exists():
        install(f"@openai/codex@{VERSION}", CLIENTS)
    return str(command)


@pytest.fixture(scope="module")
def gateway(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    name = f"codex_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    env, dsn = {"SWITCHGEAR_SALT_KEY": SALT_KEY}, dsn_of(postgres_server, name)
    with serving(tmp_path_factory.mktemp("codex"), config_for(upstream.url), dsn, env=env) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


class Codex:
    """Codex in a folder of its own, with a file of notes in it."""

    def __init__(self, command: str, gateway: Gateway, folder: Path) -> None:
        self._command = command
        self._gateway = gateway
        self.work, self._home = folder / "work", folder / "home"
        self.work.mkdir()
        self._home.mkdir()
        (self.work / coder.FILE).write_text(coder.BEFORE)

    def run(self, model: str, prompt: str, *options: str) -> str:
        """Run a prompt to its end, and give the last message."""
        (self._home / "config.toml").write_text(CONFIG.format(model=model, url=self._gateway.url))
        said = self._home / "said.txt"
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        env = {**kept, "HOME": str(self._home), "CODEX_HOME": str(self._home)}
        done = subprocess.run(
            [
                self._command,
                "exec",
                "--skip-git-repo-check",
                "--dangerously-bypass-approvals-and-sandbox",
                "--json",
                "--output-last-message",
                str(said),
                *options,
                prompt,
            ],
            cwd=self.work,
            env={**env, "SWITCHGEAR_KEY": self._gateway.key},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        failures = [event for event in events if event["type"] in ("error", "turn.failed")]
        assert done.returncode == 0, (
            f"{failures}\n{done.stderr[-3000:]}\n{self._gateway.process.log()[-3000:]}"
        )
        return said.read_text()


@pytest.fixture
def agent(codex: str, gateway: Gateway, tmp_path: Path) -> Codex:
    return Codex(codex, gateway, tmp_path)


@pytest.mark.parametrize("kind", UPSTREAMS)
def test_a_question_is_answered(agent: Codex, kind: str) -> None:
    assert agent.run(f"{kind}/happy", "What carries the load?") == "".join(TEXT)


@pytest.mark.parametrize("kind", UPSTREAMS)
def test_a_task_with_a_tool_and_a_file_edit(
    agent: Codex, gateway: Gateway, upstream: HostileUpstream, kind: str
) -> None:
    assert agent.run(f"{kind}/edits_a_file", f"Mend {coder.FILE}") == coder.DONE
    assert (agent.work / coder.FILE).read_text() == coder.AFTER
    assert coder.saw_the_file(upstream.requests[-1].body)
    rows: list[Row] = []

    def arrived() -> bool:
        rows[:] = [row for row in gateway.rows(count=0) if row.model_group == f"{kind}/edits_a_file"]
        return len(rows) == len(coder.STEPS) + 1

    until(arrived, what="a row for each step")
    assert {(row.call_type, row.outcome) for row in rows} == {("aresponses", "ok")}
    assert [(row.prompt_tokens, row.completion_tokens) for row in rows] == [coder.USAGE] * 3


def test_codex_is_told_why_a_call_failed(agent: Codex) -> None:
    with pytest.raises(AssertionError, match="nobody"):
        agent.run("nobody", "Hello?")
