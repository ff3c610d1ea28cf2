"""The arrows of the document's two network pictures, each tried both ways with real connections."""

import itertools
import socket
from collections.abc import Iterator

import pytest

from tests.e2e.gateway import until
from tests.system.deployment import Deployment
from tests.system.docker import Place

PORT_OF = {"nginx": 3000, "litellm": 4000, "postgres": 5432, "ollama": 11434, "pgadmin": 80}
ARROWS = {
    ("nginx", "litellm"),
    ("nginx", "pgadmin"),
    ("litellm", "postgres"),
    ("litellm", "ollama"),
    ("pgadmin", "postgres"),
}
"""Who connects to whom."""
APART = {
    (here, there)
    for here, there in itertools.permutations(PORT_OF, 2)
    if not {(here, there), (there, here)} & ARROWS and {here, there} != {"litellm", "pgadmin"}
}
"""Services without an arrow between them share no network, so that neither reaches the other. Where there is
an arrow they share one, on which Docker does not tell who may begin; the gateway and pgAdmin share the one of
Postgres."""


@pytest.fixture(scope="module")
def outside() -> Iterator[tuple[str, int]]:
    """An address that is outside of all container networks, and listens: the internet of the test."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("192.0.2.1", 9))  # sends nothing: it tells which address leads out
        host: str = asking.getsockname()[0]
    with socket.create_server((host, 0)) as listening:
        yield host, listening.getsockname()[1]


@pytest.mark.parametrize(("here", "there"), sorted(ARROWS))
def test_an_arrow_of_the_picture_connects(compose: Deployment, here: str, there: str) -> None:
    until(lambda: compose.reaches(here, there, PORT_OF[there]), 60, what=f"{there} from {here}", pause_s=1)


@pytest.mark.parametrize(("here", "there"), sorted(APART))
def test_what_has_no_arrow_does_not_connect(compose: Deployment, here: str, there: str) -> None:
    assert compose.reaches(here, "127.0.0.1", PORT_OF[here]), f"{here} does not even reach itself"
    assert not compose.reaches(here, there, PORT_OF[there]), f"{here} reaches {there}"


NETWORKS_OF = {
    "nginx": {"edge", "admin"},
    "litellm": {"edge", "data", "models", "pull"},
    "postgres": {"data"},
    "ollama": {"models"},
    "ollama-pull": {"pull"},
    "pgadmin": {"admin", "data"},
}
WITH_A_WAY_OUT = {"edge", "pull"}
PORTS = {**PORT_OF, "ollama-pull": PORT_OF["ollama"]}
GLOBAL_SCOPE = "00"
"""As `/proc/net/if_inet6` has it in the fourth column."""


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


def test_ollama_has_no_way_to_the_internet_and_the_gateway_has(
    compose: Deployment, outside: tuple[str, int]
) -> None:
    assert compose.reaches("litellm", *outside), "the gateway can't reach a cloud provider"
    assert not compose.reaches("ollama", *outside), "Ollama reaches the internet"


def test_the_internet_has_no_way_to_ollama(compose: Deployment, outside: tuple[str, int]) -> None:
    """No port of its container is published on this machine; nginx's are the way in."""
    published = compose.run("docker port litellm-ollama").strip()
    assert published == "", f"Ollama's port is published: {published}"
    with socket.socket() as sock:
        sock.settimeout(3)
        assert sock.connect_ex((outside[0], PORT_OF["ollama"])) != 0, (
            "Ollama answers on this machine's address"
        )
