"""`just ui-build` and `just ui`: the admin UI's files, and its live development."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import msgspec

from runtime.admin_ui.building import BuildFailed, build, find_npm, make_types
from runtime.admin_ui.state import SOURCE, BuildState, write_state
from runtime.outbound import Unreachable, get_json

NICENESS = 10
"""The build beside `just dev` gives way to the gateway."""
WAIT_S = 60.0
"""How long the build waits for the gateway."""
SWITCH = "SWITCHGEAR_BUILD_UI"
"""The variable that keeps `just dev` from building the UI, where it is `0`."""


def document() -> bytes:
    """The OpenAPI document, from which the UI's types are made."""
    from runtime.catalog import entries
    from runtime.web.openapi import openapi_document

    return msgspec.json.encode(openapi_document(entries()))


def build_ui(env: Mapping[str, str], *, force: bool, aside: str) -> int:
    """Build the UI where it is not built yet. `aside` is the address of a gateway that is more urgent: the
    build begins when that is ready, and gives way to it. Gives the exit code."""
    if aside:
        os.nice(NICENESS)
        write_state(SOURCE, BuildState(state="building", pid=os.getpid()))
        _wait_for(aside)
    try:
        built = build(SOURCE, document(), env, force=force)
    except BuildFailed as exc:
        print(f"switchgear: the admin UI is not built. {exc}", file=sys.stderr)
        return 1
    if built or not aside:
        print(f"switchgear: the admin UI is {'built' if built else 'unchanged'}", file=sys.stderr)
    return 0


def develop_ui(env: Mapping[str, str], gateway: str) -> int:
    """Serve the UI with live reloading; everything else goes on to the gateway. Gives the exit code."""
    try:
        npm = find_npm(SOURCE, {**env, "SWITCHGEAR_URL": gateway})
        npm.install()
        make_types(SOURCE, npm, document())
    except BuildFailed as exc:
        print(f"switchgear: {exc}", file=sys.stderr)
        return 1
    return npm.start("vite/bin/vite.js")


def test_ui(env: Mapping[str, str]) -> int:
    """Run the tests of the UI's parts, without a browser. Gives the exit code."""
    try:
        npm = find_npm(SOURCE, env)
        npm.install()
    except BuildFailed as exc:
        print(f"switchgear: {exc}", file=sys.stderr)
        return 1
    return npm.start("vitest/vitest.mjs", "run")


def _wait_for(gateway: str) -> None:
    """Wait until the gateway is ready, or something is wrong with it."""
    ends_at = time.monotonic() + WAIT_S
    while time.monotonic() < ends_at:
        try:
            get_json(f"{gateway}/health/readiness", timeout_s=1.0)
        except Unreachable:
            time.sleep(0.2)
        else:
            return


@contextmanager
def built_aside(env: Mapping[str, str], gateway: str) -> Iterator[None]:
    """A process builds the UI while this is open and the gateway serves. Its end stops it."""
    if env.get(SWITCH) == "0":
        yield
        return
    command = [sys.executable, "-m", "runtime", "ui-build", "--aside", gateway]
    process = subprocess.Popen(command, env=dict(env), stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
