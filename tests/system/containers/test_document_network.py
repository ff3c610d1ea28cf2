"""The arrows of the document's two network pictures, each tried both ways with real connections."""

import itertools
import socket

import pytest

from tests.e2e.gateway import until
from tests.system.deployment import Deployment

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


@pytest.mark.parametrize(("here", "there"), sorted(ARROWS))
def test_an_arrow_of_the_picture_connects(compose: Deployment, here: str, there: str) -> None:
    until(lambda: compose.reaches(here, there, PORT_OF[there]), 60, what=f"{there} from {here}", pause_s=1)


@pytest.mark.parametrize(("here", "there"), sorted(APART))
def test_what_has_no_arrow_does_not_connect(compose: Deployment, here: str, there: str) -> None:
    assert compose.reaches(here, "127.0.0.1", PORT_OF[here]), f"{here} does not even reach itself"
    assert not compose.reaches(here, there, PORT_OF[there]), f"{here} reaches {there}"


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
