"""What a call would cost, by the price of the deployment that its model's name stands for."""

from decimal import Decimal

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import CatalogueContext
from models_registry.backends.usage import from_wire
from models_registry.bounds.input import BYTES_A_TOKEN
from models_registry.config.list_prices import list_price
from models_registry.prices.price import FEMTO_PER_NANO, Parts, Price, cost_nano, cost_parts
from models_registry.target import Target
from schema.cost import CalculatedCost, CalculateRequest, CostEstimate, EstimateRequest, PricedResponse
from schema.errors.models import ModelNotFound
from schema.errors.requests import InvalidRequest
from schema.money import usd
from schema.usage import Usage, tier_served


@function("POST", "/spend/calculate", access=Access.MODELS_READ)
async def calculate(request: CalculateRequest, ctx: CatalogueContext) -> CalculatedCost:
    """Say what an answer cost, or what messages would cost as input. Messages are estimated at four bytes a
    token."""
    answer = request.completion_response
    if (answer is None) == (request.messages is None):
        raise InvalidRequest(
            "Expected either model and messages, or completion_response.",
            param="messages" if answer is None else "completion_response",
        )
    name = request.model or (answer.model if answer is not None else None)
    if name is None:
        raise InvalidRequest("model: expected the name of a model here.", param="model")
    price = _price_of(name, ctx)
    usage = _estimated(request.messages or []) if answer is None else _reported(answer)
    return CalculatedCost(cost=usd(cost_nano(price, usage)))


@function("POST", "/cost/estimate", access=Access.MODELS_READ)
async def estimate(request: EstimateRequest, ctx: CatalogueContext) -> CostEstimate:
    """Say what requests of one size cost: one request, a day of them and a month, with the parts of the cost
    and the source of the price."""
    target, price = _priced(request.model, ctx)
    for part, whole in (("cached_tokens", "input_tokens"), ("reasoning_tokens", "output_tokens")):
        if getattr(request, part) > getattr(request, whole):
            raise InvalidRequest(f"{part}: it is a part of {whole}, and larger.", param=part)
    if request.cache_write_tokens > request.input_tokens - request.cached_tokens:
        raise InvalidRequest(
            "cache_write_tokens: with cached_tokens it is more than input_tokens.", param="cache_write_tokens"
        )
    usage = Usage(
        prompt_tokens=request.input_tokens,
        completion_tokens=request.output_tokens,
        cached_tokens=request.cached_tokens,
        cache_write_tokens=request.cache_write_tokens,
        reasoning_tokens=request.reasoning_tokens,
        service_tier=tier_served(request.service_tier),
    )
    duration_ms = request.seconds * 1000
    total = cost_nano(price, usage, duration_ms)
    own = target.pricing.without_margin(target.model, ctx.call.received_at) or price
    parts = cost_parts(own, usage, duration_ms)
    day, month = request.num_requests_per_day, request.num_requests_per_month
    sent, said = parts.input + parts.cache_read + parts.cache_write, parts.output + parts.reasoning
    margin = total - sum(parts)
    return CostEstimate(
        model=request.model,
        input_tokens=request.input_tokens,
        output_tokens=request.output_tokens,
        num_requests_per_day=day,
        num_requests_per_month=month,
        cost_per_request=usd(total),
        input_cost_per_request=usd(sent),
        output_cost_per_request=usd(said),
        margin_cost_per_request=usd(margin),
        additional_cost_per_request=usd(_additional(parts)),
        daily_cost=_times(total, day),
        daily_input_cost=_times(sent, day),
        daily_output_cost=_times(said, day),
        daily_margin_cost=_times(margin, day),
        monthly_cost=_times(total, month),
        monthly_input_cost=_times(sent, month),
        monthly_output_cost=_times(said, month),
        monthly_margin_cost=_times(margin, month),
        input_cost_per_token=_a_token(price.input),
        output_cost_per_token=_a_token(price.output),
        provider=target.provider,
        price_source=price.source,
        price_version=price.version,
        price_effective=price.effective,
    )


def _price_of(name: str, ctx: CatalogueContext) -> Price:
    """The price of a model of the config that the caller may use, else the list price of the model. Raises
    InvalidRequest where there is none."""
    try:
        return _priced(name, ctx)[1]
    except ModelNotFound as unknown:
        price = list_price(name, ctx.call.received_at)
        if price is None:
            raise InvalidRequest(
                f"model: `{name[:200]}` is no model of this gateway, and its list price is unknown.",
                param="model",
            ) from unknown
        return price


def _priced(name: str, ctx: CatalogueContext) -> tuple[Target, Price]:
    """The first deployment of a model that the caller may use, and its price. Raises InvalidRequest where the
    price is unknown."""
    caller = ctx.call.caller
    models = ctx.models.of_team(caller.team_id)
    target = models.target(caller.aliases.get(name, name), allowed=caller.models, roll=0.0)
    if target.price is None:
        raise InvalidRequest(
            f"model: {target.public_name} has no known price. Give it one in the config.", param="model"
        )
    return target, target.price


def _estimated(messages: list[msgspec.Raw]) -> Usage:
    length = sum(memoryview(message).nbytes for message in messages)
    return Usage(prompt_tokens=-(-length // BYTES_A_TOKEN))


def _reported(answer: PricedResponse) -> Usage:
    usage = from_wire(answer.usage, answer.service_tier) if answer.usage is not None else None
    if usage is None:
        raise InvalidRequest(
            "completion_response.usage: expected the answer's token counts.",
            param="completion_response.usage",
        )
    return usage


def _additional(parts: Parts) -> int:
    return parts.tools + parts.request + parts.time


def _times(nano: int, calls: int | None) -> Decimal | None:
    return None if calls is None else usd(nano * calls)


def _a_token(femto: int) -> Decimal:
    return usd(femto) / FEMTO_PER_NANO
