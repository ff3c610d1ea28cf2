"""The user's document in production: `./scripts/setup.sh`, TLS, and the same capabilities as in local dev."""

import socket
import ssl
from pathlib import Path

import httpx

from tests.e2e.gateway import MASTER_KEY
from tests.system.conftest import FRONT, PORTS, check_ports_are_free
from tests.system.deployment import SERVICES, Deployment, deployed
from tests.system.docker import Docker

PRODUCTION = "prod.litellm.deeprunner.ai"
SETUP = f"echo LITELLM_DOMAIN={PRODUCTION} >> .env && ./scripts/setup.sh"
"""The name of the host, and the document's line."""


def certificate_of(host: str) -> str:
    """What the server shows to who asks for `host`, as PEM."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=host) as shown,
    ):
        binary = shown.getpeercert(binary_form=True)
    assert binary, "the server shows no certificate"
    return ssl.DER_cert_to_PEM_cert(binary)


def over_tls(host: str) -> httpx.Client:
    """A client that trusts the certificate shown, checks that it is of `host`, and finds `host` here."""
    trusting = ssl.create_default_context(cadata=certificate_of(host))
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client = httpx.Client(base_url="https://127.0.0.1", headers={"host": host}, verify=trusting, timeout=60)
    client.event_hooks["request"].append(
        lambda request: request.extensions.update(sni_hostname=host)  # checked against the certificate
    )
    return client


def abilities(client: httpx.Client) -> dict[str, object]:
    """What an environment can do, as a user finds out."""
    headers = {"authorization": f"Bearer {MASTER_KEY}"}
    listed = client.get("/v1/models", headers=headers).json()["data"]
    api = client.get("/openapi.json", headers=headers).json()
    body = {"model": "mistral-local", "messages": [{"role": "user", "content": "Hello"}]}
    answer = client.post("/v1/chat/completions", headers=headers, json=body)
    return {
        "models": sorted(card["id"] for card in listed),
        "routes": sorted(api["paths"]),
        "local model": answer.status_code,
        "without a key": client.get("/v1/models").status_code,
        "ui": client.get("/ui").status_code,
    }


def images(deployment: Deployment) -> dict[str, str]:
    """Service -> the image that its container runs."""
    found = {}
    for service in SERVICES:
        name = deployment.container(service)
        found[service] = deployment.run(f"docker inspect --format '{{{{.Image}}}}' {name}").strip()
    return found


def test_setup_sh_serves_production_by_tls(docker: Docker, tmp_path: Path) -> None:
    check_ports_are_free(80, 443)
    with deployed(docker, tmp_path, SETUP, url="http://127.0.0.1"):
        with over_tls(PRODUCTION) as client:
            answer = client.get("/health/liveliness")
        assert answer.status_code == 200, f"https://{PRODUCTION} answered {answer.status_code}"
        assert "strict-transport-security" in answer.headers, "production does not insist on HTTPS"
        plain = httpx.get("http://127.0.0.1/v1/models", headers={"host": PRODUCTION}, timeout=30)
        assert plain.status_code in (301, 308), f"plain HTTP is answered with {plain.status_code}"
        assert plain.headers["location"].startswith(f"https://{PRODUCTION}/")


def test_both_environments_run_the_same_stack_with_identical_capabilities(
    docker: Docker, tmp_path: Path
) -> None:
    """One after the other: both have the same container names."""
    check_ports_are_free(*PORTS, 80, 443)
    with deployed(docker, tmp_path / "dev", "docker compose up -d", url=FRONT) as dev:
        with httpx.Client(base_url=FRONT, timeout=60) as client:
            in_dev = abilities(client)
        run_in_dev = images(dev)
    with deployed(docker, tmp_path / "prod", SETUP, url="http://127.0.0.1") as prod:
        with over_tls(PRODUCTION) as client:
            assert abilities(client) == in_dev
        assert images(prod) == run_in_dev
