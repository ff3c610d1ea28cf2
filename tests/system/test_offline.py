"""The document says: works without internet. Shown in a network namespace with loopback alone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway import ROOT, clean_environment
from tests.system.browser import built_ui
from tests.system.conftest import lacking, program
from tests.system.offline import MODEL, PROOF, RESOLVER

NAMESPACES = ("--net", "--mount")
ENTER = 'mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && shift && exec "$@"'
"""Puts the resolver's address in place of the machine's own, in the namespace alone."""


def in_a_namespace(resolv_conf: Path, *words: str) -> list[str]:
    return [program("unshare"), *NAMESPACES, "sh", "-c", ENTER, "sh", str(resolv_conf), *words]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `tests/system/offline.py` found."""
    built_ui()
    folder = tmp_path_factory.mktemp("offline")
    folder.chmod(0o755)
    resolv_conf = folder / "resolv.conf"
    resolv_conf.write_text(f"nameserver {RESOLVER}\noptions timeout:1 attempts:1\n")
    tried = subprocess.run(in_a_namespace(resolv_conf, "true"), capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        lacking(f"no network namespace can be made here: {tried.stderr.strip()}")
    done = subprocess.run(
        in_a_namespace(resolv_conf, sys.executable, "-m", "tests.system.offline", str(folder)),
        cwd=ROOT,
        env=clean_environment({}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_no_name_is_resolved(found: dict[str, Any]) -> None:
    """The one name is the proof that names are recorded."""
    assert found["names"] == [PROOF]


def test_an_admin_signs_in_and_the_ui_comes_whole_from_the_gateway(found: dict[str, Any]) -> None:
    assert (found["sign_in"], found["ui"], found["me"]) == (303, 200, 200)
    assert len(found["assets"]) >= 2
    assert all(each.startswith(f"{found['url']}/") for each in found["assets"])
    assert set(found["assets"].values()) == {200}


def test_the_local_model_answers_and_costs_0_dollars(found: dict[str, Any]) -> None:
    assert found["chat"] == 200, found["answer"]
    assert found["answer"]["choices"][0]["message"]["content"]
    assert found["row"] == {"model_group": MODEL, "spend": 0, "outcome": "ok"}


def test_reports_a_backup_and_the_doctor_work(found: dict[str, Any]) -> None:
    status, activity = found["report"]
    assert (status, activity["sum_api_requests"]) == (200, 1)
    assert found["backup_bytes"] > 1000
    assert "0 errors" in found["doctor"]
