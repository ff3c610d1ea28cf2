"""The images of the compose project where none can be pulled: ours from its Dockerfile, and stand-ins for
official ones. The base is Debian, made by debootstrap once and kept in the user's cache."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.system.deployment import clone

HERE = Path(__file__).parent / "images"
OURS = "switchgear:local"
BASES = ("docker.io/library/debian:bookworm-slim", "docker.io/library/python:3.11-slim-bookworm")
STAND_INS = {
    "postgres": "docker.io/library/postgres:17-bookworm",
    "nginx": "docker.io/library/nginx:1.28-bookworm",
    "pgadmin": "docker.io/dpage/pgadmin4:9.8",
    "ollama": "docker.io/ollama/ollama:0.12.3",
}
PACKAGES = "ca-certificates,python3,python3-venv,curl"
BUILD_S = 900
AUTHORITIES = ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS")


class NoImages(Exception):
    """An image can't be made here. The message says why."""


def build_all(env: dict[str, str], source: Path) -> None:
    """Build every image with podman, ours from a fresh clone in `source`. Raises NoImages."""
    if not all(_exists(name, env) for name in BASES):
        _import_base(env)
    dockerfile = clone(source) / "Dockerfile"
    _build(OURS, source, env, "-f", f"{dockerfile}", "--ignorefile", f"{dockerfile}.dockerignore")
    for folder, name in STAND_INS.items():
        _build(name, HERE / folder, env)


def _exists(name: str, env: dict[str, str]) -> bool:
    return subprocess.run(["podman", "image", "exists", name], env=env, check=False).returncode == 0


def _import_base(env: dict[str, str]) -> None:
    if shutil.which("debootstrap") is None:
        raise NoImages("debootstrap is not installed")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "switchgear-tests"
    key = hashlib.sha256(PACKAGES.encode()).hexdigest()[:12]
    packed = cache / f"bookworm-{key}.tar"
    if not packed.exists():
        root = cache / "root"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        _run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)], env)
        for name in ("python", "python3"):
            (root / "usr" / "local" / "bin" / name).symlink_to("/usr/bin/python3.11")
        for each in (root / "var" / "cache" / "apt" / "archives").glob("*.deb"):
            each.unlink()
        _run(["tar", "-C", str(root), "-cf", str(packed), "."], env)
        shutil.rmtree(root)
    for name in BASES:
        _run(["podman", "import", "-q", str(packed), name], env)


def _build(name: str, folder: Path, env: dict[str, str], *more: str) -> None:
    """Registries are reached over the machine's network and with its authorities, which are in no image."""
    command = ["podman", "build", "--format", "docker", "-q", "--network", "host", "-t", name, *more]
    given = [f"{variable}={env[variable]}" for variable in AUTHORITIES if variable in env]
    if given and "postgres" not in name:  # its package writes into that folder
        command += ["-v", "/etc/ssl/certs:/etc/ssl/certs:ro"]
        command += [word for each in given for word in ("--env", each)]
    _run([*command, str(folder)], env)


def _run(command: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=BUILD_S, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-1500:]
        raise NoImages(f"`{' '.join(command[:3])} ...` ended with {done.returncode}: {said}")
