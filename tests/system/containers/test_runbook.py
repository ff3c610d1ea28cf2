"""Each block of the runbook is run as it stands, in its order. Only `-T` is added: a test has no terminal."""

import re
import shlex
import zipfile

import httpx
import pytest

from tests.e2e.gateway import MASTER_KEY, ROOT, status_of, until
from tests.system.conftest import FRONT
from tests.system.deployment import Deployment

PAGE = (ROOT / "docs" / "runbook.md").read_text()
AUTH = {"authorization": f"Bearer {MASTER_KEY}"}
EMAIL = "admin@deeprunner.ai"


def blocks() -> list[tuple[str, str]]:
    """The headings that have commands, each with each of its commands."""
    found, heading = [], ""
    for part in re.split(r"^(?=## |```)", PAGE, flags=re.MULTILINE):
        if part.startswith("## "):
            heading = part.partition("\n")[0].removeprefix("## ")
        elif part.startswith("```bash\n"):
            found += [(heading, line) for line in part.splitlines()[1:] if line.strip()]
    return found


COMMANDS = blocks()


@pytest.fixture(scope="module")
def key(compose: Deployment) -> str:
    """The key that the runbook rotates; and the person that it makes an admin."""
    made = httpx.post(f"{FRONT}/key/generate", json={"key_alias": "runbook"}, headers=AUTH, timeout=30)
    person = {"user_email": EMAIL, "user_role": "internal_user"}
    assert httpx.post(f"{FRONT}/user/new", json=person, headers=AUTH, timeout=30).is_success
    return str(made.json()["key"])


def role(compose: Deployment) -> str:
    rows = httpx.get(f"{FRONT}/user/list?user_email={EMAIL}", headers=AUTH, timeout=30).json()
    return str(rows["users"][0]["user_role"])


@pytest.mark.parametrize(
    "place", range(len(COMMANDS)), ids=[re.sub(r"\W+", " ", line)[:60].strip() for _, line in COMMANDS]
)
def test_each_command_of_the_runbook_works(compose: Deployment, key: str, place: int) -> None:
    heading, line = COMMANDS[place]
    typed = re.sub(r"docker compose (exec|run) (?!-T)", r"docker compose \1 -T ", line)
    if line.endswith("switchgear doctor"):
        typed += " || true"  # no provider is reached from here, and the doctor says so by its status
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables(key).items())
    printed = compose.run(f"{given}; {typed}")
    if line.startswith(("docker compose restart", "docker compose start")):
        until(lambda: status_of(f"{FRONT}/health/readiness") == 200, 120, what="the gateway", pause_s=1)
    if heading == "Make somebody an admin":
        assert "UPDATE 1" in printed
        until(lambda: role(compose) == "proxy_admin", 10, what="the role", pause_s=0.2)
    elif "doctor" in line:
        assert "migrations: the tables are those of this version" in printed
    elif "cat /data/backup.zip" in line:
        assert zipfile.is_zipfile(compose.folder / "backup.zip")
    elif heading == "Rotate a key":
        old = httpx.get(f"{FRONT}/v1/models", headers={"authorization": f"Bearer {key}"}, timeout=30)
        assert old.status_code == 401
    elif "restore /data" in line:
        assert re.search(r"[1-9]\d* rows", printed), printed
    elif line == "docker compose start litellm":
        assert role(compose) == "proxy_admin"


def variables(key: str) -> dict[str, str]:
    """What the page says that the variables are."""
    return {"URL": FRONT, "ADMIN": MASTER_KEY, "KEY": key}


def test_every_command_in_the_text_of_the_runbook_is_in_a_block_too() -> None:
    named = set(re.findall(r"`(docker [^`]+)`", re.sub(r"^```.*?^```$", "", PAGE, flags=re.M | re.S)))
    typed = {line.partition("   ")[0].strip() for _, line in COMMANDS}
    assert len(COMMANDS) > 25
    assert named - typed == set()
