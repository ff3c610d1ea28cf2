"""The image's one command. Programs stand in for Python and `sleep`, and write down how they are called."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.gateway import ROOT, until

SCRIPT = ROOT / "infra" / "switchgear.sh"
PYTHON = """#!/bin/sh
echo "$*" >> "$TOLD"
case $3 in
door) exit "$DOOR_CODE" ;;
serve) exec sleep 60 ;;
esac
"""
SLEEP = """#!/bin/sh
if [ "$1" = 5 ]; then exec /bin/sleep 0.05; fi
exec /bin/sleep "$@"
"""


class Start:
    """`switchgear start` under way."""

    def __init__(self, folder: Path, *, door: str, code: int) -> None:
        self.told_at, self.log = folder / "told", folder / "log"
        for name, text in (("python3", PYTHON), ("sleep", SLEEP)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        script = folder / "switchgear"
        script.write_text(SCRIPT.read_text().replace("cd /app", f"cd {folder}"))
        env = {"PATH": f"{folder}:/usr/bin:/bin", "TOLD": str(self.told_at), "DOOR_CODE": str(code)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["sh", script, "start", "--port", "4000"], env={**env, "SWITCHGEAR_DOOR": door}, stderr=log
            )

    def told(self) -> list[str]:
        return self.told_at.read_text().splitlines() if self.told_at.exists() else []

    def doors(self) -> int:
        return self.told().count("-m runtime door")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_door_that_ends_is_opened_again_until_the_gateway_ends(tmp_path: Path, code: int) -> None:
    start = Start(tmp_path, door="127.0.0.1:11435", code=code)
    try:
        until(lambda: start.doors() >= 3, 10, what="the door, three times", pause_s=0.05)
        assert "-m runtime serve --port 4000" in start.told()
        assert f"the door ended with {code}" in start.log.read_text()
    finally:
        start.stop()
    until(lambda: is_quiet(start), 10, what="no more doors", pause_s=0.05)


def is_quiet(start: Start) -> bool:
    before = start.doors()
    subprocess.run(["/bin/sleep", "0.5"], check=True)
    return start.doors() == before


def test_a_door_with_a_bad_setting_is_not_tried_again(tmp_path: Path) -> None:
    start = Start(tmp_path, door="nowhere", code=2)
    try:
        until(lambda: start.doors() == 1, 10, what="the door", pause_s=0.05)
        assert is_quiet(start)
        assert start.doors() == 1
    finally:
        start.stop()


def test_no_door_is_opened_where_none_is_named(tmp_path: Path) -> None:
    start = Start(tmp_path, door="", code=0)
    try:
        until(lambda: "-m runtime serve --port 4000" in start.told(), 10, what="the gateway", pause_s=0.05)
        assert start.doors() == 0
    finally:
        start.stop()
