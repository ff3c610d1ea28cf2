"""The user's document with containers: compose up, three lines and a restart, memory, pgAdmin, offline."""

import json
import re

import httpx
import yaml

from runtime.local.pgadmin import EMAIL
from tests.e2e.gateway import MASTER_KEY, status_of, until
from tests.e2e.seed import CLOUD, LOCAL
from tests.system.conftest import FRONT, PGADMIN
from tests.system.deployment import SERVICES, Deployment
from tests.system.docker import megabytes
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
