"""The compose project in containers, beyond the document's words: secrets, the door, the doctor, a backup, a
stream through a restart, what outlives `down`, the size of the image."""

import json
import re
import threading
from pathlib import Path

import httpx

from tests.e2e.gateway import MASTER_KEY, status_of, until
from tests.system.conftest import FRONT
from tests.system.containers.images import BASES, OURS
from tests.system.deployment import SERVICES, Deployment

OWN_MB = 150
IN_LITELLM = "docker compose exec -T litellm"
READY = f"{FRONT}/health/readiness"
SECRETS = "cat /data/master.key /data/salt.key /data/pgpass /data/console.password /data/pgadmin.password"
AUTH = {"authorization": f"Bearer {MASTER_KEY}"}


def test_no_log_and_no_inspect_shows_a_secret(compose: Deployment) -> None:
    found = compose.run(f"{IN_LITELLM} sh -c '{SECRETS}'").split()
    secrets = {word for line in found for word in line.split(":") if len(word) > 30 and word != MASTER_KEY}
    assert len(secrets) >= 4
    for service in SERVICES:
        name = compose.container(service)
        told = compose.run(f"docker logs {name} 2>&1; docker inspect {name}")
        assert not [secret for secret in secrets if secret in told], service


def test_the_image_is_small_has_no_compiler_and_says_what_is_inside(compose: Deployment) -> None:
    def size(name: str) -> float:
        return float(compose.run(f"docker image inspect --format '{{{{.Size}}}}' {name}")) / 1e6

    own = size(OURS) - size(BASES[1])
    assert 0 < own < OWN_MB, f"our layers are {own:.0f} MB"
    look = "for each in gcc cc make ld strip uv; do command -v $each; done; id -u; touch /app/x 2>&1"
    told = compose.run(f"{IN_LITELLM} sh -c '{look}; true'")
    assert "10001" in told
    assert "/bin/" not in told
    assert "Read-only" in told or "Permission denied" in told
    inside = json.loads(compose.run(f"{IN_LITELLM} cat /app/sbom.json"))
    assert {"litestar", "granian", "msgspec"} <= {each["name"] for each in inside["components"]}


def test_the_door_lets_nothing_but_names_of_the_library_through(compose: Deployment) -> None:
    assert "success" in compose.run("docker exec litellm-ollama ollama pull phi3")
    assert "phi3" in compose.run("docker exec litellm-ollama ollama list")
    compose.run("docker exec litellm-ollama ollama rm phi3")
    assert "phi3" not in compose.run("docker exec litellm-ollama ollama list")
    for words in ("pull evil.example/x", "pull ../x", "push phi3", "rm a b"):
        done = compose.docker.try_(
            "docker", "exec", "litellm-ollama", "ollama", *words.split(), folder=compose.folder, **compose.env
        )
        assert done.returncode != 0, words
    assert not compose.reaches("ollama", "ollama-pull", 11434)
    audit = httpx.get(f"{FRONT}/audit?object_id=ollama-pull:11434%20phi3", headers=AUTH, timeout=30).json()
    actions = {entry["action"] for entry in audit["audit_logs"]}
    assert {"pulled", "deleted"} <= actions


def test_the_doctor_finds_nothing_wrong_that_is_here(compose: Deployment) -> None:
    done = compose.docker.try_(
        *f"{IN_LITELLM} switchgear doctor --offline".split(), folder=compose.folder, **compose.env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "migrations: the tables are those of this version" in done.stdout
    assert "would open https://api.openai.com:443" in done.stdout


def test_a_backup_is_made_inside_and_a_database_with_rows_is_not_overwritten(compose: Deployment) -> None:
    told = compose.run(f"{IN_LITELLM} switchgear backup /data/backup.zip")
    assert re.search(r"[1-9]\d* rows of \d+ tables", told), told
    compose.docker.run(
        *f"{IN_LITELLM} switchgear invoke keys.generate".split(),
        '{"key_alias": "in-the-way"}',
        folder=compose.folder,
        **compose.env,
    )
    done = compose.docker.try_(
        *f"{IN_LITELLM} switchgear restore /data/backup.zip".split(), folder=compose.folder, **compose.env
    )
    assert (done.returncode, "is not empty" in done.stderr) == (3, True), done.stderr


def test_a_stream_ends_in_good_order_when_the_gateway_is_restarted(compose: Deployment) -> None:
    compose.run("docker exec litellm-ollama ollama pull mistral")
    body = {"model": "mistral-local", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    got: list[str] = []
    begun = threading.Event()

    def read() -> None:
        with httpx.stream(
            "POST", f"{FRONT}/v1/chat/completions", json=body, headers=AUTH, timeout=60
        ) as answer:
            for line in answer.iter_lines():
                got.append(line)
                begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(30)
    compose.run("docker compose restart litellm")
    reader.join(60)
    assert "data: [DONE]" in got, got
    until(lambda: status_of(READY) == 200, 120, what="the restart", pause_s=1)


def test_what_was_written_outlives_down(compose: Deployment, tmp_path: Path) -> None:
    """The last test: it takes the project down, and up again."""
    made = httpx.post(f"{FRONT}/key/generate", json={"key_alias": "outlives"}, headers=AUTH, timeout=30)
    key = made.json()["key"]
    compose.run("docker compose down")
    compose.run("docker compose up -d")
    until(lambda: status_of(READY) == 200, 120, what="the second start", pause_s=1)
    models = httpx.get(f"{FRONT}/v1/models", headers={"authorization": f"Bearer {key}"}, timeout=30)
    assert models.status_code == 200, models.text
    assert compose.chat(FRONT, "mistral-local").status_code == 200, "the model is still there"
