"""The compose project as a user has it: a clone of the repository, `cd infra`, the document's words."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.gateway import MASTER_KEY, ROOT, status_of, until
from tests.system.docker import Docker, Place

START_S = 300
READY = (200, 301, 308)
"""Statuses that say that the deployment answers. In production, plain HTTP is sent on to HTTPS."""
FAMILIES = ("IPAddress", "GlobalIPv6Address")
SERVICES = ("nginx", "litellm", "postgres", "ollama", "pgadmin")


class Deployment:
    """A clone's `infra` folder. `run` runs a line of the document there."""

    def __init__(self, docker: Docker, folder: Path) -> None:
        self.docker = docker
        self.folder = folder
        self.config = folder / "config" / "litellm-config.yaml"
        self.env = {
            "LITELLM_MASTER_KEY": MASTER_KEY,
            "OPENAI_API_KEY": "sk-openai",
            "ANTHROPIC_API_KEY": "sk-ant",
        }

    def run(self, line: str) -> str:
        return self.docker.run("sh", "-c", line, folder=self.folder, **self.env)

    def container(self, service: str) -> str:
        """The id of a service's running container. Compose labels it; so does podman-compose."""
        labels = {"service": service, "project.working_dir": str(self.folder)}
        filters = " ".join(
            f"--filter label=com.docker.compose.{name}={what}" for name, what in labels.items()
        )
        found = self.run(f"docker ps -q {filters}").split()
        assert len(found) == 1, f"{len(found)} containers run for {service}"
        return found[0]

    def exec_python(self, service: str, program: str, *arguments: str) -> str:
        words = ("docker", "compose", "exec", "-T", service, "python3", "-c", program, *arguments)
        return self.docker.run(*words, folder=self.folder, **self.env)

    def reaches(self, service: str, host: str, port: int) -> bool:
        return self.docker.reaches(self.folder, service, host, port)

    def reached(self, service: str, places: Sequence[Place]) -> set[Place]:
        return self.docker.reached(self.folder, service, places)

    def inspected(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's container."""
        (told,) = json.loads(self.run(f"docker inspect {self.container(service)}"))
        return dict(told)

    def addresses(self, service: str) -> dict[str, set[str]]:
        """The addresses of a service's container, of both families, by the network's name in the file."""
        networks = self.inspected(service)["NetworkSettings"]["Networks"]
        return {
            name.rpartition("_")[2]: {each[field] for field in FAMILIES if each.get(field)}
            for name, each in networks.items()
        }

    def chat(self, url: str, model: str) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"authorization": f"Bearer {MASTER_KEY}"}
        return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=120, verify=False)

    def down(self) -> None:
        self.docker.try_("docker", "compose", "down", "--volumes", folder=self.folder, **self.env)


def clone(folder: Path) -> Path:
    """Put what is in the repository into a folder of its own, and give its `infra`."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder / "infra"


@contextmanager
def deployed(docker: Docker, folder: Path, line: str, *, url: str) -> Iterator[Deployment]:
    """Bring the project up by a line of the document until it is ready at `url`, and take it down at the
    end."""
    deployment = Deployment(docker, clone(folder))
    try:
        deployment.run(line)
        probe = f"{url}/health/readiness"
        until(lambda: status_of(probe) in READY, START_S, what=f"an answer of {probe}", pause_s=1)
        yield deployment
    finally:
        deployment.down()
