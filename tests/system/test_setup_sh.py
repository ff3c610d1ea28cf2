"""`infra/scripts/setup.sh` with a docker that notes what it is told; the containers have a real one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.seed import INFRA
from tests.system.conftest import program

DOCKER = """#!/bin/sh
echo "$@" >> "$NOTES"
case "$*" in
"compose ps -q nginx") echo "$RUNNING" ;;
"$FAILS"*) exit 1 ;;
esac
"""
NAME = "llm.example.test"
MEMINFO = "MemTotal:        {} kB\n"


class Host:
    """A host with a clone's `infra` folder and a docker that does nothing."""

    def __init__(self, folder: Path, *, memory_mb: int) -> None:
        self.folder = folder / "infra"
        shutil.copytree(INFRA, self.folder, ignore=shutil.ignore_patterns("certificates", "acme", ".env"))
        self.notes = folder / "notes"
        self.notes.touch()
        docker = folder / "bin" / "docker"
        docker.parent.mkdir()
        docker.write_text(DOCKER)
        docker.chmod(0o755)
        (folder / "meminfo").write_text(MEMINFO.format(memory_mb * 1024))
        self._env = {
            "PATH": f"{docker.parent}:/usr/sbin:/usr/bin:/sbin:/bin",
            "NOTES": str(self.notes),
            "MEMINFO": str(folder / "meminfo"),
            "RUNNING": "yes",
            "FAILS": "nothing",
            "HEALTH_S": "1",
        }

    def setup(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.folder / "scripts" / "setup.sh"), *words],
            env={**self._env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def told(self) -> list[str]:
        return self.notes.read_text().splitlines()

    def settings(self) -> dict[str, str]:
        lines = (self.folder / ".env").read_text().splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    program("openssl")
    return Host(tmp_path, memory_mb=3900)


def test_shellcheck_finds_nothing() -> None:
    scripts = [
        INFRA / "scripts" / "setup.sh",
        INFRA / "switchgear.sh",
        INFRA / "slim.sh",
        INFRA / "ollama/ollama.sh",
    ]
    done = subprocess.run(
        [program("shellcheck"), *map(str, scripts)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_name_is_enough_and_what_is_there_is_kept(host: Host) -> None:
    done = host.setup("--domain", f"{NAME},other.example.test")
    assert done.returncode == 0, done.stderr
    assert host.settings() == {
        "LITELLM_DOMAIN": f"{NAME},other.example.test",
        "SERVER_NAMES": f"{NAME} other.example.test",
        "PROXY_BASE_URL": f"https://{NAME}",
        "COMPOSE_FILE": "compose.yaml:compose.production.yaml",
        "OLLAMA_MEMORY": "2048m",
    }
    assert "compose up -d" in host.told()
    assert f"https://{NAME}/ui" in done.stdout
    assert f"https://{NAME}/sso/callback" in done.stdout
    certificate = (host.folder / "certificates" / "fullchain.pem").read_bytes()
    assert (host.folder / ".env").stat().st_mode & 0o077 == 0

    with (host.folder / ".env").open("a") as env:
        env.write("OPENAI_API_KEY=sk-openai\n")
    again = host.setup()
    assert again.returncode == 0, again.stderr
    assert host.settings()["OPENAI_API_KEY"] == "sk-openai"
    assert host.settings()["LITELLM_DOMAIN"] == f"{NAME},other.example.test"
    assert (host.folder / "certificates" / "fullchain.pem").read_bytes() == certificate


def test_without_a_name_the_hosts_own_is_served_with_a_self_signed_certificate(host: Host) -> None:
    done = host.setup()
    assert done.returncode == 0, done.stderr
    assert "self-signed" in done.stdout
    assert not any("certbot" in line for line in host.told())


def test_the_environment_names_the_domain(host: Host) -> None:
    assert host.setup(LITELLM_DOMAIN="prod.litellm.deeprunner.ai").returncode == 0
    assert host.settings()["PROXY_BASE_URL"] == "https://prod.litellm.deeprunner.ai"


def test_a_dry_run_says_what_it_would_do_and_does_nothing(host: Host) -> None:
    done = host.setup("--domain", NAME, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would run: docker compose up -d" in done.stdout
    assert f"would write: LITELLM_DOMAIN={NAME}" in done.stdout
    assert not (host.folder / ".env").exists()
    assert not (host.folder / "certificates").exists()
    assert not any(line.startswith("compose up") for line in host.told())


@pytest.mark.parametrize(("memory_mb", "ollama"), [(3900, "2048m"), (7900, "6140m"), (15900, "14140m")])
def test_ollama_gets_what_the_host_has(tmp_path: Path, memory_mb: int, ollama: str) -> None:
    host = Host(tmp_path, memory_mb=memory_mb)
    done = host.setup("--domain", NAME)
    assert host.settings()["OLLAMA_MEMORY"] == ollama
    for name in ("mistral", "llama3", "codellama", "phi3"):
        (line,) = [line for line in done.stdout.splitlines() if line.strip().startswith(f"{name} ")]
        assert ("fits" in line) is (memory_mb > 4000), line
    assert "llama3.2:1b" in done.stdout


def test_a_model_is_downloaded_by_the_documents_command(host: Host) -> None:
    assert host.setup("--domain", NAME, "--model", "llama3.2:1b").returncode == 0
    assert "exec litellm-ollama ollama pull llama3.2:1b" in host.told()


def test_given_certificates_are_taken(host: Host, tmp_path: Path) -> None:
    for name in ("chain", "key"):
        (tmp_path / name).write_text(name)
    words = ("--certificate", str(tmp_path / "chain"), "--key", str(tmp_path / "key"))
    assert host.setup("--domain", NAME, *words).returncode == 0
    assert (host.folder / "certificates" / "fullchain.pem").read_text() == "chain"
    assert (host.folder / "certificates" / "privkey.pem").stat().st_mode & 0o007 == (
        0 if os.geteuid() == 0 else 4
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--domain",), "expected a value"),
        (("--domain", "not_a name!"), "no name of a host"),
        (("--what",), "no such option"),
        (("--certificate", "/nowhere"), "belong together"),
        (("--certificate", "/nowhere", "--key", "/nowhere"), "can't be read"),
    ],
)
def test_bad_words_are_told(host: Host, words: tuple[str, ...], said: str) -> None:
    done = host.setup(*words)
    assert done.returncode == 1
    assert said in done.stderr
    assert not (host.folder / ".env").exists()


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("version", "docker does not answer"),
        ("compose version", "docker compose is missing"),
        ("compose up", "docker compose up failed"),
        ("compose exec", "not ready after 1 s"),
    ],
)
def test_what_docker_lacks_is_told(host: Host, fails: str, said: str) -> None:
    done = host.setup("--domain", NAME, FAILS=fails)
    assert done.returncode == 1
    assert said in done.stderr
