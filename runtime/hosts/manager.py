"""Manages local hosts. Implements `functions.ports.local_hosts.LocalHosts`.

Prompts go to a host's `api_base`, and never from here. Pulls and deletions go to its `pull_base`, which is
in no registry: so a host that serves needs no way out, and the one that has a way out sees no prompt.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from functions.contract.call import Call
from functions.ports.local_hosts import LoadWish
from functions.ports.models import Upstream
from models_registry.backends.ollama.memory import DEFAULT_CONTEXT, needed_bytes
from models_registry.config.hosts import is_near
from models_registry.config.local_hosts import LocalHost, bare
from models_registry.target import Deadlines, Target
from runtime.governance.audit_note import write_note
from runtime.hosts.asking import HostAsking
from runtime.hosts.pull_way import PullTurns, check_name, pull_note
from runtime.hosts.pulling import OllamaPull, check_room
from runtime.hosts.states import decoded, left_of, ollama_models, told
from runtime.postgres.database import Database
from runtime.telemetry.local_counts import FAILED, STOPPED
from schema.errors.base import GatewayError
from schema.errors.overload import Overloaded
from schema.local_hosts import HostModelShown, LocalHostState

LATEST = ":latest"
LOADING = Deadlines(connect_s=5.0, first_byte_s=600.0, idle_s=600.0, total_s=600.0)
PULLING = Deadlines(connect_s=10.0, first_byte_s=60.0, idle_s=300.0, total_s=86_400.0)
AT_ONCE = 16
MAX_PULLS = 8
"""How many pulls a worker has under way, each at another host."""
RETRY_S = 10.0
EMBEDDING, COMPLETION = "embedding", "completion"
PUBLIC = "it stands at a public address: who reaches it uses its models, and may pull and delete them"
KEYLESS = "it answers without a key at an address that is not private"

log = logging.getLogger(__name__)


class _Shown(msgspec.Struct, frozen=True):
    remote_host: str = ""
    remote_model: str = ""
    capabilities: list[str] | None = None
    model_info: dict[str, Any] | None = None
    details: dict[str, Any] | None = None
    parameters: str = ""
    template: str = ""


class HostManager:
    """The hosts of the config in force."""

    def __init__(
        self,
        hosts: Sequence[LocalHost],
        targets: Sequence[Target],
        upstream: Upstream,
        database: Database,
        turns: PullTurns,
        *,
        pulled: Callable[[str, str], None] | None = None,
    ) -> None:
        """`pulled` is told of each pull that ended: at which host, and how."""
        self._turns = turns
        self.asking = HostAsking(upstream)
        self._database = database
        self._room = asyncio.Semaphore(AT_ONCE)
        self._pulls = 0
        self._pulled = pulled
        self.use(hosts, targets)

    def use(self, hosts: Sequence[LocalHost], targets: Sequence[Target]) -> None:
        """Go by these from now on."""
        self._hosts = tuple(hosts)
        self._targets = tuple(each for each in targets if each.local)

    @property
    def hosts(self) -> Sequence[LocalHost]:
        """See LocalHosts."""
        return self._hosts

    def targets_of(self, host: LocalHost) -> list[Target]:
        """The deployments that are called at a host."""
        return [each for each in self._targets if bare(each.api_base) == host.api_base]

    async def states(self) -> Sequence[LocalHostState]:
        """See LocalHosts."""
        return await asyncio.gather(*(self._state(host) for host in self._hosts))

    async def show(self, host: LocalHost, model: str) -> HostModelShown:
        """See LocalHosts."""
        shown = await self._shown(host, model)
        context = await self._context(host, model)
        size = await self._size(host, model)
        info = shown.model_info or {}
        return HostModelShown(
            host=host.name,
            model=model,
            needs_bytes=None if size is None else needed_bytes(size, info, context),
            context=context,
            remote=bool(shown.remote_host or shown.remote_model),
            details=shown.details or {},
            capabilities=(shown.capabilities or [])[:100],
            model_info={name: value for name, value in info.items() if not isinstance(value, list)},
            parameters=shown.parameters[:10_000],
            template=shown.template[:10_000],
        )

    async def load(self, host: LocalHost, model: str, wish: LoadWish, *, call: Call) -> None:
        """See LocalHosts."""
        shown = await self._shown(host, model)
        context = wish.num_ctx or await self._context(host, model)
        size = await self._size(host, model)
        if size is not None:
            needs = needed_bytes(size, shown.model_info or {}, context)
            check_room(host, model, size, force=wish.force, needs=needs)
        await self._note("loaded", host, model, call)
        await self.keep_loaded(host, model, context, wish.keep_alive, capabilities=shown.capabilities or [])

    async def keep_loaded(
        self,
        host: LocalHost,
        model: str,
        context: int,
        keep_alive: str | int | None,
        *,
        capabilities: Sequence[str] = (),
    ) -> None:
        """Load a model by a question without a prompt. Raises NotFound and LocalHostFailed."""
        body: dict[str, Any] = {"model": model, "options": {"num_ctx": context}}
        if keep_alive is not None:
            body["keep_alive"] = keep_alive
        if EMBEDDING in capabilities and COMPLETION not in capabilities:
            path, body["input"] = "/api/embed", []
        else:
            path, body["stream"] = "/api/generate", False
        await self.asking.ask(host, path, body=body, method="POST", deadlines=LOADING)

    async def unload(self, host: LocalHost, model: str, *, call: Call) -> None:
        """See LocalHosts."""
        await self._note("unloaded", host, model, call)
        body = {"model": model, "keep_alive": 0, "stream": False}
        await self.asking.ask(host, "/api/generate", body=body, method="POST", deadlines=LOADING)

    async def pull(self, host: LocalHost, model: str, *, force: bool, call: Call) -> OllamaPull:
        """See LocalHosts."""
        check_name(host, model)
        if self._pulls >= MAX_PULLS:
            raise Overloaded(f"{MAX_PULLS} pulls are under way in this worker; wait for one of them.")
        end_turn = self._turn(host)
        body = {"model": model, "stream": True}
        self._pulls += 1

        def ended(outcome: str) -> None:
            self._pulls -= 1
            end_turn()
            if self._pulled is not None:
                self._pulled(host.name, outcome)

        try:
            await self._note("pulled", host, model, call)
            response = await self.asking.open(
                host, "/api/pull", body=body, method="POST", deadlines=PULLING, pulls=True
            )
        except BaseException as exc:
            ended(FAILED if isinstance(exc, GatewayError) else STOPPED)
            raise
        pulling = OllamaPull(host, model, response, force=force, ended=ended)
        await pulling.begin()
        return pulling

    def _turn(self, host: LocalHost) -> Callable[[], None]:
        """Take the turn at a host that pulls; gives what ends it."""
        end_turn = self._turns.take(host)
        if end_turn is None:
            raise Overloaded(
                f"Another model is pulled or deleted at {host.name} just now; wait for its end.",
                retry_after_s=RETRY_S,
            )
        return end_turn

    async def delete(self, host: LocalHost, model: str, *, call: Call) -> None:
        """See LocalHosts."""
        check_name(host, model)
        end_turn = self._turn(host)
        try:
            await self._note("deleted", host, model, call)
            await self.asking.ask(host, "/api/delete", body={"model": model}, method="DELETE", pulls=True)
        finally:
            end_turn()

    async def left_s(self, host: LocalHost, model: str) -> float:
        """How long a model stays loaded without a call, in seconds. 0: it is not loaded. Raises
        LocalHostFailed."""
        for each in await ollama_models(host, self.asking, "/api/ps"):
            if tagged(each.known_as) == tagged(model):
                left_s = left_of(each.expires_at)
                return float("inf") if left_s is None else left_s
        return 0.0

    async def context_for(self, host: LocalHost, model: str) -> int:
        """The context with which a model is to be loaded, so that no call has it loaded anew: that of what is
        loaded, else the config's, else the smallest."""
        return await self._context(host, model)

    async def _context(self, host: LocalHost, model: str) -> int:
        for each in await ollama_models(host, self.asking, "/api/ps"):
            if tagged(each.known_as) == tagged(model) and each.context_length:
                return each.context_length
        said = [_configured(each) for each in self.targets_of(host) if tagged(each.model) == tagged(model)]
        return max((each for each in said if each), default=DEFAULT_CONTEXT)

    async def _size(self, host: LocalHost, model: str) -> int | None:
        there = await ollama_models(host, self.asking, "/api/tags")
        sizes = (each.size for each in there if tagged(each.known_as) == tagged(model))
        return next(sizes, 0) or None

    async def _shown(self, host: LocalHost, model: str) -> _Shown:
        return decoded(
            await self.asking.ask(host, "/api/show", body={"model": model}, method="POST"), _Shown, host
        )

    async def _state(self, host: LocalHost) -> LocalHostState:
        names = sorted({each.public_name for each in self.targets_of(host)})
        state = LocalHostState(
            name=host.name,
            kind=host.kind.value,
            api_base=host.api_base,
            pull_base=host.pull_base,
            up=False,
            memory_bytes=host.memory_bytes,
            public_names=names[:1_000],
        )
        try:
            async with self._room:
                found = await told(host, self.asking)
        except GatewayError as error:
            return msgspec.structs.replace(state, error=error.message)
        return msgspec.structs.replace(
            state,
            up=True,
            version=found.version,
            warnings=[*found.warnings, *_exposure(host)],
            slots=found.slots,
            slots_busy=found.busy,
            waiting=found.waiting,
            models=found.models,
        )

    async def _note(self, action: str, host: LocalHost, model: str, call: Call) -> None:
        """Write into the audit log who asks a host for what. Raises DatabaseUnavailable: then nothing is
        asked."""
        note = pull_note(
            action,
            host,
            model,
            by=call.caller.user_id,
            key_hash=call.caller.key_hash,
            address=call.client_ip,
            request_id=call.request_id,
        )
        async with self._database.connection() as connection:
            await write_note(connection, note)


def _exposure(host: LocalHost) -> list[str]:
    """What is wrong with who can reach a host, by its address."""
    if is_near(host.api_base):
        return []
    return [PUBLIC, *([] if host.api_key is not None else [KEYLESS])]


def _configured(target: Target) -> int:
    """The `num_ctx` of a deployment. 0: it has none."""
    raw = target.params.get("num_ctx")
    try:
        return 0 if raw is None else max(0, msgspec.json.decode(raw, type=int))
    except msgspec.DecodeError:
        return 0


def tagged(model: str) -> str:
    """A model's name with its tag: `llama3` is `llama3:latest`."""
    return model if ":" in model.rpartition("/")[2] else model + LATEST
