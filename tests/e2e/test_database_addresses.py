"""Addresses of Postgres as Prisma, libpq and people write them: the gateway starts, or says in a line why it
does not."""

import asyncio
from pathlib import Path

import pytest

from tests.conftest import execute
from tests.e2e.faults.test_life import ask, run_to_end, written
from tests.e2e.gateway import free_port, query, serving
from tests.fakes.hostile_upstream import HostileUpstream

PRISMA = "schema=public&connection_limit=20&pool_timeout=15&pgbouncer=true&sslmode=disable"


def document(upstream: HostileUpstream) -> dict[str, object]:
    params = {"model": "openai/*", "api_base": f"{upstream.url}/v1", "api_key": "sk-x"}
    return {"model_list": [{"model_name": "hostile/*", "litellm_params": params}]}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (PRISMA, ["connection_limit has no effect", "pool_timeout has no effect", "pgbouncer has no effect"]),
        (
            "sslmode=prefer&sslaccept=accept_invalid_certs&connect_timeout=30",
            ["connect_timeout has no effect"],
        ),
        ("channel_binding=prefer&keepalives=1&application_name=llm", ["channel_binding", "keepalives"]),
        ("schema=public&statement_cache_size=0&socket_timeout=9", ["statement_cache_size", "socket_timeout"]),
    ],
)
def test_what_prisma_and_libpq_add_to_an_address_does_not_keep_the_gateway_from_starting(
    tmp_path: Path, upstream: HostileUpstream, postgres_dsn: str, parameters: str, said: list[str]
) -> None:
    with serving(tmp_path, document(upstream), f"{postgres_dsn}&{parameters}") as gateway:
        assert gateway.post("/v1/chat/completions", model="hostile/happy", messages=ask()).status_code == 200
        log = gateway.process.log()
    for each in said:
        assert f"config warning: DATABASE_URL: {each}" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("schema", ["litellm", "Team LLM"])
def test_a_schema_of_prisma_is_where_the_tables_are(
    tmp_path: Path, upstream: HostileUpstream, empty_dsn: str, schema: str
) -> None:
    execute(empty_dsn, f'CREATE SCHEMA "{schema}"')
    with serving(tmp_path, document(upstream), f"{empty_dsn}&schema={schema.replace(' ', '%20')}") as gateway:
        gateway.virtual_key("laptop")
        assert gateway.post("/v1/chat/completions", model="hostile/happy", messages=ask()).status_code == 200
    found = asyncio.run(
        query(
            empty_dsn,
            "SELECT DISTINCT table_schema FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')",
        )
    )
    assert [row["table_schema"] for row in found] == [schema]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda dsn: f"{dsn}&schema=not_there", "make it with CREATE SCHEMA not_there"),
        (lambda dsn: f"{dsn}&ssl=true", "Check the parameters behind the ?"),
        (lambda dsn: f"{dsn}&supa=base-pooler", "Check the parameters behind the ?"),
        (lambda dsn: f"{dsn}&sslmode=verify-full&sslrootcert=/nowhere.pem", "Check the files"),
        (lambda dsn: f"{dsn}&options=-cfoo.bar", "Check the parameters behind the ?"),
        (lambda dsn: "postgresql://ada:s3cret@127.0.0.1:1/db", "Check host and port"),
        (lambda dsn: "postgresql://ada:s3cret@no-such-host.invalid/db", "Check host and port"),
        (lambda dsn: dsn.replace("/empty_", "/gone_"), "Make it with CREATE DATABASE"),
        (lambda dsn: dsn.replace("postgres@", "nobody@"), "Check user, password and sslmode"),
        (lambda dsn: f"{dsn}&target_session_attrs=maybe", "can't be"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line_with_the_cure(
    tmp_path: Path, empty_dsn: str, change: object, says: str
) -> None:
    assert callable(change)
    arguments = ["serve", "--config", written(tmp_path, {}), "--port", str(free_port())]
    code, said = run_to_end(arguments, tmp_path, DATABASE_URL=change(empty_dsn))
    assert code == 3
    assert says in said
    assert "Traceback" not in said
    assert "s3cret" not in said
    assert len([line for line in said.splitlines() if line.startswith("switchgear: ")]) == 1
