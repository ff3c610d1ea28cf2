"""What a call would cost, asked beforehand or afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from functions import cost
from functions.chat import chat
from functions.contract.call import Caller
from functions.contract.function import manifest_of
from functions.ports.context import CatalogueContext
from runtime.registry.live_models import LiveModels
from schema.chat import ChatCompletion
from schema.cost import CalculatedCost, CostEstimate
from schema.errors.callers import ModelNotAllowed
from schema.errors.models import ModelNotFound
from schema.errors.requests import InvalidRequest
from schema.models import AllowedModels
from schema.wire import decode_body, to_json
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.ports import ABSENT
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import MEMBER, make_call, make_registry, model_ctx
from tests.models_registry.backends.making import chat as chat_request

HELLO = [{"role": "user", "content": "Hello"}]


def entry(name: str, model: str, **more: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, "api_key": "sk-x-secret", **more}}


CONFIG: dict[str, Any] = {
    "model_list": [
        entry("gpt", "openai/gpt-4"),
        entry("claude", "anthropic/claude-sonnet-4-6"),
        entry("gpu", "ollama/mistral", input_cost_per_second=0.001),
        entry(
            "fee",
            "openai/x",
            input_cost_per_token=1e-6,
            output_cost_per_token=2e-6,
            input_cost_per_request=0.01,
        ),
        entry("dark", "openai/nobody-knows"),
    ],
    "litellm_settings": {
        "cost_discount_config": {"anthropic": 0.5},
        "cost_margin_config": {"anthropic": {"percentage": 0.1, "fixed_amount": 0.001}},
    },
}


def ask(function: Callable[..., Awaitable[Any]], body: dict[str, Any], caller: Caller = MEMBER) -> Any:
    decoder: Any = msgspec.json.Decoder(manifest_of(function).request)
    request = decode_body(decoder, msgspec.json.encode(body))
    ctx = CatalogueContext(
        deployments=ABSENT, call=make_call(caller), models=LiveModels(make_registry(CONFIG))
    )
    return asyncio.run(function(request, ctx))  # type: ignore[arg-type]  # a function is a coroutine's


def estimated(**body: Any) -> CostEstimate:
    found = ask(cost.estimate, {"input_tokens": 1000, "output_tokens": 500, **body})
    assert isinstance(found, CostEstimate)
    return found


def calculated(**body: Any) -> Decimal:
    found = ask(cost.calculate, body)
    assert isinstance(found, CalculatedCost)
    return found.cost


def test_an_estimate_has_the_cost_of_a_request_a_day_and_a_month_with_its_parts() -> None:
    found = estimated(model="gpt", num_requests_per_day=1000, num_requests_per_month=30_000)
    assert (found.input_cost_per_request, found.output_cost_per_request) == (Decimal("0.03"), Decimal("0.03"))
    assert (found.cost_per_request, found.daily_cost, found.monthly_cost) == (
        Decimal("0.06"),
        Decimal(60),
        Decimal(1800),
    )
    assert (found.daily_input_cost, found.monthly_output_cost) == (Decimal(30), Decimal(900))
    assert (found.input_cost_per_token, found.output_cost_per_token) == (Decimal("3e-5"), Decimal("6e-5"))
    assert (found.provider, found.price_source, found.margin_cost_per_request) == (
        "openai",
        "genai-prices",
        Decimal(0),
    )
    assert found.price_version


def test_without_a_number_of_requests_there_is_no_day_and_no_month() -> None:
    found = estimated(model="gpt")
    assert (found.daily_cost, found.monthly_cost, found.num_requests_per_day) == (None, None, None)


def test_what_the_house_adds_stands_apart_and_the_parts_add_up() -> None:
    found = estimated(model="claude")
    assert found.input_cost_per_request == Decimal("0.0015")
    assert found.output_cost_per_request == Decimal("0.00375")
    assert found.margin_cost_per_request == Decimal("0.000525") + Decimal("0.001")
    parts = (found.input_cost_per_request, found.output_cost_per_request, found.margin_cost_per_request)
    assert found.cost_per_request == sum(parts)


def test_fees_and_seconds_are_told_apart_from_tokens() -> None:
    fee, gpu = estimated(model="fee"), estimated(model="gpu", seconds=3)
    assert (fee.additional_cost_per_request, fee.cost_per_request) == (Decimal("0.01"), Decimal("0.012"))
    assert (gpu.additional_cost_per_request, gpu.cost_per_request) == (Decimal("0.003"), Decimal("0.003"))


def test_an_estimate_counts_what_is_cached_and_the_service_tier() -> None:
    whole, cached = estimated(model="claude"), estimated(model="claude", cached_tokens=1000)
    assert whole.input_cost_per_request == 10 * cached.input_cost_per_request


def test_an_answers_cost_is_what_its_call_was_booked_at() -> None:
    ledger = FakeLedger()
    ctx = model_ctx(FakeUpstream(Answer(body=answers.openai_chat())), ledger=ledger)
    completion = asyncio.run(chat(chat_request(model="gpt"), ctx))
    assert isinstance(completion, ChatCompletion)
    response = msgspec.json.decode(completion.wire)
    assert calculated(model="gpt", completion_response=response) == Decimal(ledger.rows[0].cost_nano).scaleb(
        -9
    )
    response["model"] = "gpt"
    assert calculated(completion_response=response) > 0


def test_messages_are_priced_as_input_by_their_size() -> None:
    small, large = (
        calculated(model="gpt", messages=[{"role": "user", "content": "x" * size}]) for size in (40, 4000)
    )
    assert 0 < small < large
    assert large - small == Decimal(3960) / 4 * Decimal("0.00003")


def test_the_answer_is_litellms_one_number() -> None:
    assert to_json(
        ask(cost.calculate, {"model": "gpt", "messages": HELLO})
    ) == b'{"cost":0.00030000000000}'.replace(
        b"0.00030000000000", to_json(calculated(model="gpt", messages=HELLO))
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "gpt"}, "messages"),
        ({"messages": HELLO}, "model"),
        ({"model": "gpt", "messages": HELLO, "completion_response": {}}, "completion_response"),
        ({"model": "gpt", "completion_response": {}}, "completion_response.usage"),
        (
            {"model": "gpt", "completion_response": {"usage": {"prompt_tokens": -1}}},
            "completion_response.usage",
        ),
        ({"model": "dark", "messages": HELLO}, "model"),
    ],
)
def test_a_question_that_has_no_answer_names_its_parameter(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(cost.calculate, body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"cached_tokens": 1001}, "cached_tokens"),
        ({"reasoning_tokens": 501}, "reasoning_tokens"),
        ({"cached_tokens": 600, "cache_write_tokens": 401}, "cache_write_tokens"),
    ],
)
def test_a_part_that_is_more_than_its_whole_is_refused(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        estimated(model="gpt", **body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body", [{"input_tokens": -1}, {"output_tokens": 2**31}, {"num_requests_per_day": -1}]
)
def test_a_count_out_of_range_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        estimated(model="gpt", **body)
    assert caught.value.param in body


@pytest.mark.parametrize(
    "model", ["gpt-4o", "openai/gpt-4o", "anthropic/claude-sonnet-4-5", "claude-sonnet-4-5", "xai/grok-3"]
)
def test_a_model_outside_the_config_is_priced_by_the_list(model: str) -> None:
    limited = msgspec.structs.replace(MEMBER, models=(AllowedModels("key", ("claude",)),))
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "Hello" * 1000}]}
    assert ask(cost.calculate, body, limited).cost > 0
    answer = {"model": model, "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}
    assert ask(cost.calculate, {"completion_response": answer}).cost > 0


@pytest.mark.parametrize("model", ["nope", "openai/nope", "nobody/gpt-4o", "gpt-nope", "claude"])
def test_a_model_that_nobody_has_a_price_for_is_400(model: str) -> None:
    with pytest.raises(InvalidRequest, match="price"):
        ask(cost.calculate, {"model": f"{model}-x", "messages": HELLO})


@pytest.mark.parametrize("function", [cost.calculate, cost.estimate])
def test_only_models_that_the_caller_may_use_are_priced(function: Callable[..., Awaitable[Any]]) -> None:
    limited = msgspec.structs.replace(MEMBER, models=(AllowedModels("key", ("claude",)),))
    body: dict[str, Any] = {"model": "gpt", "messages": HELLO, "input_tokens": 1, "output_tokens": 1}
    with pytest.raises(ModelNotAllowed):
        ask(function, body, limited)
    with pytest.raises((ModelNotFound, InvalidRequest), match="nope"):
        ask(function, {**body, "model": "nope"})
    aliased = msgspec.structs.replace(limited, aliases={"mine": "claude"})
    ask(function, {**body, "model": "mine"}, aliased)
