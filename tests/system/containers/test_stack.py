"""The compose project in containers, beyond the document's words: secrets, networks by address, memory under
load, the UI in a browser, the door, the doctor, a backup, a stream through a restart, what outlives `down`,
the size of the image."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.e2e.gateway import MASTER_KEY, status_of, until
from tests.system.browser import chromium_path, running_browser, telling
from tests.system.conftest import FRONT
from tests.system.containers.images import BASES, OURS
from tests.system.deployment import SERVICES, Deployment
from tests.system.docker import Place, megabytes

OWN_MB = 150
IN_LITELLM = "docker compose exec -T litellm"
READY = f"{FRONT}/health/readiness"
SECRETS = "cat /data/master.key /data/salt.key /data/pgpass /data/console.password /data/pgadmin.password"
AUTH = {"authorization": f"Bearer {MASTER_KEY}"}
CALLERS = 32
LOAD_CALLS = 3_000
NETWORKS_OF = {
    "nginx": {"edge", "admin"},
    "litellm": {"edge", "data", "models", "pull"},
    "postgres": {"data"},
    "ollama": {"models"},
    "ollama-pull": {"pull"},
    "pgadmin": {"admin", "data"},
}
WITH_A_WAY_OUT = {"edge", "pull"}
PORTS = {
    "nginx": 3000,
    "litellm": 4000,
    "postgres": 5432,
    "ollama": 11434,
    "ollama-pull": 11434,
    "pgadmin": 80,
}
GLOBAL_SCOPE = "00"
"""As `/proc/net/if_inet6` has it in the fourth column."""


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


def test_any_user_of_group_0_can_run_the_image(compose: Deployment) -> None:
    done = compose.docker.try_(
        *["docker", "run", "--rm", "--user", "12345:0", "--read-only", "--tmpfs", "/tmp"],
        *f"-e DATABASE_URL=postgresql://a:b@127.0.0.1:9/x {OURS} serve".split(),
        folder=compose.folder,
    )
    told = done.stdout + done.stderr
    assert "made a master key, kept in /data/master.key" in told
    assert "The database can't be reached" in told


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


def test_a_backup_is_made_inside_and_is_not_restored_under_a_gateway(compose: Deployment) -> None:
    told = compose.run(f"{IN_LITELLM} switchgear backup /data/backup.zip")
    assert re.search(r"[1-9]\d* rows of \d+ tables", told), told
    done = compose.docker.try_(
        *f"{IN_LITELLM} switchgear restore /data/backup.zip".split(), folder=compose.folder, **compose.env
    )
    assert (done.returncode, "gateways have" in done.stderr) == (3, True), done.stderr


def test_every_service_is_on_the_networks_of_the_table(compose: Deployment) -> None:
    assert {service: set(compose.addresses(service)) for service in NETWORKS_OF} == NETWORKS_OF


@pytest.mark.parametrize("here", sorted(NETWORKS_OF))
def test_an_address_is_reached_on_a_network_that_both_are_on_and_on_no_other(
    compose: Deployment, here: str, outside: tuple[str, int]
) -> None:
    """By the address itself, on each network of each other service: a name could be missing. Docker keeps
    the two networks with a way out apart. podman leads from one to the other, so it is not asked."""
    shared: set[Place] = set()
    apart: set[Place] = set()
    goes_out = bool(NETWORKS_OF[here] & WITH_A_WAY_OUT)
    for there in NETWORKS_OF.keys() - {here}:
        for network, addresses in compose.addresses(there).items():
            assert addresses, f"{there} has no address on {network}"
            places = {(address, PORTS[there]) for address in addresses}
            if network in NETWORKS_OF[here]:
                shared |= places
            elif not (compose.docker.is_podman and goes_out and network in WITH_A_WAY_OUT):
                apart |= places
    assert apart, "there is nothing that must not be reached"
    until(lambda: compose.reached(here, sorted(shared)) == shared, 180, what="all that starts", pause_s=1)
    found = compose.reached(here, sorted({*shared, *apart, outside}))
    assert found == shared | ({outside} if goes_out else set())


@pytest.mark.parametrize("here", sorted(NETWORKS_OF))
def test_no_container_has_an_address_of_ipv6_that_leads_out(compose: Deployment, here: str) -> None:
    """Link-local ones (scope 20) reach the same networks. A global one would be a way past the table."""
    told = compose.run(f"docker compose exec -T {here} sh -c 'cat /proc/net/if_inet6 2>/dev/null || true'")
    interfaces = [line.split() for line in told.splitlines()]
    assert [each for each in interfaces if each[3] == GLOBAL_SCOPE] == []
    assert not any(":" in address for found in compose.addresses(here).values() for address in found)


def test_the_gateway_stays_within_its_limit_under_load(
    compose: Deployment, record_property: Callable[[str, object], None]
) -> None:
    """Callers at once, half of them with streams. The engine's figure has the whole process tree. nginx may
    answer 429: they all have one address."""
    compose.run("docker exec litellm-ollama ollama pull mistral")
    name = compose.container("litellm")
    statuses: Counter[int] = Counter()
    over = threading.Event()

    def call(stream: bool) -> None:
        body = {
            "model": "mistral-local",
            "messages": [{"role": "user", "content": "Hello"}],
            "stream": stream,
        }
        with httpx.Client(headers={"authorization": f"Bearer {MASTER_KEY}"}, timeout=120) as client:
            while not over.is_set():
                statuses[client.post(f"{FRONT}/v1/chat/completions", json=body).status_code] += 1

    callers = [threading.Thread(target=call, args=(each % 2 == 0,)) for each in range(CALLERS)]
    for each in callers:
        each.start()
    most = 0.0
    try:
        while statuses[200] < LOAD_CALLS:
            stats = compose.run(f"docker stats --no-stream --format '{{{{.MemUsage}}}}' {name}")
            most = max(most, megabytes(stats.split("/")[0]))
            assert set(statuses) <= {200, 429}, statuses
    finally:
        over.set()
        for each in callers:
            each.join()
    state, limit = compose.inspected("litellm")["State"], compose.inspected("litellm")["HostConfig"]["Memory"]
    record_property("most_mb", most)
    assert most < limit / 1e6
    assert (state["OOMKilled"], state["Running"]) == (False, True)
    until(lambda: status_of(f"{FRONT}/health/readiness") == 200, 30, what="readiness after the load")


def at_front(url: str) -> bool:
    return url.startswith((f"{FRONT}/", "data:", "blob:"))


def test_the_ui_works_in_a_browser_through_nginx(compose: Deployment) -> None:
    """The admin signs in, makes a key, and reads its first request, with nothing asked of another origin.
    A row that is booked after the page was opened waits behind the button "1 new"."""
    compose.run("docker exec litellm-ollama ollama pull mistral")
    alias = f"by-the-front-{uuid4().hex}"  # a second try makes another
    others: list[str] = []
    with running_browser(chromium_path()) as browser:
        page = browser.new_page()
        page.set_default_timeout(30_000)
        with telling(page):
            page.on("request", lambda asked: others.extend(() if at_front(asked.url) else (asked.url,)))
            page.on("console", lambda said: others.extend((said.text,) if said.type == "error" else ()))
            page.goto(f"{FRONT}/login?return_to=/ui/keys")
            page.get_by_text("Sign in with the master key").click()
            page.get_by_label("Master key").fill(MASTER_KEY)
            page.get_by_role("button", name="Sign in as admin").click()
            page.get_by_role("button", name="New key").first.click()
            page.get_by_label("Alias").fill(alias)
            page.get_by_role("button", name="Make the key").click()
            key = page.get_by_test_id("secret").inner_text().strip()
            page.get_by_role("button", name="Done").click()
            body = {"model": "mistral-local", "messages": [{"role": "user", "content": "Hello"}]}
            headers = {"authorization": f"Bearer {key}"}
            answer = httpx.post(f"{FRONT}/v1/chat/completions", json=body, headers=headers, timeout=120)
            assert answer.status_code == 200, answer.text
            page.get_by_role("link", name="Activity").click()
            rows = page.get_by_role("table", name="Requests").get_by_role("row")
            row = rows.filter(has_text=alias)
            new = page.get_by_role("button", name=re.compile(r"^\d+ new$"))
            row.or_(new).first.wait_for()
            if new.is_visible():
                new.click()
            row.wait_for()
            assert "mistral-local" in row.inner_text()
    assert others == []


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
