"""The doctor on healthy and on broken set-ups."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from runtime.commands.doctor import doctor, findings
from runtime.settings import Settings, read_settings
from tests.conftest import execute
from tests.fakes.json_server import json_server


def config(api_base: str) -> dict[str, Any]:
    params = {"model": "ollama/llama3", "api_base": api_base}
    return {"model_list": [{"model_name": "llama3-local", "litellm_params": params}]}


def settings(folder: Path, dsn: str) -> Settings:
    return read_settings({"DATABASE_URL": dsn, "SWITCHGEAR_DATA": str(folder)})


def look(document: dict[str, Any], found: Settings, *, offline: bool = False) -> dict[str, str]:
    """Text by its first word -> level."""
    every = asyncio.run(findings(document, {}, found, offline=offline))
    return {each.text: each.level for each in every}


def level_of(found: dict[str, str], begins: str) -> str:
    (level,) = [level for text, level in found.items() if text.startswith(begins)]
    return level


def test_a_healthy_gateway_has_no_findings(postgres_dsn: str, tmp_path: Path) -> None:
    with json_server(lambda asked: (200, b'{"version":"0.12.3"}')) as ollama:
        found = look(config(ollama.url), settings(tmp_path, postgres_dsn))
        assert set(found.values()) == {"ok"}, found
        assert level_of(found, "Ollama 0.12.3") == "ok"
        assert doctor(config(ollama.url), {}, settings(tmp_path, postgres_dsn), offline=False) == 0


def test_what_is_broken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        broken = settings(tmp_path, f"postgresql://u:secret-word@127.0.0.1:{port}/x")
        found = look(config(f"http://127.0.0.1:{port}"), broken)
        assert level_of(found, "database: it can't be reached") == "error"
        assert level_of(found, "models of ollama") == "error"
        assert level_of(found, "Ollama:") == "error"
        assert doctor(config(f"http://127.0.0.1:{port}"), {}, broken, offline=False) == 1
    assert "secret-word" not in capsys.readouterr().out


def test_pending_migrations_and_orphaned_leases_are_found(postgres_dsn: str, tmp_path: Path) -> None:
    lease = "INSERT INTO \"Switchgear_Lease\" (account, epoch, worker, amount) VALUES ('key:x', 0, 'gone', 5)"
    execute(postgres_dsn, lease)
    found = look({}, settings(tmp_path, postgres_dsn))
    assert level_of(found, "leases: 1 are of workers that are gone") == "warning"


def test_a_database_without_tables_is_told_the_cure(postgres_server: str, tmp_path: Path) -> None:
    found = look({}, settings(tmp_path, postgres_server))
    assert any("just migrate" in text and level == "error" for text, level in found.items()), found


def test_offline_opens_nothing_outside_and_lists_it(postgres_dsn: str, tmp_path: Path) -> None:
    with json_server(lambda asked: (200, b"{}")) as ollama:
        found = look(config(ollama.url), settings(tmp_path, postgres_dsn), offline=True)
        assert ollama.asked == []
        assert f"models of ollama: would open {ollama.url}" in found


def test_a_wrong_config_is_an_error(tmp_path: Path, postgres_dsn: str) -> None:
    found = look({"router_settings": {"num_retries": "many"}}, settings(tmp_path, postgres_dsn))
    assert "error" in found.values()
