"""The port of local hosts. Its implementation is in `runtime/hosts`."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from functions.contract.call import Call
from models_registry.config.local_hosts import LocalHost
from schema.local_hosts import HostModelShown, LocalHostState, PullProgress


class LoadWish(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is to be loaded."""

    keep_alive: str | int | None = None
    num_ctx: int | None = None
    force: bool = False


class Pulling(Protocol):
    """A pull under way."""

    def progress(self) -> AsyncIterator[PullProgress]:
        """How far it is, to its end. Raises LocalHostFailed where it breaks off."""
        ...

    def close(self) -> None:
        """Break it off. Ollama goes on later from where it was."""
        ...


class LocalHosts(Protocol):
    """The machines that serve local models."""

    @property
    def hosts(self) -> Sequence[LocalHost]: ...

    async def states(self) -> Sequence[LocalHostState]:
        """How the hosts stand now. A host that does not answer says so."""
        ...

    async def show(self, host: LocalHost, model: str) -> HostModelShown:
        """What a host tells of a model. Raises NotFound and LocalHostFailed."""
        ...

    async def load(self, host: LocalHost, model: str, wish: LoadWish, *, call: Call) -> None:
        """Load a model. Raises ModelTooLarge, NotFound and LocalHostFailed."""
        ...

    async def unload(self, host: LocalHost, model: str, *, call: Call) -> None:
        """Take a model out of memory. Raises NotFound and LocalHostFailed."""
        ...

    async def pull(self, host: LocalHost, model: str, *, force: bool, call: Call) -> Pulling:
        """Begin a pull, by the host's `pull_base`. Raises ModelTooLarge as soon as its size is known,
        NotFound and LocalHostFailed."""
        ...

    async def delete(self, host: LocalHost, model: str, *, call: Call) -> None:
        """Delete a model, by the host's `pull_base`. Raises NotFound and LocalHostFailed."""
        ...
