"""The compose project in containers, by `just test-containers`: the images take minutes to build."""

import socket
from collections.abc import Iterator

import pytest

from tests.system.conftest import FRONT, PORTS, check_ports_are_free, lacking
from tests.system.containers.images import NoImages, build_all
from tests.system.deployment import Deployment, deployed
from tests.system.docker import Docker, NoEngine, docker_engine


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    try:
        with docker_engine(tmp_path_factory.mktemp("docker")) as engine:
            if engine.is_podman:
                build_all(engine.env, tmp_path_factory.mktemp("source"))
            yield engine
    except (NoEngine, NoImages) as exc:
        lacking(str(exc))


@pytest.fixture(scope="module")
def compose(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The document's `docker compose up -d`. Raises AssertionError with what compose said."""
    check_ports_are_free(*PORTS)
    with deployed(docker, tmp_path_factory.mktemp("clone"), "docker compose up -d", url=FRONT) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def outside() -> Iterator[tuple[str, int]]:
    """An address that is outside of all container networks, and listens: the internet of the test."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("192.0.2.1", 9))  # sends nothing: it tells which address leads out
        host: str = asking.getsockname()[0]
    with socket.create_server((host, 0)) as listening:
        yield host, listening.getsockname()[1]
