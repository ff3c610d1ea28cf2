"""The doctor on healthy and on broken set-ups."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from models_registry.config.local_hosts import HostKind, LocalHost
from runtime.commands.doctor import doctor, findings
from runtime.commands.local_servers import exposure
from runtime.hosts.pull_door import PullDoor
from runtime.hosts.pull_way import PullTurns
from runtime.settings import Settings, read_settings
from tests.conftest import execute
from tests.fakes.json_server import json_server


def config(api_base: str) -> dict[str, Any]:
    params = {"model": "ollama/llama3", "api_base": api_base}
    return {"model_list": [{"model_name": "llama3-local", "litellm_params": params}]}


def settings(folder: Path, dsn: str) -> Settings:
    return read_settings({"DATABASE_URL": dsn, "SWITCHGEAR_DATA": str(folder)})


def look(document: dict[str, Any], found: Settings, *, offline: bool = False, **env: str) -> dict[str, str]:
    """Text by its first word -> level."""
    every = asyncio.run(findings(document, env, found, offline=offline))
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


def test_a_database_of_a_later_version_is_told(postgres_dsn: str, tmp_path: Path) -> None:
    later = "INSERT INTO migration (id, name, app_name) VALUES (9999, '2099-01-01T00:00:00', 'switchgear')"
    execute(postgres_dsn, later)
    found = look({}, settings(tmp_path, postgres_dsn))
    execute(postgres_dsn, "DELETE FROM migration WHERE name LIKE '2099%'")
    assert level_of(found, "migrations: 1 are of a later version (2099-01-01T00:00:00)") == "warning"


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


HOSTS = [{"api_base": "http://ollama:11434", "pull_base": "http://127.0.0.1:9"}]


def test_the_door_and_the_pulling_ollama_are_asked(postgres_dsn: str, tmp_path: Path) -> None:
    async def met() -> dict[str, str]:
        async def lines(method: str, path: str, body: bytes) -> AsyncGenerator[bytes, None]:
            yield b""

        async def note(action: str, name: str, address: str) -> None:
            raise AssertionError("nothing is asked of the door")

        host = LocalHost(name="x", kind=HostKind.OLLAMA, api_base="http://x", pull_base="http://y")
        server = await PullDoor(host, PullTurns(tmp_path / "pulls"), lines, note).start("127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            env = {"SWITCHGEAR_DOOR": f"127.0.0.1:{port}", "SWITCHGEAR_PULL_BASE": pulling.url}
            every = await findings({}, env, settings(tmp_path, postgres_dsn), offline=False)
        return {each.text: each.level for each in every}

    with json_server(lambda asked: (200, b'{"version":"0.12.3"}')) as pulling:
        found = asyncio.run(met())
    assert level_of(found, "door: 127.0.0.1:") == "ok"
    assert level_of(found, "pulls for the door: the Ollama at") == "ok"


def test_a_door_and_a_pulling_ollama_that_are_gone_are_errors(postgres_dsn: str, tmp_path: Path) -> None:
    found = look(
        {"general_settings": {"local_hosts": HOSTS}},
        settings(tmp_path, postgres_dsn),
        SWITCHGEAR_DOOR="127.0.0.1:9",
    )
    assert level_of(found, "door: 127.0.0.1:9 can't be reached") == "error"
    assert level_of(found, "pulls for ollama:11434: the Ollama at http://127.0.0.1:9") == "error"
    with json_server(lambda asked: (200, b"{}")) as other:
        door = other.url.removeprefix("http://")
        found = look({}, settings(tmp_path, postgres_dsn), SWITCHGEAR_DOOR=door)
    assert level_of(found, "door: something else") == "error"


@pytest.mark.parametrize(
    ("ip", "level", "says"),
    [
        ("127.0.0.1", "ok", "this machine's own address"),
        ("::1", "ok", "this machine's own address"),
        ("10.0.0.5", "ok", "a private network's address; who else is in that network can't be seen"),
        ("fd00::5", "ok", "a private network's address"),
        ("8.8.8.8", "warning", "8.8.8.8 is of a public network, and it asks for no key"),
        ("100.64.0.7", "warning", "100.64.0.7 is of a shared network"),
    ],
)
def test_an_ollama_is_judged_by_the_network_of_its_address(ip: str, level: str, says: str) -> None:
    found = exposure("0.12.3", "http://ollama.example:11434", [ipaddress.ip_address(ip)])
    assert found.level == level
    assert says in found.text
    mixed = exposure("0", "http://x", [ipaddress.ip_address("10.0.0.5"), ipaddress.ip_address("8.8.8.8")])
    assert mixed.level == "warning"


@pytest.mark.parametrize("offline", [True, False])
def test_an_address_that_can_not_be_read_is_an_error_among_the_others(
    postgres_dsn: str, tmp_path: Path, offline: bool
) -> None:
    env = {"SWITCHGEAR_DOOR": "127.0.0.1:1", "SWITCHGEAR_PULL_BASE": "http://ollama-pull:x"}
    every = asyncio.run(findings({}, env, settings(tmp_path, postgres_dsn), offline=offline))
    assert "pulls for the door: its address can't be read" in [each.text for each in every]
    assert any(each.text.startswith("database: PostgreSQL") for each in every)


def test_every_address_outside_is_listed_and_no_secret(postgres_dsn: str, tmp_path: Path) -> None:
    guardrail = {
        "guardrail": "generic_guardrail_api",
        "mode": "pre_call",
        "api_base": "https://guard.example",
    }
    document = {
        "general_settings": {"local_hosts": HOSTS, "alerting": ["slack"], "enable_jwt_auth": True},
        "guardrails": [{"guardrail_name": "checker", "litellm_params": guardrail}],
        "litellm_settings": {"cache": True, "cache_params": {"type": "redis", "host": "redis.example"}},
    }
    env = {
        "SLACK_WEBHOOK_URL": "https://hooks.example/secret-word",
        "JWT_PUBLIC_KEY_URL": "https://issuer.example/keys",
        "JWT_ISSUER": "https://issuer.example",
        "JWT_AUDIENCE": "us",
        "MICROSOFT_CLIENT_ID": "id",
        "MICROSOFT_CLIENT_SECRET": "secret-word",
        "MICROSOFT_TENANT": "8b3d2a34-0000-4000-8000-000000000000",
        "GENERIC_CLIENT_ID": "id",
        "GENERIC_CLIENT_SECRET": "secret-word",
        "GENERIC_ISSUER": "https://login.example:8443/realm",
        "SWITCHGEAR_DOOR": "127.0.0.1:11435",
    }
    found = look(document, settings(tmp_path, postgres_dsn), offline=True, **env)
    assert {
        "signing in at Microsoft: would open https://login.microsoftonline.com:443",
        "signing in at Microsoft: would open https://graph.microsoft.com:443",
        "signing in at single sign-on: would open https://login.example:8443",
        "keys of the issuer of callers' tokens: would open https://issuer.example:443",
        "alerts (slack): would open https://hooks.example:443",
        "the guardrail checker: would open https://guard.example:443",
        "the response cache: would open redis://redis.example:6379",
        "the local host ollama:11434: would open http://ollama:11434",
        "pulls for ollama:11434: would open http://127.0.0.1:9",
        "door: would open 127.0.0.1:11435",
    } <= found.keys(), found
    assert not any("secret-word" in text for text in found)
