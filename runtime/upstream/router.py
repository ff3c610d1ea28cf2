"""Walks a call's way: attempt, wait, attempt again, until one answers or none is left.

`models_registry/routing/route.py` decides which deployment is next. `functions/calls/attempt.py` makes an
attempt; the router ends one that failed, since it alone knows whether another follows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog

from functions.contract.call import Call
from functions.ports.models import Attempting
from models_registry.registry import Registry
from models_registry.routing.route import Route
from models_registry.routing.settings import Routing
from schema.errors import GatewayError

T = TypeVar("T")
ATTEMPTED_RETRIES = "x-litellm-attempted-retries"
ATTEMPTED_FALLBACKS = "x-litellm-attempted-fallbacks"

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
        caller = call.caller
        route = Route(
            self._registry,
            self._routing,
            caller.aliases.get(model, model),
            allowed=caller.models,
            options=call.route_options,
            roll=call.roll,
        )
        told: Mapping[str, str] = {}
        while True:
            target = route.target
            try:
                return await attempts.at(target)
            except GatewayError as error:
                goes_on = route.advance(error)
                attempts.end(error, final=not goes_on)
                if route.tells_last:
                    told = dict(call.reply_headers)
                if not goes_on:
                    if route.told is None or route.tells_last:
                        raise
                    _tell_again(call, told)
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
            if route.wait_s:
                await self._sleep(route.wait_s)


def _tell_again(call: Call, told: Mapping[str, str]) -> None:
    """The headers of the attempt whose error is told, with the number of all."""
    headers = call.reply_headers
    numbers = {name: headers[name] for name in (ATTEMPTED_RETRIES, ATTEMPTED_FALLBACKS) if name in headers}
    headers.clear()
    headers.update({**told, **numbers})


def _tell(call: Call, route: Route) -> None:
    """In the reply's headers, where there was more than one attempt."""
    headers = call.reply_headers
    headers[ATTEMPTED_RETRIES] = str(route.retries)
    headers[ATTEMPTED_FALLBACKS] = str(route.fallbacks)
