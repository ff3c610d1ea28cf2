"""`infra/scripts/setup.sh` with a docker that notes what it is told; the containers have a real one."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.seed import INFRA
from tests.system.conftest import program
from tests.system.setup_host import DOCKER, NAME, Host


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
        "CERTIFICATE_MODE": "lets-encrypt",
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


@pytest.mark.parametrize("typed", ["a.example.test, b.example.test", " a.example.test b.example.test,"])
def test_names_may_have_blanks_and_commas_between_them(host: Host, typed: str) -> None:
    assert host.setup("--domain", typed).returncode == 0
    assert host.settings()["LITELLM_DOMAIN"] == "a.example.test,b.example.test"
    assert host.setup("--domain", " , ").returncode == 1


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotes_in_the_settings_are_none_of_a_value(host: Host, quote: str) -> None:
    (host.folder / ".env").write_text(
        f"LITELLM_DOMAIN={quote}{NAME}{quote}\nOLLAMA_MEMORY={quote}6g{quote}\n"
    )
    done = host.setup()
    assert done.returncode == 0, done.stderr
    assert "Ollama may use 6144 MB" in done.stdout
    assert host.settings()["LITELLM_DOMAIN"] == NAME


@pytest.mark.parametrize(("version", "code"), [("2.23.3", 1), ("v2.24.0", 0), ("5.0.1", 0), ("", 0)])
def test_a_compose_that_is_too_old_is_told_first(host: Host, version: str, code: int) -> None:
    answer = f'case "$*" in "compose version --short") echo {version}; exit 0 ;; esac\n'
    host.program("docker", DOCKER.replace("#!/bin/bash\n", f"#!/bin/bash\n{answer}"))
    done = host.setup("--domain", NAME)
    assert done.returncode == code, done.stderr
    assert (host.folder / ".env").exists() is (code == 0)


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


@pytest.mark.parametrize(("memory_mb", "ollama"), [(3900, "2048m"), (7725, "6221m"), (15900, "14396m")])
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--domain",), "expected a value"),
        (("--domain", "not_a name!"), "no name of a host"),
        (("--domain", "203.0.113.7"), "no name of a host"),
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
        ("compose exec -T litellm", "the gateway is not ready after 1 s"),
        ("compose exec -T nginx curl", f"nginx does not serve https://{NAME} after 1 s"),
    ],
)
def test_what_docker_lacks_is_told(host: Host, fails: str, said: str) -> None:
    done = host.setup("--domain", NAME, FAILS=fails)
    assert done.returncode == 1
    assert said in done.stderr


def test_a_hosts_name_that_no_client_can_ask_for_is_localhost(host: Host) -> None:
    host.program("hostname", "#!/bin/sh\necho my_host\n")
    done = host.setup()
    assert done.returncode == 0, done.stderr
    assert "this host's own, localhost, is served" in done.stdout
    assert host.settings()["PROXY_BASE_URL"] == "https://localhost"


def test_a_download_that_fails_is_told_after_the_address(host: Host) -> None:
    done = host.setup("--domain", NAME, "--model", "phi3", FAILS="exec litellm-ollama")
    assert done.returncode == 1
    assert f"https://{NAME}/ui" in done.stdout
    assert "switchgear key" in done.stdout
    assert "phi3 was not downloaded" in done.stderr


def test_a_model_that_the_disk_has_no_room_for_is_not_downloaded(host: Host) -> None:
    host.program("df", "#!/bin/sh\necho; echo disk 99999 1 3000 1% /\n")
    done = host.setup("--domain", NAME, "--model", "llama3")
    assert done.returncode == 1
    assert "needs 4700 MB of disk, and 3000 MB are free" in done.stdout
    assert "no room for it" in done.stderr
    assert not any("ollama pull" in line for line in host.told())
    assert host.setup("--model", "llama3.2:1b").returncode == 0


@pytest.mark.parametrize(
    ("size", "mb"), [("6g", 6144), ("6GB", 6144), ("1.5g", 1536), ("6291456k", 6144), ("6442450944", 6144)]
)
def test_ollamas_memory_is_understood_in_dockers_units(host: Host, size: str, mb: int) -> None:
    (host.folder / ".env").write_text(f"OLLAMA_MEMORY={size}\n")
    done = host.setup("--domain", NAME)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert f"Ollama may use {mb} MB" in done.stdout
    assert host.settings()["OLLAMA_MEMORY"] == size


def test_a_memory_that_is_no_size_is_told(host: Host) -> None:
    (host.folder / ".env").write_text("OLLAMA_MEMORY=much\n")
    done = host.setup("--domain", NAME)
    assert done.returncode == 1
    assert "OLLAMA_MEMORY in infra/.env is much" in done.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "compose.yaml:compose.production.yaml:compose.local.yaml",
            "compose.yaml:compose.production.yaml:compose.local.yaml",
        ),
        ("compose.yaml:compose.local.yaml", "compose.yaml:compose.production.yaml:compose.local.yaml"),
        ("compose.yaml:compose.override.yaml", "compose.yaml:compose.production.yaml"),
    ],
)
def test_compose_files_that_somebody_added_stay(host: Host, before: str, after: str) -> None:
    (host.folder / ".env").write_text(f"COMPOSE_FILE={before}\n")
    done = host.setup("--domain", NAME)
    assert done.returncode == 0, done.stderr
    assert host.settings()["COMPOSE_FILE"] == after
    assert f"files {after}" in host.told()
