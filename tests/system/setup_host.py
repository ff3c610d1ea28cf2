"""A host for `infra/scripts/setup.sh`, with a docker that notes what it is told."""

import shutil
import subprocess
from pathlib import Path

from cryptography import x509

from tests.e2e.seed import INFRA

DOCKER = """#!/bin/bash
echo "$@" | head -n 1 >> "$NOTES"
[ "$*" = "compose up -d" ] && echo "files $COMPOSE_FILE" >> "$NOTES"
case "$*" in
"compose ps -q nginx") echo "$RUNNING" ;;
"$FAILS"*) exit 1 ;;
*certbot*) [ -n "$CERTBOT" ] && cp -r "$CERTBOT/." "$ROOTS/letsencrypt/live/switchgear" ;;
"run "*"--entrypoint sh"*)
    while [ "$#" -gt 1 ]; do
        case $1 in
        *:/certificates) certificates=${1%%:*} ;;
        */letsencrypt:/from:ro) from=$ROOTS/letsencrypt ;;
        *:/from:ro) from=${1%%:*} ;;
        esac
        shift
    done
    script=${1//\\/certificates/$certificates}
    IN_CONTAINER=1 sh -ec "${script//\\/from/$from}"
    ;;
esac
"""
"""Notes what it is told, and does in the host's folders what a container as root would do. certbot's files
are where only containers find them, since `live/` is root's alone."""
OWNER = """#!/bin/sh
[ -n "$IN_CONTAINER" ] || { echo "$0 $*: Operation not permitted" >&2; exit 1; }
[ "${0##*/}" = chown ] || exec /bin/chmod "$@"
"""
"""chmod and chown on a host where `certificates/` is another user's."""
NAME = "llm.example.test"
MEMINFO = "MemTotal:        {} kB\n"


class Host:
    """A host with a clone's `infra` folder and a docker that does nothing."""

    def __init__(self, folder: Path, *, memory_mb: int) -> None:
        self.folder = folder / "infra"
        shutil.copytree(INFRA, self.folder, ignore=shutil.ignore_patterns("certificates", "acme", ".env"))
        self.notes = folder / "notes"
        self.notes.touch()
        self._bin = folder / "bin"
        self._bin.mkdir()
        self.program("docker", DOCKER)
        self.program("chmod", OWNER)
        self.program("chown", OWNER)
        self.program("df", "#!/bin/sh\necho; echo disk 99999 1 50000 1% /\n")
        (folder / "letsencrypt" / "live" / "switchgear").mkdir(parents=True)
        (folder / "meminfo").write_text(MEMINFO.format(memory_mb * 1024))
        self._env = {
            "PATH": f"{self._bin}:/usr/sbin:/usr/bin:/sbin:/bin",
            "NOTES": str(self.notes),
            "MEMINFO": str(folder / "meminfo"),
            "RUNNING": "yes",
            "FAILS": "nothing",
            "HEALTH_S": "1",
            "CERTBOT": "",
            "ROOTS": str(folder),
        }

    def program(self, name: str, text: str) -> None:
        """Put a program before the host's own of this name."""
        (self._bin / name).write_text(text)
        (self._bin / name).chmod(0o755)

    @property
    def certificate(self) -> Path:
        return self.folder / "certificates" / "fullchain.pem"

    def names(self) -> set[str]:
        """The names of the certificate that nginx is given."""
        found = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        return set(
            found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
                x509.DNSName
            )
        )

    def setup(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.folder / "scripts" / "setup.sh"), *words],
            env={**self._env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def told(self) -> list[str]:
        return self.notes.read_text().splitlines()

    def settings(self) -> dict[str, str]:
        lines = (self.folder / ".env").read_text().splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}
