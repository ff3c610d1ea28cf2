"""The one way to the Ollama that pulls, for both doors to it: `/local/pull` and `/local/delete` for admins
(`runtime/hosts/manager.py`), and the command inside the serving container (`runtime/hosts/pull_door.py`).

Both take the same names, have the same turn, write the same audit row before anything is asked, and read the
progress within the same bounds (`runtime/hosts/pulling.py`). The command waits for its turn; an admin is told
that it is another's.
"""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from models_registry.config.local_hosts import LocalHost, is_of_library
from runtime.governance.audit_note import AuditNote
from runtime.process.locks import locked
from schema.errors.requests import InvalidRequest

TABLE = "local_hosts"
NOT_OF_LIBRARY = "that is no name of a model of the library, such as llama3 or phi3:mini"


class PullTurns:
    """One pull or deletion at a time at each server that pulls, over all processes of this data directory:
    the workers, and the door's. `folder` is for the locks, one small file a server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, host: LocalHost) -> Callable[[], None] | None:
        """Take the turn at a host's `pull_base`. Gives what ends it, or None where somebody else has it. A
        process that dies has ended its turn."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(host.pull_base.encode()).hexdigest()[:16]
        with ExitStack() as stack:
            if not stack.enter_context(locked(self._folder / f"{name}.lock")):
                return None
            return stack.pop_all().close
        return None


def check_name(host: LocalHost, model: str) -> None:
    """Raise InvalidRequest for a name that the pulling Ollama is not asked for. A host that pulls by itself
    may pull from other registries too."""
    if host.pulls_elsewhere and not is_of_library(model):
        raise InvalidRequest(f"model: {NOT_OF_LIBRARY}.", param="model")


def pull_note(  # noqa: PLR0913  (they are the columns of the row)
    action: str,
    host: LocalHost,
    model: str,
    *,
    by: str,
    address: str | None,
    request_id: str,
    key_hash: str = "",
) -> AuditNote:
    """The audit row of what is asked of a host: `pulled`, `deleted`, `loaded` or `unloaded`."""
    return AuditNote(
        action=action,
        table=TABLE,
        object_id=f"{host.name} {model}",
        facts={"host": host.name, "model": model},
        by=by,
        key_hash=key_hash,
        address=address,
        request_id=request_id,
    )
