"""Walks a call's way: attempt, wait, attempt again, until one answers or none is left.

`models_registry/routing/route.py` decides which deployment is next. `functions/calls/attempt.py` makes an
attempt; the router ends one that failed, since it alone knows whether another follows.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec
import structlog

from functions.contract.call import Call
from functions.ports.models import Attempting
from models_registry.registry import Registry
from models_registry.routing.choice import CallTraits, ChoiceRules, Shape, View
from models_registry.routing.fleet import DeploymentHealth, Fleet
from models_registry.routing.plan import RoutePlan, plan_route
from models_registry.routing.record import recorded
from models_registry.routing.route import Route
from models_registry.routing.settings import Routing
from models_registry.target import Target
from runtime.upstream.slots import SlotQueues, SlotTurns
from schema.errors.base import GatewayError
from schema.route_options import AS_CONFIGURED, EXPLAIN_HEADER, RouteOptions

T = TypeVar("T")
ATTEMPTED_RETRIES = "x-litellm-attempted-retries"
ATTEMPTED_FALLBACKS = "x-litellm-attempted-fallbacks"
ONE_ATTEMPT = ((ATTEMPTED_RETRIES.encode(), b"0"), (ATTEMPTED_FALLBACKS.encode(), b"0"))
"""The numbers of a call with one attempt. They stand at the end of `ProviderSide.deployment`."""

log = structlog.get_logger("switchgear.router")


class Router:
    """Implements `functions.ports.models.Routes`, and `RoutePlans`."""

    def __init__(
        self,
        registry: Registry,
        routing: Routing,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        fleet: Fleet | None = None,
        clock: Callable[[], float] = time.monotonic,
        slots: SlotQueues | None = None,
    ) -> None:
        """`fleet` is how the deployments stand. It is the worker's, and outlives this router."""
        self._registry = registry
        self._routing = routing
        self._sleep = sleep
        self._fleet = fleet or Fleet(routing.cooldowns)
        self._clock = clock
        self._slots = slots or SlotQueues()
        self._simple = routing.choice.simple

    def use(self, registry: Registry, routing: Routing) -> None:
        """Take these for calls that begin from now on. A call under way keeps those that it began with."""
        self._registry, self._routing = registry, routing
        self._simple = routing.choice.simple

    async def walk(self, call: Call, model: str, attempts: Attempting[T]) -> T:
        caller, options, side = call.caller, call.route_options, call.provider_side
        registry, routing = self._registry, self._routing
        if registry.has_teams:
            registry = registry.of_team(caller.team_id)
        fleet = self._fleet
        if not fleet.quiet:
            fleet.calls(self._clock())
        route = Route(
            registry,
            routing,
            caller.aliases.get(model, model),
            allowed=caller.models,
            options=options,
            roll=call.roll,
            see=partial(self._view, call, attempts, routing.choice),
            plain=self._simple and fleet.quiet and options is AS_CONFIGURED and not call.stays_local,
        )
        told: _Head | None = None
        turns: SlotTurns | None = None
        if self._slots.lines and self._slots.is_wanted(route.target):
            turns = SlotTurns(self._slots, call)
            await turns.wait_behind(route)
        while True:
            target = route.target
            most = target.retries
            if options is not AS_CONFIGURED:
                target = _asked(target, options)
                most = most if options.retries is None else options.retries
            if route.notable:
                _record(call, route, routing.choice)
            side.name = target.public_name if route.fallbacks else model
            side.max_retries = routing.retries if most is None else most
            waited_s, began_mono = side.waited_s, time.monotonic()
            try:
                return await attempts.at(target)
            except GatewayError as error:
                side.waited_s = waited_s + time.monotonic() - began_mono
                if turns is not None:
                    turns.tried(error)
                goes_on = route.advance(error)
                attempts.end(error, final=not goes_on)
                if route.tells_last:
                    told = _Head.of(call)
                if not goes_on:
                    if route.told is None or route.tells_last:
                        raise
                    if told is not None:
                        told.tell_again(call)
                    raise route.told.error() from error
                _tell(call, route)
                log.info(
                    "attempt_failed",
                    request_id=call.request_id,
                    model=target.public_name,
                    model_id=target.model_id,
                    error=type(error).__name__,
                    status=error.http_status,
                    next_model=route.target.public_name,
                    next_model_id=route.target.model_id,
                    wait_s=round(route.wait_s, 3),
                    passed_over=[str(drop) for drop in route.drops],
                )
            side.headers = ()
            if route.waits_for_slot:
                turns = turns or SlotTurns(self._slots, call)
                await turns.wait(route)
            elif route.wait_s:
                side.waited_s += route.wait_s
                await self._sleep(route.wait_s)

    def plan(self, call: Call, model: str, shape: Shape, options: RouteOptions) -> RoutePlan:
        """Where a call would go. Nothing is sent, and nothing is changed."""
        traits = traits_of(call, shape, options)
        registry, routing = self._registry, self._routing
        if registry.has_teams:
            registry = registry.of_team(call.caller.team_id)
        return plan_route(
            registry,
            routing,
            call.caller.aliases.get(model, model),
            allowed=call.caller.models,
            options=options,
            view=View(routing.choice, traits, self._fleet, self._clock()),
            roll=call.roll,
        )

    @property
    def strategy(self) -> str:
        """How deployments are chosen, by LiteLLM's word."""
        return self._routing.choice.strategy.value

    def state_of(self, target: Target) -> DeploymentHealth:
        """How a deployment stands."""
        standing = self._fleet.find(target)
        if standing is None:
            return DeploymentHealth.HEALTHY
        return standing.state(self._clock(), self._routing.choice.check_stale_s)

    def _view(self, call: Call, attempts: Attempting[T], rules: ChoiceRules) -> View:
        """What a choice is made by, now."""
        traits = traits_of(call, attempts.shape(), call.route_options)
        return View(rules, traits, self._fleet, self._clock())


