"""nginx in front of the gateway, with the configuration of `infra/nginx` filled as the official image's entry
point fills it: https://github.com/nginx/docker-nginx/blob/master/entrypoint/20-envsubst-on-templates.sh
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from runtime.process.child import wait_or_kill
from runtime.process.parent import end_with_parent
from runtime.settings import SettingsError

TEMPLATES = Path(__file__).parents[2] / "infra" / "nginx" / "templates"
VARIABLE = re.compile(r"\$\{(SG_[A-Z_]+)\}")
ELSEWHERE = f"{os.defpath}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin{os.pathsep}/opt/homebrew/bin"
"""Where nginx is on Debian and macOS, though not in a user's PATH."""
START_S, STOP_S = 10.0, 15.0
FOLDER = "/tmp/nginx"
"""What the configuration has as nginx's own folder. In a container it is a file system in memory."""
LIMITS: Mapping[str, str] = MappingProxyType(
    {
        "SG_BODY_MAX": str(32 * 1024 * 1024),
        "SG_RATE_ADDRESS": "100r/s",
        "SG_BURST_ADDRESS": "1000",
        "SG_RATE_STRANGERS": "20r/s",
        "SG_BURST_STRANGERS": "300",
        "SG_RATE_SIGN_IN": "5r/s",
        "SG_BURST_SIGN_IN": "60",
        "SG_CONNECTIONS": "1000",
        "SG_READ_TIMEOUT": "3600s",
    }
)
"""The values that compose has as well (`infra/compose.yaml`). A test compares them."""


class NginxError(Exception):
    """nginx is not there, or does not start. The message says what it said."""


class Nginx:
    """An nginx process. `values` are those of the templates; `folder` is its own. Its output goes to
    `log_path`."""

    def __init__(self, folder: Path, values: Mapping[str, str], *, log_path: Path) -> None:
        self.folder = folder
        self._values = {**LIMITS, **values}
        self.log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Write the configuration and start. Raises NginxError."""
        program = nginx_program()
        self.write()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [program, *self._arguments, "-g", "daemon off;"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # a terminal's Ctrl-C must not end it before the gateway
                preexec_fn=partial(end_with_parent, os.getpid(), signal.SIGTERM),
            )
        ends_at = time.monotonic() + START_S
        while not (self.folder / "nginx.pid").exists():
            if self._process.poll() is not None or time.monotonic() > ends_at:
                said = self.log_path.read_text(errors="replace").strip()[-1000:]
                self.stop()
                raise NginxError(f"nginx does not start: {said}")
            time.sleep(0.02)

    @property
    def pid(self) -> int | None:
        """The id of the master process. None: it is not running."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process is not None else None

    def reload(self) -> None:
        """Have nginx read its configuration again. Streams under way go on in the old worker."""
        subprocess.run([nginx_program(), *self._arguments, "-s", "reload"], check=True, capture_output=True)

    def stop(self) -> None:
        """End nginx: SIGTERM closes what is under way."""
        if self._process is not None:
            self._process.terminate()
            wait_or_kill(self._process, STOP_S)
            self._process = None

    def write(self) -> None:
        """Write the configuration into the folder."""
        (self.folder / "conf.d").mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)  # a worker of nginx is another user, where root starts it
        chosen = (f"servers-{self._values['SG_MODE']}.inc", f"pgadmin-{self._values['SG_PGADMIN']}.inc")
        for template in sorted(TEMPLATES.rglob("*.template")):
            if template.name.startswith(("servers-", "pgadmin-")) and not template.name.startswith(chosen):
                continue
            path = self.folder / template.relative_to(TEMPLATES).with_suffix("")
            path.write_text(filled(template, self._values).replace(FOLDER, f"{self.folder}/nginx"))

    @property
    def _arguments(self) -> list[str]:
        return ["-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "/dev/stderr"]


def nginx_program() -> str:
    """The path of nginx. Raises NginxError."""
    found = shutil.which("nginx") or shutil.which("nginx", path=ELSEWHERE)
    if found is None:
        raise NginxError(
            "nginx is not installed (Debian and Ubuntu: apt install nginx; macOS: brew install nginx)"
        )
    return found


def filled(template: Path, values: Mapping[str, str]) -> str:
    """A template with its variables in place. Raises SettingsError for a value that nginx would read as more
    than one word of its configuration, and for a missing one."""

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        value = values.get(name)
        if value is None:
            raise SettingsError(f"{template.name}: {name} is not set")
        if not re.fullmatch(r"[^;{}\"'\\$\n]*", value):
            raise SettingsError(f"{name}: expected a value without quotes, braces and semicolons")
        return value

    return VARIABLE.sub(value_of, template.read_text())
