"""What these tests need on the machine. Where something is missing they skip and say what, and in CI they
fail."""

import os
import shutil
import signal
import socket
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from runtime.local.pgadmin import PgAdminError, install
from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import INPUT_USD, OUTPUT_USD, PROVIDER_KEY
from tests.e2e.gateway import MASTER_KEY, Gateway, launch, serving
from tests.e2e.seed import provider_env, shipped_config
from tests.e2e.sign_in import AUTHORITY, microsoft_env, with_sign_in
from tests.fakes.entra import Entra
from tests.fakes.hostile_upstream import HostileUpstream

FRONT = "http://localhost:3000"
PGADMIN = "http://localhost:8080/pgadmin"
PORTS = (3000, 8080)
READ_USD, WRITE_USD = 2.5e-07, 3.125e-06
"""The prices of a token that the scripted Anthropic reads from its cache, and writes to it."""
JUST = Path(sys.executable).with_name("just")


def lacking(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"this machine has all that the rows need, except: {what}", pytrace=False)
    pytest.skip(what)


def program(*names: str) -> str:
    """The first of these programs that is installed. Skips where none is. Debian has nginx outside a user's
    PATH."""
    path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
    for name in names:
        if (found := shutil.which(name, path=path)) is not None:
            return found
    lacking(f"{' or '.join(names)} is not installed")


def check_ports_are_free(*ports: int) -> None:
    for port in ports:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                lacking(f"port {port}, which the document names, is taken on this machine")


@pytest.fixture(scope="session")
def upstream() -> Iterator[HostileUpstream]:
    with HostileUpstream().in_thread() as server:
        yield server
        assert server.errors == []


@pytest.fixture(scope="session")
def entra() -> Iterator[Entra]:
    with Entra().running() as tenant:
        yield tenant


@pytest.fixture(scope="module")
def office(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    entra: Entra,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway alone, with the fake tenant in place of Microsoft."""
    name = f"system_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    folder, dsn = tmp_path_factory.mktemp("office"), dsn_of(postgres_server, name)
    with with_sign_in(folder, dsn, entra, upstream.url, authority=entra.url) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def stack(
    upstream: HostileUpstream, entra: Entra, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """`just stack`: nginx with the production's configuration before a gateway with its own Postgres."""
    program("nginx")
    check_ports_are_free(*PORTS)
    try:
        install(print)  # with this process's environment: the stack gets next to nothing of it
    except PgAdminError as exc:
        lacking(str(exc))
    folder = tmp_path_factory.mktemp("stack")
    config = folder / "config.yaml"
    config.write_bytes(msgspec.json.encode(shipped_config(upstream.url)))
    entra.redirect_uris.add(f"{FRONT}/sso/callback")
    env = {
        **provider_env(upstream.url),
        **microsoft_env(entra),
        AUTHORITY: entra.url,
        "SWITCHGEAR_MASTER_KEY": MASTER_KEY,
        "SWITCHGEAR_DATA": str(folder / "data"),
    }
    process = launch(
        ["stack", "--config", str(config)], env, folder / "stack.log", url=FRONT, program=(str(JUST),)
    )
    try:
        yield Gateway(process, url=FRONT, key=MASTER_KEY, dsn="")
        assert process.stop() in (0, 128 + signal.SIGTERM), process.log()[-4000:]  # just's own code
    except BaseException:
        process.kill_all()
        raise


@pytest.fixture(scope="module")
def house(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway with the scripted agent behind each dialect, under names that no client knows."""

    def entry(name: str, model: str, api_base: str, **more: object) -> dict[str, object]:
        params = {"model": model, "api_base": api_base, "api_key": PROVIDER_KEY, **more}
        return {"model_name": name, "litellm_params": params}

    prices = {
        "input_cost_per_token": INPUT_USD,
        "output_cost_per_token": OUTPUT_USD,
        "cache_read_input_token_cost": READ_USD,
        "cache_creation_input_token_cost": WRITE_USD,
    }
    config = {
        "model_list": [
            entry("anthropic-agent", "anthropic/agent", upstream.url, **prices),
            entry("openai-agent", "openai/agent", f"{upstream.url}/v1", **prices),
            entry("ollama-agent", "ollama/agent", upstream.url),
            entry("gemini-agent", "gemini/agent", f"{upstream.url}/v1beta", **prices),
        ],
    }
    name = f"claude_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    with serving(tmp_path_factory.mktemp("house"), config, dsn_of(postgres_server, name)) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")
