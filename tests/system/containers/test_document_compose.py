"""The user's document with containers: compose up, three lines and a restart, memory, pgAdmin, offline."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable

import httpx
import yaml

from runtime.local.pgadmin import EMAIL
from tests.e2e.gateway import MASTER_KEY, status_of, until
from tests.e2e.seed import CLOUD, LOCAL
from tests.system.browser import chromium_path, running_browser
from tests.system.conftest import FRONT, PGADMIN
from tests.system.deployment import SERVICES, Deployment
from tests.system.pgadmin import PgAdminClient

THREE_LINES = """
- model_name: llama3-local
  litellm_params:
    model: ollama/llama3
    api_base: http://ollama:11434
"""
"""The document's, verbatim."""
ASK = """
import json, sys, urllib.error, urllib.request
body = {"model": "mistral-local", "messages": [{"role": "user", "content": "Hello"}]}
headers = {"authorization": f"Bearer {sys.argv[1]}", "content-type": "application/json"}
asked = urllib.request.Request(
    "http://127.0.0.1:4000/v1/chat/completions", json.dumps(body).encode(), headers
)
try:
    print(urllib.request.urlopen(asked, timeout=60).status)
except urllib.error.HTTPError as exc:
    print(exc.code, exc.read().decode())
"""
SAID_MB = {"postgres": 200, "litellm": 500, "ollama": 2048, "nginx": 50, "pgadmin": 256}
"""The document's table. It has 100 for pgAdmin, whose Python alone needs more; the total has room for it."""
TOTAL_MB = 3 * 1024 * 1.048576
CALLERS = 32
LOAD_CALLS = 3_000
UNITS = {"B": 1e-6, "kB": 1e-3, "KiB": 1.024e-3, "MB": 1, "MiB": 1.048576, "GB": 1e3, "GiB": 1073.741824}


def megabytes(text: str) -> float:
    """`105.6MiB` as podman and Docker write it."""
    found = re.fullmatch(r"([\d.]+)\s*(\w+)", text.strip())
    assert found, f"not an amount of memory: {text!r}"
    return float(found[1]) * UNITS[found[2]]


def test_docker_compose_up_serves_the_gateway_and_the_ui(compose: Deployment) -> None:
    models = httpx.get(f"{FRONT}/v1/models", headers={"authorization": f"Bearer {MASTER_KEY}"}, timeout=30)
    assert {card["id"] for card in models.json()["data"]} == {*CLOUD, *LOCAL}
    page = httpx.get(f"{FRONT}/ui", follow_redirects=True, timeout=30)
    assert page.status_code == 200, f"/ui answered {page.status_code}"
    running = {service for service in SERVICES if compose.container(service)}
    assert running == set(SERVICES)


def test_pull_three_lines_and_restart_serve_a_model(compose: Deployment) -> None:
    """The clone's config has the model already: it goes first, so that the three lines are what adds it."""
    before = yaml.safe_load(compose.config.read_text())
    before["model_list"] = [each for each in before["model_list"] if each["model_name"] != "llama3-local"]
    compose.config.write_text(yaml.safe_dump(before))
    compose.run("docker compose restart litellm")
    until(lambda: status_of(f"{FRONT}/health/readiness") == 200, 120, what="the restart", pause_s=1)
    assert compose.chat(FRONT, "llama3-local").status_code == 404, "the model was there before it was added"

    compose.run("docker exec litellm-ollama ollama pull llama3")
    before["model_list"] += yaml.safe_load(THREE_LINES)
    compose.config.write_text(yaml.safe_dump(before))
    compose.run("docker compose restart litellm")
    until(lambda: status_of(f"{FRONT}/health/readiness") == 200, 120, what="the restart", pause_s=1)
    answer = compose.chat(FRONT, "llama3-local")
    assert answer.status_code == 200, f"the pulled model does not answer: {answer.text}"


def test_the_ollama_container_loads_the_model_and_runs_it_on_the_cpu(compose: Deployment) -> None:
    compose.run("docker exec litellm-ollama ollama pull mistral")
    assert compose.chat(FRONT, "mistral-local").status_code == 200
    loaded = compose.run("docker exec litellm-ollama ollama ps")
    assert "mistral" in loaded, f"the model is not in memory: {loaded}"
    assert "CPU" in loaded, f"the model does not run on the CPU: {loaded}"


