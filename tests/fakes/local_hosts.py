"""Local hosts that do what they are asked for. Implements `functions.ports.local_hosts.LocalHosts`."""

from collections.abc import AsyncIterator, Sequence

from functions.contract.call import Call
from functions.ports.local_hosts import LoadWish
from models_registry.config.local_hosts import HostKind, LocalHost
from schema.local_hosts import HostModelShown, LocalHostState, PullProgress

BASE = "http://ollama.lan:11434"


class FakePulling:
    async def progress(self) -> AsyncIterator[PullProgress]:
        yield PullProgress(status="success")

    def close(self) -> None:
        return None


class FakeLocalHosts:
    """One Ollama."""

    hosts = (LocalHost(name="here", kind=HostKind.OLLAMA, api_base=BASE, pull_base=BASE),)

    async def states(self) -> Sequence[LocalHostState]:
        return []

    async def show(self, host: LocalHost, model: str) -> HostModelShown:
        return HostModelShown(host=host.name, model=model, remote=False)

    async def load(self, host: LocalHost, model: str, wish: LoadWish, *, call: Call) -> None:
        return None

    async def unload(self, host: LocalHost, model: str, *, call: Call) -> None:
        return None

    async def pull(self, host: LocalHost, model: str, *, force: bool, call: Call) -> FakePulling:
        return FakePulling()

    async def delete(self, host: LocalHost, model: str, *, call: Call) -> None:
        return None
