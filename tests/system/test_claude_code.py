"""The real Claude Code, from npm, against the gateway: it gets an answer, and it edits a file with its tools.
A provider of each dialect stands behind the gateway."""

import asyncio
import json
import os
import platform
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.e2e.conftest import INPUT_USD, OUTPUT_USD
from tests.e2e.gateway import Gateway, until
from tests.fakes.agent_answers import AFTER, BEFORE, CACHED, DONE, SHORT, WRITTEN
from tests.fakes.answers import COMPLETION_TOKENS, PROMPT_TOKENS
from tests.system.conftest import READ_USD, WRITE_USD, lacking
from tests.system.npm import install

PACKAGE = "@anthropic-ai/claude-code"
TURN_S = 120
DIALECTS = ("anthropic", "openai", "ollama", "gemini")


@pytest.fixture(scope="module")
def claude(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Claude Code's own program. It is a binary of its platform, so that no Node of a certain version is
    needed."""
    modules = install(PACKAGE, tmp_path_factory.mktemp("claude-code"))
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    found = modules / f"{PACKAGE}-{platform.system().lower()}-{machine}" / "claude"
    if not found.exists():
        lacking(f"{PACKAGE} has no program for this machine")
    return found


def asked(
    claude: Path, house: Gateway, key: str, model: str, prompt: str, folder: Path, *options: str
) -> dict[str, Any]:
    """What Claude Code says in the end, as its JSON. It has a home of its own, and may edit files."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "ANTHROPIC_BASE_URL": house.url,
        "ANTHROPIC_AUTH_TOKEN": key,
        "ANTHROPIC_MODEL": model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    (folder / "home").mkdir(exist_ok=True)
    command = [str(claude), "-p", prompt, "--output-format", "json", "--permission-mode", "acceptEdits"]
    command += options
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TURN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:] + house.process.log()[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["is_error"] is False, found
    return found


def rows_of(house: Gateway, model: str, count: int) -> list[asyncpg.Record]:
    """The rows of a model, once there are so many."""
    found: list[asyncpg.Record] = []
    sql = """
        SELECT call_type, outcome, status, prompt_tokens, completion_tokens, spend::text, estimated, streamed,
            session_id FROM "LiteLLM_SpendLogs" WHERE model_group = $1 ORDER BY "startTime"
    """

    def arrived() -> bool:
        found[:] = asyncio.run(_query(house.dsn, sql, model))
        return len(found) >= count

    until(arrived, 15.0, what=f"{count} rows of {model}")
    return found


async def _query(dsn: str, sql: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
        return rows
    finally:
        await connection.close()


def check_rows(house: Gateway, dialect: str, count: int) -> None:
    """Every call of a task has one row with the provider's counts and their price."""
    rows = rows_of(house, f"{dialect}-agent", count)
    cached = CACHED + WRITTEN if dialect == "anthropic" else 0
    cost = PROMPT_TOKENS * Decimal(str(INPUT_USD)) + COMPLETION_TOKENS * Decimal(str(OUTPUT_USD))
    if dialect == "anthropic":
        cost += CACHED * Decimal(str(READ_USD)) + WRITTEN * Decimal(str(WRITE_USD))
    for row in rows:
        assert (row["call_type"], row["outcome"], row["status"]) == ("anthropic_messages", "ok", "success")
        assert not row["estimated"]
        assert row["session_id"], "Claude Code names its session in a header"
        assert row["completion_tokens"] == COMPLETION_TOKENS
        if row["streamed"]:
            assert row["prompt_tokens"] == PROMPT_TOKENS + cached
            assert Decimal(row["spend"]) == (0 if dialect == "ollama" else cost)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_claude_code_gets_an_answer(claude: Path, house: Gateway, tmp_path: Path, dialect: str) -> None:
    key = house.virtual_key(f"short-{dialect}")
    found = asked(claude, house, key, f"{dialect}-agent", "Say hello.", tmp_path)
    assert found["result"] == SHORT
    check_rows(house, dialect, 1)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_claude_code_edits_a_file(claude: Path, house: Gateway, tmp_path: Path, dialect: str) -> None:
    key = house.virtual_key(f"edits-{dialect}", max_budget=5)  # every field that it sends has a bound
    notes = tmp_path / "notes.txt"
    notes.write_text(f"{BEFORE}\n")
    prompt = f"Make the colour blue in FILE:{notes} please."
    found = asked(claude, house, key, f"{dialect}-agent", prompt, tmp_path)
    assert found["result"] == DONE
    told = found["usage"]
    assert (told["input_tokens"], told["output_tokens"]) == (3 * PROMPT_TOKENS, 3 * COMPLETION_TOKENS)
    cached = 3 if dialect == "anthropic" else 0
    assert told["cache_read_input_tokens"] == cached * CACHED
    assert told["cache_creation_input_tokens"] == cached * WRITTEN
    assert notes.read_text() == f"{AFTER}\n"
    check_rows(house, dialect, 3)
