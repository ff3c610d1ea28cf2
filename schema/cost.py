"""What a call would cost: LiteLLM's `/spend/calculate` and `/cost/estimate`. Money is in dollars, exact."""

from datetime import date
from decimal import Decimal
from typing import Annotated

import msgspec

from schema.chat import WireUsage
from schema.wire import Wire

Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Calls = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class CalculateRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /spend/calculate. The body has `model` and `messages`, or an answer as `completion_response`. The
    answer's own `model` counts where the body names none."""

    model: str | None = None
    messages: list[msgspec.Raw] | None = None
    completion_response: "PricedResponse | None" = None


class PricedResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an answer that decide its price."""

    model: str | None = None
    usage: WireUsage | None = None
    service_tier: str | None = None


class CalculatedCost(msgspec.Struct, frozen=True, kw_only=True):
    cost: Decimal


class EstimateRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /cost/estimate. LiteLLM has no field of the second group."""

    model: str
    input_tokens: Tokens
    """All tokens of the prompt, the cached ones included."""
    output_tokens: Tokens
    num_requests_per_day: Calls | None = None
    num_requests_per_month: Calls | None = None
    cached_tokens: Tokens = 0
    cache_write_tokens: Tokens = 0
    reasoning_tokens: Tokens = 0
    service_tier: str | None = None
    seconds: Annotated[int, msgspec.Meta(ge=0, le=10**6)] = 0
    """How many seconds a request takes. It counts where the price is by time."""


class CostEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of a request is the sum of its input, output, margin and `additional_cost_per_request` (what
    is charged by the request and by the second). The costs of a day and of a month are that cost times the
    number of requests. LiteLLM has no field of the last group."""

    model: str
    input_tokens: int
    output_tokens: int
    num_requests_per_day: int | None
    num_requests_per_month: int | None
    cost_per_request: Decimal
    input_cost_per_request: Decimal
    output_cost_per_request: Decimal
    margin_cost_per_request: Decimal
    daily_cost: Decimal | None
    daily_input_cost: Decimal | None
    daily_output_cost: Decimal | None
    daily_margin_cost: Decimal | None
    monthly_cost: Decimal | None
    monthly_input_cost: Decimal | None
    monthly_output_cost: Decimal | None
    monthly_margin_cost: Decimal | None
    input_cost_per_token: Decimal
    output_cost_per_token: Decimal
    provider: str
    additional_cost_per_request: Decimal
    price_source: str
    price_version: str | None
    price_effective: date | None