def traits_of(call: Call, shape: Shape, options: RouteOptions) -> CallTraits:
    """What a call says that decides about deployments."""
    return CallTraits(
        shape=shape,
        tags=call.tags or call.caller.tags,
        region=options.region,
        session=call.session_id or "",
        key=call.caller.key_hash,
        stays_local=bool(call.stays_local),
    )


def _record(call: Call, route: Route, rules: ChoiceRules) -> None:
    """Note why the next attempt goes where it goes, for its row and for a client that asks."""
    record = recorded(
        rules.strategy.value,
        route.target,
        retries=route.retries,
        fallbacks=route.fallbacks,
        drops=route.drops,
    )
    call.provider_side.route = msgspec.json.encode(record).decode()
    if call.route_options.explains:
        call.reply_headers[EXPLAIN_HEADER] = json.dumps(msgspec.to_builtins(record))


def _asked(target: Target, options: RouteOptions) -> Target:
    """The deployment under the deadlines that the request asks for."""
    if options.timeout_s is None and options.stream_timeout_s is None:
        return target
    return target.under(target.deadlines.asked(options.timeout_s, options.stream_timeout_s))


class _Head(NamedTuple):
    """What the reply's head said after an attempt."""

    headers: Mapping[str, str]
    deployment: Sequence[tuple[bytes, bytes]]
    provider: Sequence[tuple[bytes, bytes]]

    @classmethod
    def of(cls, call: Call) -> "_Head":
        return cls(dict(call.reply_headers), call.provider_side.deployment, call.provider_side.headers)

    def tell_again(self, call: Call) -> None:
        """Say this once more, with the numbers of all attempts."""
        headers = call.reply_headers
        numbers = {
            name: headers[name] for name in (ATTEMPTED_RETRIES, ATTEMPTED_FALLBACKS) if name in headers
        }
        headers.clear()
        headers.update({**self.headers, **numbers})
        call.provider_side.deployment, call.provider_side.headers = self.deployment, self.provider


def _tell(call: Call, route: Route) -> None:
    """In the reply's headers, where there was more than one attempt."""
    headers = call.reply_headers
    headers[ATTEMPTED_RETRIES] = str(route.retries)
    headers[ATTEMPTED_FALLBACKS] = str(route.fallbacks)
