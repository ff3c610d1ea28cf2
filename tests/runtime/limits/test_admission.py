"""What an attempt holds: ceilings, limits on the output, fields without a bound, headers."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import pytest

from functions.contract.call import Attempted, Call
from functions.contract.policy import Policy
from models_registry.bounds.chat import ChatBounds
from models_registry.prices.price import AtMost, Price, ceiling_nano
from models_registry.target import Target
from runtime.limits.admission import Admission, Admissions
from runtime.limits.ceilings import full_ceiling
from runtime.limits.end_users import EndUsers
from runtime.limits.governor import Governor
from runtime.limits.leases import Leases
from runtime.limits.slices import Need, Slice, Slices, give_back
from runtime.postgres.database import Database
from runtime.postgres.look_ups import LookUps
from schema.chat import ChatRequest
from schema.errors.limits import BudgetExceeded, RateLimited, TooManyTokens, UnboundedCost
from schema.ledger.journal import row_of
from schema.limits import Holder, Meter, Rule
from schema.usage import Usage
from schema.wire import decode_body
from tests.fakes.authority import Silence
from tests.runtime.attempts import make_call, make_held, make_settled, make_target
from tests.runtime.limits.lease_worker import at_once, requests_a_minute

T = TypeVar("T")
CENT = 10**7
PRICE = Price(input=10**9, output=10**10)
"""1 dollar and 10 dollars a million tokens."""
_decoder = msgspec.json.Decoder(ChatRequest)


class Desk:
    """Admissions over one worker's governor."""

    def __init__(self, database: Database, governor: Governor, policy: Policy) -> None:
        self.governor = governor
        self.admissions = Admissions(governor, EndUsers(policy, Silence(), database, LookUps()), policy)
        self.database = database

    async def admit(
        self, rules: Sequence[Rule], target: Target, calls: list[Call] | None = None, /, **body: object
    ) -> tuple[Call, Admission]:
        fields = {"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}], **body}
        request = decode_body(_decoder, msgspec.json.encode(fields))
        call = make_call()
        caller = msgspec.structs.replace(call.caller, rules=tuple(rules))
        call = msgspec.structs.replace(call, caller=caller, reply_headers={}, limit_headers=[])
        if calls is not None:
            if calls:
                call = msgspec.structs.replace(call, provider_side=calls[0].provider_side)
            calls.append(call)
        bounds = ChatBounds(request, target)
        admission = await self.admissions.admit(call, target, bounds, request.user)
        return call, admission

    async def beside(self, dsn: str) -> "Desk":
        """The desk of another worker."""
        database = await Database.connect(dsn)
        governor = Governor(Leases(database, UTC))
        await governor.start()
        return Desk(database, governor, Policy())

    async def leave(self) -> None:
        await self.governor.close()
        await self.database.close()

    async def refused(
        self, rules: Sequence[Rule], target: Target, **body: object
    ) -> tuple[Call, RateLimited]:
        """The call that a limit refuses, with what its answer's headers say."""
        calls: list[Call] = []
        with pytest.raises(RateLimited) as caught:
            await self.admit(rules, target, calls, **body)
        return calls[0], caught.value


def at_desk(dsn: str, scenario: Callable[[Desk], Awaitable[T]], policy: Policy | None = None) -> T:
    async def run() -> T:
        database = await Database.connect(dsn)
        governor = Governor(Leases(database, UTC))
        await governor.start()
        try:
            return await scenario(Desk(database, governor, policy or Policy()))
        finally:
            await governor.close()
            await database.close()

    return asyncio.run(run())


def own_budget(nano: int, name: str = "b") -> Rule:
    return Rule(account=f"money:key:{name}", meter=Meter.MONEY, who="api_key", subject="key b", limit=nano)


def tokens_a_minute(limit: int) -> Rule:
    return Rule(
        account="tpm:key:t", meter=Meter.TOKENS, who="api_key", subject="key t", limit=limit, duration="1m"
    )


def test_a_limit_that_the_caller_sent_is_never_lowered(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        target = make_target(price=PRICE)
        with pytest.raises(BudgetExceeded, match=r"this call can cost up to 1\.000"):
            await desk.admit([own_budget(CENT)], target, max_tokens=100_000)
        call, admission = await desk.admit([own_budget(CENT)], target, max_tokens=10)
        assert admission.output_limit is None
        assert "x-switchgear-max-tokens" not in call.reply_headers

    at_desk(postgres_dsn, scenario)


def test_a_model_whose_whole_output_does_not_fit_is_limited_to_the_default(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        target = msgspec.structs.replace(make_target(price=PRICE), context_window=1_000_000)
        call, admission = await desk.admit([own_budget(100 * CENT)], target)
        assert admission.output_limit == 4096
        assert call.reply_headers["x-switchgear-max-tokens"] == "4096"
        assert admission.taken[0].amount < 10 * CENT

    at_desk(postgres_dsn, scenario)


def test_nothing_is_limited_while_the_whole_output_fits(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        target = msgspec.structs.replace(make_target(price=PRICE), max_output_tokens=10_000)
        _, admission = await desk.admit([own_budget(10**12)], target)
        assert admission.output_limit is None
        (taken,) = admission.taken
        assert taken.amount > ceiling_nano(PRICE, AtMost(0, 10_000))

    at_desk(postgres_dsn, scenario)


def test_a_model_whose_maximum_is_known_is_given_what_is_free(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        target = msgspec.structs.replace(make_target(price=PRICE), max_output_tokens=100_000)
        await desk.admit([own_budget(60 * CENT)], target, max_tokens=1)
        _, admission = await desk.admit([own_budget(60 * CENT)], target)
        assert admission.output_limit is not None
        assert 4096 < admission.output_limit < 60_000

    at_desk(postgres_dsn, scenario)


def test_a_model_without_any_known_maximum_is_limited_under_a_budget(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        _, admission = await desk.admit([own_budget(10**12)], make_target(price=PRICE))
        assert admission.output_limit == 4096
        _, free = await desk.admit([], make_target(price=PRICE))
        assert free.output_limit is None

    at_desk(postgres_dsn, scenario)


def wide(model: str = "gpt-4-0613", **facts: object) -> Target:
    """A deployment whose whole output fits no budget of these tests."""
    facts = {"context_window": 1_000_000, "model": model, **facts}
    return msgspec.structs.replace(make_target(price=PRICE), **facts)


@pytest.mark.parametrize("others", [0, 1])
def test_where_the_default_does_not_fit_the_limit_is_what_fits(postgres_dsn: str, others: int) -> None:
    async def scenario(desk: Desk) -> None:
        rules = [own_budget(CENT), own_budget(10**12, "large")]
        for _ in range(others):
            await desk.admit(rules, wide(), max_tokens=400)
        call, admission = await desk.admit(rules, wide())
        limit = admission.output_limit
        assert limit is not None
        fits = 1_000 - 405 * others  # a cent buys 1,000 tokens, less those of the prompts
        assert fits - 20 < limit < fits
        assert call.reply_headers["x-switchgear-max-tokens"] == str(limit)
        assert admission.taken[0].amount <= CENT - 4_000_000 * others
        with pytest.raises(BudgetExceeded):
            await desk.admit(rules, wide())

    at_desk(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("model", "facts", "policy", "least"),
    [
        ("gpt-4", {}, Policy(), 256),
        ("gpt-5-mini", {}, Policy(), 2048),
        ("gpt-4", {"supports_reasoning": True}, Policy(), 2048),
        ("gpt-5-mini", {"supports_reasoning": False}, Policy(), 256),
        ("gpt-5-mini", {}, Policy(min_output_tokens=100), 100),
        ("gpt-4", {"max_output_tokens": 50}, Policy(), 50),
        ("gpt-4", {}, Policy(default_output_tokens=70), 70),
    ],
)
def test_an_answer_too_short_to_be_of_use_is_refused_with_the_sum(
    postgres_dsn: str, model: str, facts: dict[str, object], policy: Policy, least: int
) -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(BudgetExceeded) as caught:
            await desk.admit([own_budget(least * 10_000)], wide(model, **facts))
        said = re.search(r"can cost up to ([0-9.]+)", caught.value.message)
        assert said is not None
        assert least * 10_000 < Decimal(said[1]) * 10**9 < least * 10_000 + 10**5
        _, admission = await desk.admit([own_budget(least * 10_000 + 10**5, "enough")], wide(model, **facts))
        assert least <= (admission.output_limit or wide(model, **facts).max_output_tokens or 0) < least + 10

    at_desk(postgres_dsn, scenario, policy)


@pytest.mark.parametrize(
    "fields",
    [
        {"thinking": {"type": "enabled", "budget_tokens": 10_000}},
        {"reasoning": {"max_tokens": 10_000}},
        {"min_tokens": 10_000},
        {"google": {"thinking_config": {"thinking_budget": 10_000}}},
    ],
    ids=str,
)
def test_a_limit_of_ours_leaves_room_for_what_is_thought_or_has_to_be_said(
    postgres_dsn: str, fields: dict[str, object]
) -> None:
    async def scenario(desk: Desk) -> None:
        target = wide(supports_reasoning=False)
        _, plenty = await desk.admit([own_budget(100 * CENT)], target, **fields)
        assert plenty.output_limit == 10_000 + 4_096
        _, fits = await desk.admit([own_budget(13 * CENT, "some")], target, **fields)
        assert 10_000 + least <= (fits.output_limit or 0) < 13_000
        with pytest.raises(BudgetExceeded) as caught:
            await desk.admit([own_budget(10 * CENT, "little")], target, **fields)
        said = re.search(r"can cost up to ([0-9.]+)", caught.value.message)
        assert said is not None
        assert Decimal(said[1]) * 10**9 >= (10_000 + least) * 10_000

    least = 2_048 if "min_tokens" not in fields else 256
    at_desk(postgres_dsn, scenario)


def test_an_answer_that_goes_on_for_ever_is_limited_though_its_maximum_fits(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        target = wide(max_output_tokens=8_000)
        _, free = await desk.admit([own_budget(10**12)], target)
        assert free.output_limit is None
        _, endless = await desk.admit([own_budget(10**12)], target, ignore_eos=True)
        assert endless.output_limit == 8_000

    at_desk(postgres_dsn, scenario)


def test_a_limit_on_requests_that_is_reached_is_told_before_the_budget_is_asked_for_less(
    postgres_dsn: str,
) -> None:
    async def scenario(desk: Desk) -> None:
        rules = [own_budget(CENT), requests_a_minute("rpm:key:r", 1)]
        await desk.admit(rules, make_target(price=PRICE), max_tokens=1)
        with pytest.raises(RateLimited):
            await desk.admit(rules, wide())

    at_desk(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"tools": [{"type": "web_search"}]}, r"tools\[0\]"),
        ({"max_tokens": 1, "n_predict": 4_000}, "n_predict"),
        ({"max_tokens": 1, "options": {"num_predict": 4_000}}, r"options\.num_predict"),
        ({"max_tokens": 1, "use_beam_search": True}, "use_beam_search"),
        ({"search_parameters": {"mode": "on"}}, "search_parameters"),
        ({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, r"messages\[0\].audio"),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
            r"messages\[0\].content\[0\]",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            r"messages\[0\].content\[0\]",
        ),
    ],
)
def test_what_has_no_known_bound_is_refused_under_a_budget_by_its_name(
    postgres_dsn: str, body: dict[str, object], field: str
) -> None:
    async def scenario(desk: Desk) -> None:
        target = make_target(price=PRICE)
        with pytest.raises(UnboundedCost, match=field) as caught:
            await desk.admit([own_budget(10**12)], target, **body)
        assert (caught.value.reason, caught.value.code) == ("unbounded_cost", "400")
        assert "free_params: [" in caught.value.message
        assert "model_info.max_call_cost" in caught.value.message
        await desk.admit([], target, **body)  # nobody's money is limited
        bounded = msgspec.structs.replace(target, max_call_nano=CENT)
        _, admission = await desk.admit([own_budget(10**12)], bounded, **body)
        assert admission.taken[0].amount == CENT
        free = msgspec.structs.replace(target, price=Price(source="local"))
        await desk.admit([own_budget(0)], free, **body)  # it costs nothing

    at_desk(postgres_dsn, scenario)


@pytest.mark.parametrize("tier", [None, "auto", "default", "flex"])
def test_a_service_tier_that_costs_no_more_is_let_in(postgres_dsn: str, tier: str | None) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.admit([own_budget(10**12)], make_target(price=PRICE), service_tier=tier)

    at_desk(postgres_dsn, scenario)


def test_a_model_without_a_price_is_refused_under_a_budget_and_a_free_one_is_not(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(UnboundedCost, match="no known price"):
            await desk.admit([own_budget(10**12)], make_target(price=None))
        _, admission = await desk.admit([own_budget(0)], make_target(price=Price(source="local")))
        assert admission.taken == []

    at_desk(postgres_dsn, scenario)


def test_a_rule_for_one_model_leaves_the_others_alone(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        only = msgspec.structs.replace(own_budget(0), model="gpt-5")
        await desk.admit([only], make_target(price=PRICE))
        same = msgspec.structs.replace(own_budget(0), model="gpt-4")
        with pytest.raises(BudgetExceeded):
            await desk.admit([same], make_target(price=PRICE), max_tokens=1)

    at_desk(postgres_dsn, scenario)


def test_a_call_larger_than_the_token_limit_alone_is_429_and_not_to_be_retried(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(TooManyTokens) as caught:
            await desk.admit([tokens_a_minute(100)], make_target(), max_tokens=1_000)
        error = caught.value
        assert (error.http_status, error.retry, error.retry_after_s) == (429, False, None)
        assert error.message.startswith("Rate limit exceeded for api_key: key t.")
        assert error.reply_headers["rate_limit_type"] == "tokens"
        assert error.reply_headers["reset_at"].endswith(":00 UTC")
        _, admission = await desk.admit([tokens_a_minute(100)], make_target())
        assert admission.taken[0].amount == 100, "a guess gives way to the limit"

    at_desk(postgres_dsn, scenario)


def test_tokens_that_were_not_used_come_back_and_more_are_owed(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        rule = tokens_a_minute(1_000)
        _, admission = await desk.admit([rule], make_target(), max_tokens=900)
        desk.admissions.settle(admission, make_settled(usage=Usage(prompt_tokens=50, completion_tokens=50)))
        _, admission = await desk.admit([rule], make_target(), max_tokens=800)
        desk.admissions.settle(admission, make_settled(usage=Usage(prompt_tokens=500, completion_tokens=600)))
        with pytest.raises(RateLimited):
            await desk.admit([rule], make_target(), max_tokens=1)

    at_desk(postgres_dsn, scenario)


def test_who_waited_behind_another_call_is_told_of_its_own_budgets_alone(postgres_dsn: str) -> None:
    def budget(holder: str, nano: int) -> Rule:
        return Rule(account=f"money:{holder}", meter=Meter.MONEY, who="team", subject=holder, limit=nano)

    async def scenario(desk: Desk) -> None:
        shared, ample = budget("team:shared", 1), budget("customer:ample", 10**15)
        theirs = [shared, budget("customer:another", 1)]
        told = await asyncio.gather(
            desk.admit(theirs, make_target(), max_tokens=10),
            desk.admit([shared, ample], make_target(), max_tokens=10),
            return_exceptions=True,
        )
        assert [type(each) for each in told] == [BudgetExceeded, BudgetExceeded]
        assert "customer:another" in str(told[0])
        assert "team:shared" in str(told[1])

    at_desk(postgres_dsn, scenario)


def test_who_waited_is_not_told_of_a_budget_that_it_fits(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        rules = [own_budget(CENT), requests_a_minute("k", 1)]
        target = make_target(price=PRICE)
        await desk.admit(rules, target, max_tokens=1)
        told = await asyncio.gather(
            desk.admit(rules, target, max_tokens=100_000),
            desk.admit(rules, target, max_tokens=1),
            return_exceptions=True,
        )
        assert [type(each) for each in told] == [BudgetExceeded, RateLimited]

    at_desk(postgres_dsn, scenario)


def test_a_call_is_one_request_however_often_it_is_attempted(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        of_n = msgspec.structs.replace(requests_a_minute("n", 1), model="n")
        rules = (requests_a_minute("k", 1), at_once("k", 1), own_budget(10**15), of_n)
        request = decode_body(_decoder, b'{"model": "gpt-4", "messages": [], "max_tokens": 10}')
        call = make_call()
        call = msgspec.structs.replace(call, caller=msgspec.structs.replace(call.caller, rules=rules))

        async def attempt(model: str, calls: Call = call) -> Admission:
            target = msgspec.structs.replace(make_target(), public_name=model)
            return await desk.admissions.admit(calls, target, ChatBounds(request, target), None)

        for model in ("m", "m", "n", "n"):
            admission = await attempt(model)
            call.attempts.append(Attempted(f"{len(call.attempts)}", model))
            desk.admissions.settle(admission, make_settled(usage=Usage(prompt_tokens=1, completion_tokens=1)))
        for model in ("m", "n"):
            with pytest.raises(RateLimited):
                await attempt(model, msgspec.structs.replace(call, attempts=[]))

    at_desk(postgres_dsn, scenario)


def test_the_headers_say_what_is_left(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        rules = [requests_a_minute("k", 10), tokens_a_minute(10_000), at_once("k", 3)]
        call, _ = await desk.admit(rules, make_target(), max_tokens=10)
        headers = {name.decode(): value.decode() for name, value in call.limit_headers}
        assert headers["x-ratelimit-limit-requests"] == "10"
        assert headers["x-ratelimit-remaining-requests"] == "9"
        assert 0 < float(headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 60
        assert headers["x-ratelimit-api_key-remaining-max_parallel_requests"] == "2"
        assert int(headers["x-ratelimit-remaining-tokens"]) < 10_000

    at_desk(postgres_dsn, scenario)


def test_a_429_says_when_to_come_back(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        rule = requests_a_minute("k", 1)
        await desk.admit([rule], make_target())
        with pytest.raises(RateLimited, match="limit 1, used 1") as caught:
            await desk.admit([rule], make_target())
        assert caught.value.retry_after_s is not None
        assert 0 < caught.value.retry_after_s <= 60
        assert caught.value.message.startswith("Rate limit exceeded for api_key: ")
        assert caught.value.reply_headers["rate_limit_type"] == "requests"
        assert caught.value.reply_headers["reset_at"].endswith(":00 UTC")

    at_desk(postgres_dsn, scenario)


def refused(call: Call) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in call.limit_headers}


def test_a_429_says_how_the_limits_stand(postgres_dsn: str) -> None:
    """The one that was short, and another one as far as this worker knows it."""

    async def scenario(desk: Desk) -> None:
        rules = [requests_a_minute("k", 1), tokens_a_minute(5_000), at_once("k", 3)]
        await desk.admit(rules, make_target(), max_tokens=10)
        call, error = await desk.refused(rules, make_target(), max_tokens=10)
        headers = refused(call)
        assert headers["x-ratelimit-limit-requests"] == headers["x-ratelimit-api_key-limit-requests"] == "1"
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert 0 < float(headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 60
        assert int(headers["x-ratelimit-remaining-tokens"]) > 0
        assert error.limit_type == "requests"

    at_desk(postgres_dsn, scenario)


def test_a_429_of_calls_at_once_says_so(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        rules = [at_once("k", 1)]
        await desk.admit(rules, make_target())
        call, error = await desk.refused(rules, make_target())
        assert error.reply_headers["rate_limit_type"] == "max_parallel_requests"
        assert "reset_at" in error.reply_headers
        assert refused(call)["x-ratelimit-api_key-remaining-max_parallel_requests"] == "0"

    at_desk(postgres_dsn, scenario)


def test_a_worker_that_knows_nothing_of_a_limit_tells_the_limit_alone(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        call, _ = await desk.refused([tokens_a_minute(100)], make_target(), max_tokens=1_000)
        assert refused(call) == {
            "x-ratelimit-api_key-limit-tokens": "100",
            "x-ratelimit-limit-tokens": "100",
            "x-litellm-key-tpm-limit": "100",
        }

    at_desk(postgres_dsn, scenario)


def test_an_end_users_budget_has_litellms_opening_words(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        rule = Rule(
            account="money:customer:e",
            meter=Meter.MONEY,
            who="end_user",
            subject="customer eve",
            limit=CENT // 100,
        )
        with pytest.raises(BudgetExceeded) as caught:
            await desk.admit([rule], make_target(price=PRICE), max_tokens=100_000)
        assert caught.value.message.startswith("ExceededBudget: End User=eve over budget. Spend=0, Budget=")

    at_desk(postgres_dsn, scenario)


def test_a_refused_budget_says_the_arithmetic_and_is_not_to_be_retried(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        target = make_target(price=PRICE)
        _, admission = await desk.admit([own_budget(2 * CENT)], target, max_tokens=1_000)
        with pytest.raises(BudgetExceeded) as caught:
            await desk.admit([own_budget(2 * CENT)], target, max_tokens=1_000)
        error = caught.value
        assert (error.http_status, error.error_type, error.retry) == (418, "budget_exceeded", False)
        held = admission.taken[0].amount / 10**9
        assert error.message.startswith(
            "Budget has been exceeded! Key=key b Current cost: 0, Max budget: 0.02"
        )
        assert f"held by calls under way: {held:f}".rstrip("0") in error.message

    at_desk(postgres_dsn, scenario, Policy(budget_exceeded_status=418))


def test_everything_together_can_have_a_budget(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(BudgetExceeded, match="Proxy="):
            await desk.admit([], make_target(price=PRICE), max_tokens=10_000)

    at_desk(postgres_dsn, scenario, Policy(budget=Decimal("0.01")))


def test_a_cost_above_its_hold_is_charged_in_full_and_shuts_the_budget(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        target = make_target(price=PRICE)
        _, admission = await desk.admit([own_budget(CENT)], target, max_tokens=10)
        desk.admissions.settle(admission, make_settled(cost_nano=CENT))
        with pytest.raises(BudgetExceeded) as caught:
            await desk.admit([own_budget(CENT)], target, max_tokens=10)
        assert "settled and not yet booked: 0.01; " in caught.value.message
        assert "under way" not in caught.value.message

    at_desk(postgres_dsn, scenario)


def test_a_cost_above_its_hold_is_booked_in_full_and_counted(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        _, admission = await desk.admit([own_budget(10 * CENT)], make_target(price=PRICE), max_tokens=10)
        (charge,), cost = admission.charges, admission.taken[0].amount + 5
        assert desk.admissions.settle(admission, make_settled(cost_nano=cost))
        row = row_of(make_held(charges=(charge,)), make_settled(cost_nano=cost))
        assert row.held_nano == cost - 5
        cheaper = row_of(make_held(charges=(charge,)), make_settled(cost_nano=1))
        assert (cheaper.held_nano, cheaper.charges[0].taken_nano) == (cost - 5, 1)
        assert row_of(make_held(), make_settled(cost_nano=cost)).held_nano is None
        assert (row.charges[0].taken_nano, row.charges[0].cost_nano) == (cost - 5, cost)

    at_desk(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "fields",
    [
        {"a" * 200: 1},
        {"messages": [{"role": "user", "content": "x", "a" * 100_000: 1}]},
        {"messages": [{"role": "user", "content": [{"type": "a" * 100_000}]}]},
        {"tools": [{"type": "a" * 100_000}]},
        {"options": {"a" * 100_000: 1}},
    ],
)
def test_a_refusal_names_a_long_name_by_its_beginning_and_says_what_to_do(fields: dict[str, Any]) -> None:
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}], **fields}
    request = decode_body(_decoder, msgspec.json.encode(body))
    target = make_target(price=PRICE)
    with pytest.raises(UnboundedCost, match="has no known bound") as caught:
        full_ceiling(target, ChatBounds(request, target))
    assert len(caught.value.message) < 1_000
    assert "model_info.max_call_cost" in caught.value.message


def key_budget(nano: int, **more: Any) -> Rule:
    return Rule(
        account="money:key:told",
        meter=Meter.MONEY,
        who="api_key",
        subject="key told",
        limit=nano,
        holder=Holder("key", "told"),
        **more,
    )


def told(call: Call) -> dict[str, str]:
    """What the answer's head says of the key."""
    return {name: value for name, value in refused(call).items() if name.startswith("x-litellm-key-")}


def test_the_head_tells_how_the_key_stands(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        team = msgspec.structs.replace(requests_a_minute("team", 70), who="team")
        of_a_model = msgspec.structs.replace(
            requests_a_minute("model", 7), who="model_per_key", model="gpt-4"
        )
        rules = [
            key_budget(100 * CENT),
            requests_a_minute("k", 60),
            tokens_a_minute(90_000),
            team,
            of_a_model,
        ]
        target = make_target(price=PRICE)
        call, admission = await desk.admit(rules, target, max_tokens=10)
        assert told(call) == {
            "x-litellm-key-max-budget": "1",
            "x-litellm-key-spend": "0",
            "x-litellm-key-rpm-limit": "60",
            "x-litellm-key-tpm-limit": "90000",
        }
        desk.admissions.settle(admission, make_settled(cost_nano=CENT // 4))
        call, other = await desk.admit(rules, target, max_tokens=10)
        assert told(call)["x-litellm-key-spend"] == "0.0025", "what this worker settled counts at once"
        desk.admissions.release(other)
        call, _ = await desk.admit(rules, target, max_tokens=10)
        assert told(call)["x-litellm-key-spend"] == "0.0025", "a call that did not begin costs nothing"

    at_desk(postgres_dsn, scenario)


def test_what_is_not_known_of_a_key_is_not_told(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        free = msgspec.structs.replace(make_target(), price=Price(source="local"))
        call, _ = await desk.admit([key_budget(CENT)], free)
        assert told(call) == {"x-litellm-key-max-budget": "0.01"}, "a free call asks nobody what was spent"
        call, _ = await desk.admit([], make_target(price=PRICE))
        assert told(call) == {}
        window = msgspec.structs.replace(own_budget(10**12), account="money:key:told:window:1d")
        call, _ = await desk.admit([window], make_target(price=PRICE), max_tokens=1)
        assert told(call) == {}, "a budget by window is another budget"

    at_desk(postgres_dsn, scenario)


def test_a_temporary_increase_is_part_of_the_budget_that_is_told(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        for until_s, dollars in ((2e10, "1.5"), (1.0, "1")):
            rule = key_budget(100 * CENT, extra=50 * CENT, extra_until=until_s)
            call, _ = await desk.admit([rule], make_target(price=PRICE), max_tokens=1)
            assert told(call)["x-litellm-key-max-budget"] == dollars

    at_desk(postgres_dsn, scenario)


def test_a_refusal_tells_how_the_key_stands_too(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        calls: list[Call] = []
        with pytest.raises(BudgetExceeded):
            await desk.admit([key_budget(CENT)], make_target(price=PRICE), calls, max_tokens=100_000)
        assert told(calls[0]) == {"x-litellm-key-max-budget": "0.01"}

    at_desk(postgres_dsn, scenario)


def test_what_was_spent_follows_postgres_and_is_lowered_with_it() -> None:
    rule = key_budget(100 * CENT)

    def lease(spent: int) -> Slice:
        return Slice(
            rule=rule,
            epoch=1,
            worker="w",
            free=CENT,
            until_mono=1e9,
            used_mono=0.0,
            spent=spent,
            told_spent=spent,
        )

    slices = Slices()
    assert slices.spent(rule) is None
    slices.put(lease(5 * CENT), 0.0)
    taken, _ = slices.take([Need(rule, CENT)], 0.0)
    give_back(taken[0], CENT // 4)
    assert slices.spent(rule) == 5 * CENT + CENT * 3 // 4
    slices.put(lease(5 * CENT), 0.0)
    assert slices.spent(rule) == 5 * CENT + CENT * 3 // 4, "the call is not booked yet"
    slices.put(lease(6 * CENT), 0.0)
    assert slices.spent(rule) == 6 * CENT, "it is, and another worker's with it"
    slices.put(lease(0), 0.0)
    assert slices.spent(rule) == 0, "somebody reset it"
