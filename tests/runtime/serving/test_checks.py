"""The checks of a start and the gate that they open, each process a real one."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from runtime.postgres.new_database import ROOT
from runtime.serving.checks import StartGate
from tests.e2e.gateway import free_port

LATE = """
import sys, time
from runtime.__main__ import main
from runtime.serving import checks

def check_all(blueprint, *, workers):
    print("checking", flush=True)
    time.sleep(float(sys.argv[2]))
    sys.exit(3)

checks.check_all = check_all
sys.exit(main(["serve", "--port", sys.argv[1], "--workers", "2"]))
"""
STRUCK = """
import os, signal
from runtime.process.child import ChildProcess
from runtime.serving import books_process, checks

class Struck(ChildProcess):
    def start(self):
        super().start()
        if self.name == NAME:
            os.kill(os.getpid(), signal.SIGTERM)

checks.ChildProcess = books_process.ChildProcess = Struck
"""
"""The signal comes when a child runs, and before anybody has it to stop."""


def waiting(gate: StartGate) -> BaseProcess:
    child = multiprocessing.get_context("fork").Process(target=gate.wait)
    child.start()
    return child


def opening(gate: StartGate) -> BaseProcess:
    child = multiprocessing.get_context("fork").Process(target=gate.open)
    child.start()
    return child


def test_a_gate_that_opens_lets_all_pass_who_wait_and_who_come_later() -> None:
    gate = StartGate()
    early = [waiting(gate), waiting(gate)]
    opener = opening(gate)
    gate.hold_no_key()
    opener.join(20)
    late = [waiting(gate), waiting(gate)]
    for child in (*early, *late):
        child.join(20)
        assert child.exitcode == 0
    assert not gate.is_shut
    gate.close()


def test_nobody_passes_a_gate_before_it_opens() -> None:
    gate = StartGate()
    child = waiting(gate)
    child.join(0.3)
    assert child.is_alive()
    assert not gate.is_shut
    gate.open()
    child.join(20)
    assert child.exitcode == 0
    gate.close()


def test_a_gate_whose_checks_are_gone_stays_shut_and_ends_who_waits() -> None:
    gate = StartGate()
    checks = multiprocessing.get_context("fork").Process(target=os.kill, args=(0, 0))
    checks.start()
    gate.hold_no_key()
    child = waiting(gate)
    checks.join(20)
    child.join(20)
    assert child.exitcode == 1
    assert gate.is_shut
    gate.close()


def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "SWITCHGEAR_MASTER_KEY": "sk-0123456789abcdef0123456789abcdef",
        "SWITCHGEAR_DATA": str(tmp_path),
    }


@pytest.mark.parametrize("moment_s", [0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0])
def test_a_start_that_is_refused_ends_with_the_code_of_the_checks_at_whatever_moment(
    tmp_path: Path, moment_s: float
) -> None:
    """Before granian is imported, while its workers start, when they wait. granian says nothing of it."""
    command = [sys.executable, "-c", LATE, str(free_port()), str(moment_s)]
    env = environment(tmp_path)
    found = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=30, check=False
    )
    assert (found.returncode, found.stdout, found.stderr) == (3, "checking\n", "")


@pytest.mark.parametrize("moment_s", [0.0, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_stopped_while_it_checks_ends_with_0(
    tmp_path: Path, sign: signal.Signals, moment_s: float
) -> None:
    command = [sys.executable, "-c", LATE, str(free_port()), "60"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "checking\n"
    time.sleep(moment_s)
    process.send_signal(sign)
    said, _ = process.communicate(timeout=30)  # the end of the output: no child is left either
    assert process.returncode == 0
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("command", "name"), [("serve", "checks"), ("serve", "books"), ("migrate", "checks")]
)
def test_a_child_that_a_signal_found_starting_is_stopped(tmp_path: Path, command: str, name: str) -> None:
    program = f"NAME = {name!r}\n{STRUCK}{LATE}"
    if command == "migrate":
        program = program.replace('"serve", "--port", sys.argv[1], "--workers", "2"', '"migrate"')
    arguments = [sys.executable, "-c", program, str(free_port()), "60"]
    env = environment(tmp_path)
    found = subprocess.run(
        arguments, cwd=ROOT, env=env, capture_output=True, text=True, timeout=30, check=False
    )
    assert found.returncode == 0
    assert "Traceback" not in found.stderr
