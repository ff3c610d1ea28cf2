"""Local hosts: how they stand, and the models on them: show, load, unload, pull and delete."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from functions.contract.function import EventStream, function
from functions.contract.roles import Access
from functions.ports.context import LocalHostContext
from functions.ports.local_hosts import LoadWish, Pulling
from functions.rules.model_policy import with_model
from models_registry.config.local_hosts import MODEL, HostKind, LocalHost, bare
from models_registry.config.stored import Stored, StoredModel
from models_registry.turns.sse import failure_frame, frame
from schema.errors.base import GatewayError, shortened
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import UNSET, text
from schema.local_hosts import (
    HostModelDone,
    HostModelRequest,
    HostModelShown,
    LoadRequest,
    LocalHostList,
    LocalHostsQuery,
    PullProgress,
    PullRequest,
)
from schema.undeclared import refuse_undeclared

LATEST = ":latest"
MAX_CONTEXT = 10_000_000
KEEP_ALIVE = re.compile(r"-?\d{1,9}|(?:\d{1,6}(?:\.\d{1,3})?(?:ms|s|m|h)){1,4}")
SUCCESS = "success"


@function("GET", "/local/hosts", access=Access.DEPLOYMENTS_READ)
async def list_hosts(request: LocalHostsQuery, ctx: LocalHostContext) -> LocalHostList:
    """List the local hosts: version, models on them, what is loaded and for how long."""
    return LocalHostList(hosts=list(await ctx.local_hosts.states()))


@function("POST", "/local/show", access=Access.DEPLOYMENTS_READ)
async def show(request: HostModelRequest, ctx: LocalHostContext) -> HostModelShown:
    """Show what a host tells of a model, and about how much memory it needs."""
    host = _host(request, ctx)
    return await ctx.local_hosts.show(host, _model(request))


@function("POST", "/local/load", access=Access.SETTINGS_WRITE)
async def load(request: LoadRequest, ctx: LocalHostContext) -> HostModelDone:
    """Load a model into a host's memory. 400 `model_too_large` where it does not fit, unless forced."""
    host, model = _host(request, ctx), _model(request)
    keep_alive = None if request.keep_alive is UNSET else request.keep_alive
    if isinstance(keep_alive, str) and not KEEP_ALIVE.fullmatch(keep_alive):
        raise InvalidRequest("keep_alive: expected seconds, or a duration such as 30m.", param="keep_alive")
    num_ctx = None if request.num_ctx is UNSET else request.num_ctx
    if num_ctx is not None and not 1 <= num_ctx <= MAX_CONTEXT:
        raise InvalidRequest(f"num_ctx: expected 1 to {MAX_CONTEXT} tokens.", param="num_ctx")
    wish = LoadWish(keep_alive=keep_alive, num_ctx=num_ctx, force=request.force)
    await ctx.local_hosts.load(host, model, wish, call=ctx.call)
    return HostModelDone(host=host.name, model=model)


@function("POST", "/local/unload", access=Access.SETTINGS_WRITE)
async def unload(request: HostModelRequest, ctx: LocalHostContext) -> HostModelDone:
    """Take a model out of a host's memory."""
    host, model = _host(request, ctx), _model(request)
    await ctx.local_hosts.unload(host, model, call=ctx.call)
    return HostModelDone(host=host.name, model=model)


@function("POST", "/local/pull", access=Access.SETTINGS_WRITE)
async def pull(request: PullRequest, ctx: LocalHostContext) -> HostModelDone | EventStream:
    """Pull a model by the host's `pull_base`, with its progress as a stream of events. Afterwards it can be
    called as `<model>-local`, or by the name that the request gives."""
    host, model = _host(request, ctx), _model(request)
    public_name: str | None = None
    if request.public_name is UNSET:
        public_name = public_name_of(model)
    elif request.public_name is not None:
        public_name = text(request.public_name, param="public_name")
    pulling = await ctx.local_hosts.pull(host, model, force=request.force, call=ctx.call)

    async def register() -> PullProgress:
        return await _registered(host, model, public_name, ctx)

    stream = PullStream(pulling, register)
    if request.stream:
        return stream
    try:
        async for _ in stream.events():
            pass
    finally:
        stream.close()
    last = stream.last
    return HostModelDone(host=host.name, model=model, public_name=last.public_name or None, note=last.note)


