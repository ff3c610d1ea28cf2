"""What a failed attempt leaves of the budgets and limits that let it in, with the real ledger and the real
Postgres."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC

import msgspec
import pytest

from functions.contract.policy import Policy
from models_registry.bounds.chat import ChatBounds
from models_registry.prices.price import Price
from models_registry.target import Target
from runtime.ledger.attempts import AttemptHold, BookedLedger
from runtime.limits.admission import Admissions
from runtime.limits.end_users import EndUsers
from runtime.limits.governor import Governor
from runtime.limits.leases import Leases
from runtime.postgres.database import Database
from runtime.postgres.look_ups import LookUps
from schema.errors.limits import BudgetExceeded, RateLimited
from schema.errors.upstream import ProviderAnswer, ProviderError, UpstreamCut, UpstreamError, UpstreamTimeout
from schema.limits import Meter, Rule
from schema.usage import Usage
from tests.fakes.authority import Silence
from tests.fakes.ledger import ListSink
from tests.models_registry.backends.making import chat
from tests.runtime.attempts import make_call, make_target

FREE = make_target(price=Price(source="local"))
PAID = make_target(price=Price(input=10**9, output=10**10, source="config"))
TOKENS = Rule(
    account="tpm:key:k", meter=Meter.TOKENS, who="api_key", subject="k", limit=12_000, duration="1m"
)
MONEY = Rule(account="money:key:k", meter=Meter.MONEY, who="api_key", subject="k", limit=15 * 10**7)
"""0.15 dollars: one attempt of 10,000 tokens costs up to 0.10."""


def answered(status: int, *, in_envelope: bool = True) -> UpstreamError:
    error = ProviderError("x", status=503)
    error.answer = ProviderAnswer(status=status, in_envelope=in_envelope)
    return error


class Desk:
    """Holds of one key under these rules."""

    def __init__(self, ledger: BookedLedger, rules: Sequence[Rule]) -> None:
        self._ledger = ledger
        self._rules = tuple(rules)

    async def hold(self, target: Target) -> AttemptHold:
        call = make_call()
        caller = msgspec.structs.replace(call.caller, rules=self._rules)
        call = msgspec.structs.replace(call, caller=caller, reply_headers={}, limit_headers=[], attempts=[])
        bounds = ChatBounds(chat(max_tokens=10_000), target)
        return await self._ledger.hold(call, target, streamed=False, bounds=bounds, customer=None)


def at_desk(dsn: str, rules: Sequence[Rule], scenario: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        database = await Database.connect(dsn)
        governor = Governor(Leases(database, UTC))
        await governor.start()
        try:
            customers = EndUsers(Policy(), Silence(), database, LookUps())
            admissions = Admissions(governor, customers, Policy())
            await scenario(Desk(BookedLedger(ListSink(), admissions), rules))
        finally:
            await governor.close()
            await database.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "error",
    [answered(500), answered(501, in_envelope=False), UpstreamTimeout("slow"), UpstreamCut("cut")],
    ids=str,
)
def test_a_failed_attempt_that_costs_nothing_gives_its_tokens_back(
    postgres_dsn: str, error: UpstreamError
) -> None:
    async def scenario(desk: Desk) -> None:
        for _ in range(7):
            (await desk.hold(FREE)).fail(error)

    at_desk(postgres_dsn, [TOKENS], scenario)


def test_a_cancelled_attempt_that_costs_nothing_keeps_what_was_produced(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        (await desk.hold(FREE)).cancel(Usage(prompt_tokens=10, completion_tokens=9_000))
        with pytest.raises(RateLimited):
            await desk.hold(FREE)

    at_desk(postgres_dsn, [TOKENS], scenario)


def test_seven_overloads_use_nothing_of_a_budget(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        for status in (529, 503, 500, 498, 429, 529, 503):
            (await desk.hold(PAID)).fail(answered(status))

    at_desk(postgres_dsn, [MONEY, TOKENS], scenario)


@pytest.mark.parametrize("error", [answered(502), answered(503, in_envelope=False), answered(408)], ids=str)
def test_what_something_in_between_says_keeps_the_ceiling(postgres_dsn: str, error: UpstreamError) -> None:
    async def scenario(desk: Desk) -> None:
        (await desk.hold(PAID)).fail(error)
        with pytest.raises(BudgetExceeded):
            await desk.hold(PAID)

    at_desk(postgres_dsn, [MONEY], scenario)


def test_an_overload_of_a_provider_that_bills_failures_keeps_the_ceiling(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        target = msgspec.structs.replace(PAID, bills_failures=True)
        (await desk.hold(target)).fail(answered(529))
        with pytest.raises(BudgetExceeded):
            await desk.hold(target)

    at_desk(postgres_dsn, [MONEY], scenario)