def test_every_container_stays_within_the_memory_table(compose: Deployment) -> None:
    """After a call, so that each service has done its work; the limits are what the engine enforces."""
    compose.run("docker exec litellm-ollama ollama pull phi3")
    assert compose.chat(FRONT, "phi3-local").status_code == 200
    used, limits = {}, {}
    for service in SAID_MB:
        name = compose.container(service)
        stats = compose.run(f"docker stats --no-stream --format '{{{{.MemUsage}}}}' {name}")
        used[service] = megabytes(stats.split("/")[0])
        (inspected,) = json.loads(compose.run(f"docker inspect {name}"))
        limits[service] = inspected["HostConfig"]["Memory"] / 1e6
    over = {service: mb for service, mb in used.items() if mb > SAID_MB[service]}
    assert over == {}, f"more megabytes than the table has: {over}"
    unlimited = [service for service, mb in limits.items() if mb == 0]
    assert unlimited == [], f"nothing limits the memory of {unlimited}"
    assert sum(limits.values()) <= TOTAL_MB, f"the limits are {limits}"


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
    """The admin signs in, makes a key, and reads its first request, with nothing asked of another origin."""
    compose.run("docker exec litellm-ollama ollama pull mistral")
    others: list[str] = []
    with running_browser(chromium_path()) as browser:
        page = browser.new_page()
        page.set_default_timeout(30_000)
        page.on("request", lambda asked: others.extend(() if at_front(asked.url) else (asked.url,)))
        page.on("console", lambda said: others.extend((said.text,) if said.type == "error" else ()))
        page.goto(f"{FRONT}/login?return_to=/ui/keys")
        page.get_by_text("Sign in with the master key").click()
        page.get_by_label("Master key").fill(MASTER_KEY)
        page.get_by_role("button", name="Sign in as admin").click()
        page.get_by_role("button", name="New key").first.click()
        page.get_by_label("Alias").fill("by-the-front")
        page.get_by_role("button", name="Make the key").click()
        key = page.get_by_test_id("secret").inner_text().strip()
        page.get_by_role("button", name="Done").click()
        body = {"model": "mistral-local", "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"authorization": f"Bearer {key}"}
        answer = httpx.post(f"{FRONT}/v1/chat/completions", json=body, headers=headers, timeout=120)
        assert answer.status_code == 200, answer.text
        page.get_by_role("link", name="Activity").click()
        row = page.get_by_role("table", name="Requests").get_by_role("row").filter(has_text="by-the-front")
        row.first.wait_for()
        assert "mistral-local" in row.first.inner_text()
    assert others == []


def test_pgadmin_of_the_compose_project_is_on_this_machine_alone(compose: Deployment) -> None:
    stranger = httpx.get(PGADMIN, follow_redirects=True, timeout=60)
    assert (stranger.status_code, "for admins" in stranger.text) == (403, True)
    with httpx.Client(timeout=60, follow_redirects=True) as browser:
        browser.post(f"{FRONT}/login", data={"username": "admin", "password": MASTER_KEY})
        until(lambda: "pgAdmin 4" in browser.get(PGADMIN).text, 180, what="pgAdmin", pause_s=2)
        told = compose.run("docker compose exec -T litellm switchgear key")
        shown = PgAdminClient(browser, PGADMIN)
        shown.sign_in(EMAIL, re.findall(r"password (\S+)", told)[0])
        shown.open_server()
        for table in ("LiteLLM_UserTable", "LiteLLM_VerificationToken", "LiteLLM_SpendLogs"):
            assert shown.run(f'SELECT count(*) FROM "{table}"').startswith("[["), table
    published = compose.run(f"docker port {compose.container('nginx')}")
    addresses = set(re.findall(r"-> (\S*):8080$", published, re.MULTILINE))
    assert addresses, f"no port 8080 is published: {published}"
    assert addresses <= {"127.0.0.1", "[::1]"}, f"pgAdmin's port is published on {addresses}"


def test_a_local_model_answers_while_the_way_to_the_internet_is_cut(compose: Deployment) -> None:
    """Each network with a way out is taken from the gateway, which is then asked inside its container."""
    compose.run("docker exec litellm-ollama ollama pull mistral")
    name = compose.container("litellm")
    (inspected,) = json.loads(compose.run(f"docker inspect {name}"))
    cut = []
    for network in inspected["NetworkSettings"]["Networks"]:
        (details,) = json.loads(compose.run(f"docker network inspect {network}"))
        if not details.get("Internal", details.get("internal")):
            cut.append(network)
    assert cut, "the gateway has no way out at all: no cloud provider can be called"
    for network in cut:
        compose.run(f"docker network disconnect {network} {name}")
    try:
        status = compose.exec_python("litellm", ASK, MASTER_KEY).strip()
        assert status == "200", f"offline, the local model's answer was {status}"
    finally:
        for network in cut:
            compose.run(f"docker network connect {network} {name}")