@function("POST", "/local/delete", access=Access.SETTINGS_WRITE)
async def delete(request: HostModelRequest, ctx: LocalHostContext) -> HostModelDone:
    """Delete a model by the host's `pull_base`. Models of the registry that call it stay there."""
    host, model = _host(request, ctx), _model(request)
    await ctx.local_hosts.delete(host, model, call=ctx.call)
    return HostModelDone(host=host.name, model=model)


class PullStream:
    """A pull as events. Implements EventStream."""

    def __init__(self, pulling: Pulling, register: Callable[[], Awaitable[PullProgress]]) -> None:
        self._pulling = pulling
        self._register = register
        self.last = PullProgress(status="")

    async def events(self) -> AsyncIterator[bytes]:
        """See EventStream."""
        async for progress in self._pulling.progress():
            if progress.status == SUCCESS:
                progress = await self._register()
            self.last = progress
            yield frame(msgspec.json.encode(progress))

    def failed(self, error: GatewayError) -> bytes:
        """See EventStream."""
        return failure_frame(error)

    def close(self, error: GatewayError | None = None) -> None:
        """See EventStream."""
        self._pulling.close()


def public_name_of(model: str) -> str:
    """The name by which a pulled model is called: `llama3-local`, `qwen3-8b-local`."""
    name = model.removesuffix(LATEST).rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name) + "-local"


async def _registered(
    host: LocalHost, model: str, public_name: str | None, ctx: LocalHostContext
) -> PullProgress:
    """Put the model into the registry, where no model has the name. What is wrong is told, and no error: the
    model is pulled."""
    if public_name is None:
        return PullProgress(status=SUCCESS)
    for each in ctx.registry.in_force().deployments:
        if each.entry.public_name != public_name:
            continue
        params = each.entry.litellm_params
        same = _tagged(params.model.partition("/")[2]) == _tagged(model)
        if same and params.api_base is not None and bare(params.api_base) == host.api_base:
            return PullProgress(status=SUCCESS, public_name=public_name)
        return PullProgress(
            status=SUCCESS,
            note=f"The name {public_name!r} is another model's; put it into the registry by hand.",
        )
    stored_model = StoredModel(
        model_id=ctx.entropy.id(),
        model_name=public_name,
        litellm_params={"model": f"ollama/{model}", "api_base": host.api_base},
    )

    def change(stored: Stored) -> Stored:
        if any(each.model_name == public_name for each in stored.models):
            return stored
        return with_model(stored, stored_model)

    try:
        await ctx.registry.change(change, call=ctx.call)
    except GatewayError as error:
        return PullProgress(status=SUCCESS, note=f"It is pulled, and not in the registry: {error.message}")
    return PullProgress(status=SUCCESS, public_name=public_name)


def _host(request: HostModelRequest, ctx: LocalHostContext) -> LocalHost:
    refuse_undeclared(request)
    hosts = ctx.local_hosts.hosts
    if not request.host:
        loading = [each for each in hosts if each.kind is HostKind.OLLAMA]
        if len(loading) != 1:
            names = ", ".join(each.name for each in hosts) or "none"
            raise InvalidRequest(f"host: name one of the local hosts: {names}.", param="host")
        return loading[0]
    found = next((each for each in hosts if request.host in (each.name, each.api_base)), None)
    if found is None:
        raise NotFound(f"There is no local host {shortened(request.host, 100)!r}.", param="host")
    if found.kind is not HostKind.OLLAMA:
        raise InvalidRequest(
            f"host: {found.name} is a {found.kind.value} host, which loads its models when it starts.",
            param="host",
        )
    return found


def _model(request: HostModelRequest) -> str:
    if not MODEL.fullmatch(request.model) or ".." in request.model:
        raise InvalidRequest("model: expected the name of a model, such as llama3:8b.", param="model")
    return request.model


def _tagged(model: str) -> str:
    return model if ":" in model.rpartition("/")[2] else model + LATEST
