"""How many instructions a plain call costs inside a worker, so that a change that makes calls dearer is seen.

    python -m tests.bench.instructions             the count, beside the one in `instructions.json`
    python -m tests.bench.instructions --update    write the count there, in the commit that changes it

valgrind counts: the difference of runs with 200 and 100 calls (`tests/bench/stages.py --calls`), in one
thread, without sockets, with a fixed hash seed. Python and its libraries decide the count as well, so that
each build of Python has a count of its own.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httptools
import msgspec
import uvloop

from tests.bench.servers import ROOT

COUNTS = Path(__file__).with_name("instructions.json")
FEW, MANY = 100, 200
TIMEOUT_S = 300.0
TOLERANCE = 0.03
UPDATE = "python -m tests.bench.instructions --update"


class NoValgrind(RuntimeError):
    """The machine can't count instructions; the message says why."""


def build() -> str:
    """What decides the count beside our code, such as `x86_64 3.11.7 GCC 12.2.0 glibc 2.36 ...`."""
    libraries = " ".join(f"{each.__name__} {each.__version__}" for each in (msgspec, httptools, uvloop))
    libc = " ".join(platform.libc_ver())
    return f"{platform.machine()} {platform.python_version()} {platform.python_compiler()} {libc} {libraries}"


def counted() -> int:
    """Instructions a call. Raises NoValgrind."""
    if shutil.which("valgrind") is None:
        raise NoValgrind("valgrind is not installed")
    with tempfile.TemporaryDirectory(prefix="switchgear-instructions-") as folder:
        env = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": folder}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run(_command(1), cwd=ROOT, env=env, check=True)  # compiles what it imports
        with ThreadPoolExecutor(2) as pool:
            few, many = pool.map(lambda calls: _run(calls, env, Path(folder)), (FEW, MANY))
    return (many - few) // (MANY - FEW)


def _command(calls: int) -> list[str]:
    return [sys.executable, "-m", "tests.bench.stages", "--calls", str(calls)]


def _run(calls: int, env: dict[str, str], folder: Path) -> int:
    """The instructions of a whole run."""
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / str(calls)}"]
    try:
        ran = subprocess.run(
            [*valgrind, *_command(calls)],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise NoValgrind(f"valgrind took more than {TIMEOUT_S:g} s") from None
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode or found is None:
        raise NoValgrind(f"valgrind can't run this Python: {ran.stderr[-300:]}")
    return int(found[1])


def known() -> dict[str, int]:
    """The counts that were written down, by build."""
    found: dict[str, int] = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    return found


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.instructions", description=__doc__)
    parser.add_argument("--update", action="store_true")
    arguments = parser.parse_args(argv)
    try:
        count = counted()
    except NoValgrind as exc:
        print(exc, file=sys.stderr)
        return 1
    before = known().get(build())
    said = "none is written down for this build" if before is None else f"written down: {before}"
    print(f"{count} instructions a call; {said}")
    if arguments.update:
        COUNTS.write_text(json.dumps({**known(), build(): count}, indent=2, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
