"""The docker command line, as the user's document speaks to it.

A Docker engine with its compose plugin is used where one answers. Elsewhere podman stands in for the engine:
the docker CLI speaks to podman's socket, and a plugin of the test's own hands `docker compose` on to
podman-compose.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.gateway import until

COMMAND_S = 600
METADATA = '{"SchemaVersion":"0.1.0","Vendor":"test","Version":"v2.0.0"}'
PLUGIN = """#!/bin/sh
if [ "$1" = docker-cli-plugin-metadata ]; then echo '{metadata}'; exit 0; fi
shift
exec {podman_compose} "$@"
"""
CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
[network]
network_backend = "netavark"
"""
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
except OSError:
    print("closed")
else:
    print("open")
"""
PROBE = """
if command -v python3 >/dev/null; then python3 -c "$0" "$1" "$2"
elif command -v bash >/dev/null; then
    timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null && echo open || echo closed
elif command -v nc >/dev/null; then nc -z -w 3 "$1" "$2" 2>/dev/null && echo open || echo closed
else echo "no tool to connect with"; fi
"""
"""A command that tries a TCP connection inside a container, with the programs that its image has."""
PROBES = """
probe=$0 connect=$1; shift
while [ $# -gt 0 ]; do echo "$1 $2 $(sh -c "$probe" "$connect" "$1" "$2")"; shift 2; done
"""
"""The same for many places, a line for each."""
Place = tuple[str, int]
"""A host and a port."""


UNITS = {"B": 1e-6, "kB": 1e-3, "KiB": 1.024e-3, "MB": 1, "MiB": 1.048576, "GB": 1e3, "GiB": 1073.741824}


def megabytes(text: str) -> float:
    """`105.6MiB` as podman and Docker write it."""
    found = re.fullmatch(r"([\d.]+)\s*(\w+)", text.strip())
    assert found, f"not an amount of memory: {text!r}"
    return float(found[1]) * UNITS[found[2]]


class NoEngine(Exception):
    """No engine runs containers here. The message says what is missing."""


class Docker:
    """`docker ...` in one environment. `folder` is where a compose project's commands are run."""

    def __init__(self, env: Mapping[str, str], *, is_podman: bool = False) -> None:
        self.env = dict(env)
        self.is_podman = is_podman
        """Whether podman stands in for the engine: then no image can be pulled."""

    def try_(self, *words: str, folder: Path, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            words,
            cwd=folder,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )

    def run(self, *words: str, folder: Path, **env: str) -> str:
        """Run a command, and give what it prints. If it fails, the test fails with what it said."""
        done = self.try_(*words, folder=folder, **env)
        said = (done.stderr + done.stdout).strip()[-2000:]
        assert done.returncode == 0, f"`{' '.join(words)}` ended with {done.returncode}: {said}"
        return done.stdout

    def reaches(self, folder: Path, service: str, host: str, port: int) -> bool:
        """Whether a TCP connection from inside a service's container is accepted."""
        probe = ("sh", "-c", PROBE, CONNECT, host, str(port))
        answer = self.run("docker", "compose", "exec", "-T", service, *probe, folder=folder).strip()
        assert answer in ("open", "closed"), f"{service} can't be asked: {answer}"
        return answer == "open"

    def reached(self, folder: Path, service: str, places: Sequence[Place]) -> set[Place]:
        """Those of the places that accept a TCP connection from inside a service's container."""
        words = [word for host, port in places for word in (host, str(port))]
        told = self.run(
            *("docker", "compose", "exec", "-T", service, "sh", "-c", PROBES, PROBE, CONNECT, *words),
            folder=folder,
        )
        found = {}
        for line in told.splitlines():
            host, port, answer = line.split(maxsplit=2)
            found[host, int(port)] = answer
        assert set(found.values()) <= {"open", "closed"}, f"{service} can't be asked: {told}"
        assert set(found) == set(places), f"{service} was not asked of all: {told}"
        return {place for place, answer in found.items() if answer == "open"}


@contextmanager
def docker_engine(folder: Path) -> Iterator[Docker]:
    """Start or find an engine. Raises NoEngine where neither Docker nor podman can run containers."""
    if shutil.which("docker") is None:
        raise NoEngine("the docker command line is not installed")
    plain = Docker(os.environ)
    if all(
        plain.try_(*words, folder=folder).returncode == 0
        for words in (("docker", "info"), ("docker", "compose", "version"))
    ):
        yield plain
        return
    beside = Path(sys.executable).with_name("podman-compose")
    compose = shutil.which("podman-compose") or (str(beside) if beside.exists() else None)
    missing = [name for name in ("podman", "runc") if shutil.which(name) is None]
    missing += [] if compose else ["podman-compose"]
    if compose is None or missing:
        raise NoEngine(f"no Docker engine answers, and for podman in its place {missing} are not installed")
    with _podman_socket(folder, compose) as docker:
        yield docker


@contextmanager
def _podman_socket(folder: Path, podman_compose: str) -> Iterator[Docker]:
    plugin = folder / "config" / "cli-plugins" / "docker-compose"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(PLUGIN.format(metadata=METADATA, podman_compose=podman_compose))
    plugin.chmod(0o755)
    (plugin.parents[1] / "config.json").write_text("{}")  # `podman run` wants it in such a folder
    conf, socket = folder / "containers.conf", folder / "podman.sock"
    conf.write_text(CONTAINERS_CONF)
    env = {
        **os.environ,
        "DOCKER_HOST": f"unix://{socket}",
        "DOCKER_CONFIG": str(plugin.parents[1]),
        "CONTAINERS_CONF": os.environ.get("CONTAINERS_CONF", str(conf)),
    }
    with (folder / "podman.log").open("wb") as log:
        service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", f"unix://{socket}"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: socket.exists() or service.poll() is not None, 30, what="podman's socket")
        docker = Docker(env, is_podman=True)
        version = docker.try_("docker", "version", folder=folder)
        if version.returncode != 0:
            said = (folder / "podman.log").read_text(errors="replace").strip()[-500:]
            raise NoEngine(f"podman does not answer the docker command line: {said or version.stderr}")
        yield docker
    finally:
        service.terminate()
        service.wait(30)
