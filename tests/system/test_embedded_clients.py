"""The real Codex and Claude Code at the embedded model, as far as a model of 135M parameters and 8,192 tokens
can."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.local.model import CONTEXT_TOKENS, Address
from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import SALT_KEY, config_for
from tests.e2e.gateway import Gateway, Row, serving, until
from tests.fakes.hostile_upstream import HostileUpstream
from tests.system.test_claude_code import asked, claude
from tests.system.test_codex import Codex, codex

__all__ = ["claude", "codex"]

MODEL = "smollm2-local"
BRIEF = "You are a friendly assistant."
CODEX_WITHOUT = (
    "include_environment_context=false",
    "include_permissions_instructions=false",
    "skills.bundled.enabled=false",
    "tools.view_image=false",
    *(
        f"features.{name}=false"
        for name in (
            "apps",
            "collaboration_modes",
            "goals",
            "multi_agent",
            "plugins",
            "shell_tool",
            "unified_exec",
        )
    ),
)
"""What Codex sends by itself fits in the window too, and such a model reads it for a minute or more."""


@pytest.fixture(scope="module")
def gateway(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    model: Address,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    name = f"embedded_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    env, dsn = {"SWITCHGEAR_SALT_KEY": SALT_KEY}, dsn_of(postgres_server, name)
    config: Any = config_for(upstream.url, model)
    for entry in config["model_list"]:
        if entry["model_name"] == MODEL:  # the same words in each run
            entry["litellm_params"]["temperature"] = 0
    with serving(tmp_path_factory.mktemp("embedded"), config, dsn, env=env) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def row_of(gateway: Gateway, call_type: str) -> Row:
    """The last call of this type that the model answered. Codex calls again where the model called a tool."""
    rows: list[Row] = []

    def arrived() -> bool:
        found = (row for row in gateway.rows(count=0) if row.outcome == "ok")
        rows[:] = [row for row in found if row.call_type == call_type]
        return bool(rows)

    until(arrived, what=f"a row of {call_type}")
    return rows[-1]


def test_codex_gets_an_answer(codex: str, gateway: Gateway, tmp_path: Path) -> None:
    """With instructions and tools that leave room in the model's window."""
    agent, brief = Codex(codex, gateway, tmp_path), tmp_path / "brief.md"
    brief.write_text(BRIEF)
    options = [f"model_instructions_file={brief}", *CODEX_WITHOUT]
    assert agent.run(MODEL, "Say hello.", *(part for each in options for part in ("-c", each)))
    row = row_of(gateway, "aresponses")
    assert (row.estimated, row.spend, row.streamed) == (False, "0.000000000", True)
    assert 100 < row.prompt_tokens < CONTEXT_TOKENS
    assert row.completion_tokens > 0


def test_claude_code_gets_an_answer(claude: Path, gateway: Gateway, tmp_path: Path) -> None:
    options = ("--system-prompt", BRIEF, "--tools", "")
    found = asked(claude, gateway, gateway.key, MODEL, "Say hello.", tmp_path, *options)
    row = row_of(gateway, "anthropic_messages")
    assert found["result"]
    assert (row.estimated, row.spend, row.streamed) == (False, "0.000000000", True)
    told = found["usage"]
    assert (told["input_tokens"], told["output_tokens"]) == (row.prompt_tokens, row.completion_tokens)


def test_claude_codes_own_prompt_is_larger_than_the_models_window(
    claude: Path, gateway: Gateway, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=rf"400 .* \({CONTEXT_TOKENS} tokens\)"):
        asked(claude, gateway, gateway.key, MODEL, "Say hello.", tmp_path)
