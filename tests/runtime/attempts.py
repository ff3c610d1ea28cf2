"""Calls, targets and rows for the tests of the ledger."""

from datetime import UTC, datetime

import msgspec

from functions.contract.call import Call, Caller
from models_registry.bounds.judgement import Unbounded
from models_registry.dialects import Dialect
from models_registry.prices.price import Price
from models_registry.target import Target
from schema.ledger.journal import Held, Settled
from schema.ledger.rows import Outcome, SpendRow
from schema.usage import Usage

RECEIVED_AT = datetime(2026, 3, 14, 15, 9, 26, 535_897, tzinfo=UTC)
CALLER = Caller(role="internal_user", key_hash="a" * 64, key_alias="alice's", user_id="alice", team_id="red")
PRICE = Price(input=2 * 10**9, output=8 * 10**9, source="config")
"""2 and 8 dollars a million tokens."""


class FixedBounds:
    """Bounds of a call that says how long its answer may be."""

    answers = 1
    limited = True
    images = 0
    at_least = 0
    beside = 0
    searches = 0
    at_list_price = False
    reasons = False

    def __init__(self, usage: Usage = Usage(prompt_tokens=1_000, completion_tokens=4_000)) -> None:  # noqa: B008  (frozen)
        self._usage = usage
        self.asked = 0
        """How often the bounds were asked for."""

    @property
    def prompt_tokens(self) -> int:
        return self._usage.prompt_tokens

    @property
    def output_tokens(self) -> int | None:
        return self._usage.completion_tokens

    def cap(self, tokens: int) -> None:
        raise AssertionError("its output is limited already")

    def unbounded_field(self) -> Unbounded | None:
        return None

    def usage(self) -> Usage:
        self.asked += 1
        return self._usage

    def estimate(self, output_tokens: int) -> int:
        return self._usage.total_tokens


def make_call(request_id: str = "req-1", *, received_mono: float = 100.0) -> Call:
    return Call(
        request_id=request_id,
        received_at=RECEIVED_AT,
        received_mono=received_mono,
        caller=CALLER,
        client_ip="192.0.2.7",
        user_agent="OpenAI/Python 2.0",
    )


def make_target(*, price: Price | None = PRICE, model_id: str = "deployment-1") -> Target:
    return Target(
        model_id=model_id,
        public_name="gpt-4",
        provider="openai",
        dialect=Dialect.OPENAI,
        model="gpt-4-0613",
        api_base="https://api.example.com/v1",
        price=price,
    )


ROW = SpendRow(
    request_id="req-1",
    call_id="req-1",
    call_type="acompletion",
    key_hash="a" * 64,
    key_alias="alice's",
    user_id="alice",
    team_id="red",
    end_user=None,
    requester_ip="192.0.2.7",
    user_agent="OpenAI/Python 2.0",
    model_group="gpt-4",
    model="gpt-4-0613",
    model_id="deployment-1",
    provider="openai",
    api_base="https://api.example.com/v1",
    started_at=RECEIVED_AT,
    first_token_at=RECEIVED_AT.replace(second=27),
    ended_at=RECEIVED_AT.replace(second=30),
    duration_ms=4000,
    prompt_tokens=100,
    completion_tokens=50,
    cached_tokens=10,
    cache_write_tokens=5,
    reasoning_tokens=20,
    estimated=False,
    cost_nano=1_234_567,
    price_source="config",
    streamed=True,
    outcome=Outcome.OK,
    http_status=200,
    error_class=None,
    error_message=None,
)


def make_row(request_id: str = "req-1", **changes: object) -> SpendRow:
    return msgspec.structs.replace(ROW, request_id=request_id, call_id=request_id, **changes)


HELD = Held(
    request_id="req-1",
    call_id="req-1",
    call_type="acompletion",
    key_hash="a" * 64,
    key_id="",
    key_alias="alice's",
    user_id="alice",
    team_id="red",
    organization_id=None,
    end_user=None,
    requester_ip="192.0.2.7",
    user_agent="OpenAI/Python 2.0",
    model_group="gpt-4",
    model="gpt-4-0613",
    model_id="deployment-1",
    provider="openai",
    api_base="https://api.example.com/v1",
    started_at=RECEIVED_AT,
    streamed=True,
    price_source="config",
    bound=Usage(prompt_tokens=1_000, completion_tokens=4_000),
    ceiling_nano=34_000_000,
)
SETTLED = Settled(
    request_id="req-1",
    first_token_at=RECEIVED_AT.replace(second=27),
    ended_at=RECEIVED_AT.replace(second=30),
    duration_ms=4000,
    usage=Usage(
        prompt_tokens=100, completion_tokens=50, cached_tokens=10, cache_write_tokens=5, reasoning_tokens=20
    ),
    cost_nano=1_234_567,
    outcome=Outcome.OK,
    http_status=200,
)
"""The record of the end of HELD. Both records together make ROW."""


def make_held(request_id: str = "req-1", **changes: object) -> Held:
    return msgspec.structs.replace(HELD, request_id=request_id, call_id=request_id, **changes)


def make_settled(request_id: str = "req-1", **changes: object) -> Settled:
    return msgspec.structs.replace(SETTLED, request_id=request_id, **changes)
