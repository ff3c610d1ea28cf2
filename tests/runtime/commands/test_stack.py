"""What `just stack` gives to nginx and to pgAdmin. `tests/system/test_document.py` runs it."""

from pathlib import Path

import pytest

from runtime.commands.stack import Around, server_of, values_of
from runtime.local.nginx import Nginx
from runtime.local.pgadmin import PgAdmin
from runtime.postgres.console_role import ROLE
from runtime.serving.serve import Listen
from runtime.settings import read_settings
from schema.secret import Secret

OPEN_ON_LOOPBACK = ("127.0.0.1:3000", "127.0.0.1:8080")


@pytest.mark.parametrize("on", [True, False])
def test_nginx_is_open_on_loopback_alone_and_has_the_gateways_limit(tmp_path: Path, on: bool) -> None:
    pgadmin = PgAdmin(tmp_path / "pgadmin", {}, port=5050) if on else None
    front = Around(url="http://localhost:3000", log_path=tmp_path / "log", pgadmin=pgadmin)
    settings = read_settings({"SWITCHGEAR_MAX_BODY_BYTES": "1000"})
    values = values_of(front, settings, Listen(port=4321))
    nginx = Nginx(tmp_path / "nginx", values, log_path=tmp_path / "log")
    nginx.write()
    text = "".join(path.read_text() for path in (tmp_path / "nginx").rglob("*") if path.is_file())
    listens = {
        line.split()[1].rstrip(";") for line in text.splitlines() if line.strip().startswith("listen ")
    }
    assert listens == set(OPEN_ON_LOOPBACK)
    assert "client_max_body_size 1000;" in text
    assert "server 127.0.0.1:4321;" in text
    assert ("auth_request" in text) is on


@pytest.mark.parametrize(
    ("dsn", "found"),
    [
        ("postgresql://postgres@/postgres?host=/a/socket", ("/a/socket", 5432, "postgres")),
        ("postgresql://u:p@db.example:6432/gateway", ("db.example", 6432, "gateway")),
    ],
)
def test_pgadmin_is_shown_the_database_by_its_own_role(dsn: str, found: tuple[str, int, str]) -> None:
    server = server_of(Secret(dsn), "its own")
    assert (server.host, server.port, server.database) == found
    assert (server.user, server.password) == (ROLE, "its own")


def test_pgadmin_gets_nothing_of_the_environment_that_is_ours(tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin", "OPENAI_API_KEY": "sk-openai", "DATABASE_URL": "postgresql://u:p@db/x"}
    given = PgAdmin(tmp_path, env, port=5050)._env()
    assert given["PATH"] == "/usr/bin"
    assert "OPENAI_API_KEY" not in given
    assert "DATABASE_URL" not in given
