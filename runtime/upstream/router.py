"""Walks a call's way: attempt, wait, attempt again, until one answers or none is left.

`models_registry/routing/route.py` decides which deployment is next. `functions/calls/attempt.py` makes an
attempt; the router ends one that failed, since it alone knows whether another follows.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import structlog

from functions.contract.call import Call
from functions.ports.models import Attempting
from models_registry.registry import Registry
from models_registry.routing.route import Route
from models_registry.routing.settings import Routing
from models_registry.target import Target
from schema.errors import GatewayError
from schema.route_options import AS_CONFIGURED, RouteOptions

T = TypeVar("T")
ATTEMPTED_RETRIES = "x-litellm-attempted-retries"
ATTEMPTED_FALLBACKS = "x-litellm-attempted-fallbacks"
ONE_ATTEMPT = ((ATTEMPTED_RETRIES.encode(), b"0"), (ATTEMPTED_FALLBACKS.encode(), b"0"))
"""The numbers of a call with one attempt. They stand at the end of `ProviderSide.deployment`."""

log = structlog.get_logger("switchgear.router")


class Router:
    """Implements `functions.ports.models.Routes`."""

    def __init__(
        self,
        registry: Registry,
        routing: Routing,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._registry = registry
        self._routing = routing
        self._sleep = sleep

    async def walk(self, call: Call, model: str, attempts: Attempting[T]) -> T:
        caller, options, side = call.caller, call.route_options, call.provider_side
        route = Route(
            self._registry,
            self._routing,
            caller.aliases.get(model, model),
            allowed=caller.models,
            options=options,
            roll=call.roll,
        )
        told: _Head | None = None
        while True:
            target = route.target
            most = target.retries
            if options is not AS_CONFIGURED:
                target = _asked(target, options)
                most = most if options.retries is None else options.retries
            side.max_retries = self._routing.retries if most is None else most
            waited_s, began_mono = side.waited_s, time.monotonic()
            try:
                return await attempts.at(target)
            except GatewayError as error:
                side.waited_s = waited_s + time.monotonic() - began_mono
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
            if route.wait_s:
                side.waited_s += route.wait_s
                await self._sleep(route.wait_s)


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
