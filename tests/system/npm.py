"""Installs packages of npm for the tests that drive other people's clients."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.system.conftest import lacking, program

INSTALL_S = 300


def install(package: str | Sequence[str], folder: Path) -> Path:
    """The folder `node_modules` with one package or more in it. Skips where npm can't install them. npm has
    authorities of its own: where the machine names a file of them, it is told so."""
    command = [program("npm"), "install", "--no-audit", "--no-fund", "--no-save"]
    command += ["--fetch-retries=1", "--fetch-timeout=60000", "--prefix", str(folder)]
    command += [package] if isinstance(package, str) else package
    env = dict(os.environ)
    if "SSL_CERT_FILE" in env:
        env.setdefault("NODE_EXTRA_CA_CERTS", env["SSL_CERT_FILE"])
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_S, check=False, env=env
        )
    except subprocess.TimeoutExpired:
        lacking(f"npm did not install {package} within {INSTALL_S} s")
    if done.returncode != 0:
        lacking(f"npm can't install {package}: {done.stderr[-300:]}")
    return folder / "node_modules"
