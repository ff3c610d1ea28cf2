"""The way of a call, for endpoints that have nothing to do between the rules and the answer."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from functions.calls.attempt import Attempts, Exchange
from functions.calls.screened import by_rules
from functions.ports.context import ModelContext
from functions.ports.models import Bounds
from models_registry.backends.dropping import WithFields
from models_registry.target import Target
from models_registry.turns.facts import CallFacts


class ForModel(WithFields, Protocol):
    """A request that names a model."""

    @property
    def model(self) -> str: ...


R = TypeVar("R", bound=ForModel)
B = TypeVar("B", bound=Bounds)
A = TypeVar("A")


def walked(
    request: R, ctx: ModelContext, exchange: Callable[[R, Target, CallFacts], Exchange[R, B, A]]
) -> Awaitable[A]:
    """Apply the rules about contents, and make attempts until a deployment answers. Raises what `by_rules`
    and `functions.ports.models.Routes.walk` raise. Where there are no rules, nothing stands between."""
    if ctx.guardrails.rules.contents.rules:
        return _screened(request, ctx, exchange)
    return ctx.routes.walk(ctx.call, request.model, Attempts(request, ctx, exchange))


async def _screened(
    request: R, ctx: ModelContext, exchange: Callable[[R, Target, CallFacts], Exchange[R, B, A]]
) -> A:
    request = await by_rules(request, ctx.call, ctx.guardrails)
    return await ctx.routes.walk(ctx.call, request.model, Attempts(request, ctx, exchange))
