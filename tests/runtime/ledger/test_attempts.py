"""What each ending of an attempt costs, and what is reported of it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.contract.call import Call
from models_registry.target import Target
from runtime.ledger.attempts import AttemptHold, BookedLedger, header_value
from runtime.ledger.spend_row import said_of
from runtime.limits.admission import Admission
from schema.errors.base import GatewayError
from schema.errors.models import ModelNotFound
from schema.errors.overload import Overloaded
from schema.errors.requests import UnsupportedParameter
from schema.errors.rows import Conflict
from schema.errors.upstream import (
    ProviderError,
    UpstreamCut,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from schema.ledger.journal import Held
from schema.ledger.rows import Outcome
from schema.money import dollars_text, usd
from schema.usage import Usage
from tests.fakes.ledger import FakeLedger, ListSink, NoLimits
from tests.runtime.attempts import RECEIVED_AT, FixedBounds, make_call, make_target

BOUND_NANO = 1_000 * 2_000 + 4_000 * 8_000
USED = Usage(prompt_tokens=10, completion_tokens=5)
USED_NANO = 10 * 2_000 + 5 * 8_000


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def hold(
    ledger: BookedLedger,
    target: Target | None = None,
    call: Call | None = None,
    bounds: FixedBounds | None = None,
) -> AttemptHold:
    return asyncio.run(
        ledger.hold(
            call or make_call(),
            target or make_target(),
            streamed=True,
            bounds=bounds or FixedBounds(),
            customer=None,
        )
    )


def test_an_answer_of_the_response_cache_costs_nothing_and_says_so_in_its_row() -> None:
    ledger, call = FakeLedger(), make_call()
    hold(ledger, call=call).settle_hit(USED)
    (row,) = ledger.rows
    assert (row.cache_hit, row.outcome, row.http_status) == (True, Outcome.OK, 200)
    assert (row.cost_nano, row.cost_parts, row.prompt_tokens, row.completion_tokens) == (0, (), 10, 5)
    assert call.reply_headers["x-litellm-response-cost"] == dollars_text(0)


def test_an_attempt_that_ends_late_leaves_the_next_one_of_its_call_under_way() -> None:
    ledger, call = FakeLedger(), make_call()
    first, second = hold(ledger, call=call), hold(ledger, call=call)
    assert [attempt.number for attempt in ledger.under_way.values()] == [1, 2]
    first.cancel(USED)
    assert list(ledger.under_way.values()) == [second.attempt]
    second.settle(USED)
    assert ledger.under_way == {}


@pytest.mark.parametrize(
    ("end", "outcome", "status", "cost_nano", "estimated"),
    [
        (lambda h: h.settle(USED), Outcome.OK, 200, USED_NANO, False),
        (lambda h: h.cancel(USED), Outcome.CANCELLED, 499, USED_NANO, False),
        (lambda h: h.fail(UpstreamUnreachable("down")), Outcome.FAILED, 500, 0, False),
        (lambda h: h.fail(ProviderError("no", status=429)), Outcome.FAILED, 429, 0, False),
        (lambda h: h.fail(ProviderError("no", status=400)), Outcome.FAILED, 400, 0, False),
        (lambda h: h.fail(ProviderError("oh", status=503)), Outcome.UNCERTAIN, 503, BOUND_NANO, True),
        (lambda h: h.fail(ProviderError("oh", status=503), USED), Outcome.FAILED, 503, USED_NANO, False),
        (lambda h: h.fail(UpstreamTimeout("slow")), Outcome.UNCERTAIN, 408, BOUND_NANO, True),
        (lambda h: h.fail(UpstreamCut("cut")), Outcome.UNCERTAIN, 502, BOUND_NANO, True),
        (lambda h: h.fail(UpstreamCut("cut"), USED), Outcome.FAILED, 502, USED_NANO, False),
        (lambda h: h.fail(UpstreamMalformed("garbage")), Outcome.UNCERTAIN, 502, BOUND_NANO, True),
        (lambda h: h.fail(UnsupportedParameter("n")), Outcome.REFUSED, 400, 0, False),
        (lambda h: h.fail(Overloaded("busy")), Outcome.REFUSED, 503, 0, False),
        (lambda h: h.fail(GatewayError("bug")), Outcome.UNCERTAIN, 500, BOUND_NANO, True),
        (lambda h: h.fail(KeyError("bug")), Outcome.UNCERTAIN, 500, BOUND_NANO, True),
        (lambda h: h.settle(Usage(prompt_tokens=-1)), Outcome.OK, 200, BOUND_NANO, True),
        (lambda h: h.settle(Usage(completion_tokens=2**31)), Outcome.OK, 200, BOUND_NANO, True),
        (lambda h: h.settle(Usage(completion_tokens=10**6)), Outcome.OK, 200, 8 * 10**9, False),
        (
            lambda h: h.settle(Usage(prompt_tokens=2**40, completion_tokens=10**6)),
            Outcome.OK,
            200,
            2 * 10**6 + 8 * 10**9,
            True,
        ),
    ],
)
def test_an_ending_costs_what_the_provider_may_charge(
    end: Callable[[AttemptHold], None], outcome: Outcome, status: int, cost_nano: int, estimated: bool
) -> None:
    ledger = FakeLedger()
    end(hold(ledger))
    (row,) = ledger.rows
    assert (row.outcome, row.http_status, row.cost_nano, row.estimated) == (
        outcome,
        status,
        cost_nano,
        estimated,
    )


def test_what_an_attempt_may_cost_is_written_down_before_it_is_sent() -> None:
    ledger = FakeLedger()
    hold(ledger)
    (held,) = ledger.sink.held.values()
    assert (held.bound, held.ceiling_nano) == (FixedBounds().usage(), BOUND_NANO)
    assert ledger.rows == []


def test_a_hold_that_can_not_be_written_down_gives_back_what_it_took() -> None:
    class Full(ListSink):
        def hold(self, held: Held) -> None:
            raise OSError("no room")

    class Counting(NoLimits):
        released = 0

        def release(self, admission: Admission) -> None:
            self.released += 1

    admissions = Counting()
    with pytest.raises(OSError, match="no room"):
        hold(BookedLedger(Full(), admissions))
    assert admissions.released == 1


@pytest.mark.parametrize("again", ["settle", "cancel", "fail"])
def test_a_hold_that_ended_can_not_end_again(again: str) -> None:
    ledger = FakeLedger()
    held = hold(ledger)
    held.settle(USED)
    with pytest.raises(RuntimeError, match="twice"):
        getattr(held, again)(UpstreamCut("cut") if again == "fail" else USED)
    assert len(ledger.rows) == 1


def test_times_are_the_calls_own_plus_the_monotonic_difference() -> None:
    sink, clock = ListSink(), Clock()
    clock.now_s = 100.25
    held = hold(BookedLedger(sink, NoLimits(), clock))
    clock.now_s = 101.0
    held.first_token()
    clock.now_s = 102.0
    held.first_token()
    clock.now_s = 103.5
    held.settle(USED)
    (row,) = sink.rows
    assert row.started_at == RECEIVED_AT + timedelta(seconds=0.25)
    assert row.first_token_at == RECEIVED_AT + timedelta(seconds=1)
    assert row.ended_at == RECEIVED_AT + timedelta(seconds=3.5)
    assert row.duration_ms == 3250


def test_the_reply_tells_the_deployment_at_the_hold_and_the_cost_at_the_end() -> None:
    ledger, call = FakeLedger(), make_call()
    held = hold(ledger, call=call)
    assert call.reply_headers == {}
    assert dict(call.provider_side.deployment) == {
        b"x-litellm-model-id": b"deployment-1",
        b"x-litellm-model-name": b"openai/gpt-4-0613",
        b"x-litellm-model-group": b"gpt-4",
        b"x-litellm-model-api-base": b"https://api.example.com/v1",
        b"x-litellm-timeout": b"6000.0",
        b"x-litellm-max-retries": b"0",
        b"x-litellm-attempted-retries": b"0",
        b"x-litellm-attempted-fallbacks": b"0",
    }
    held.settle(USED)
    assert call.reply_headers["x-litellm-response-cost"] == "0.00006"


def test_without_a_price_the_row_costs_nothing_and_says_that_nothing_is_known() -> None:
    ledger, call = FakeLedger(), make_call()
    target = make_target(price=None)
    hold(ledger, target, call).settle(USED)
    (row,) = ledger.rows
    assert (row.cost_nano, row.price_source) == (0, None)
    assert "x-litellm-response-cost" not in call.reply_headers


def test_a_name_that_would_break_a_header_is_encoded() -> None:
    assert header_value("gpt-4\r\nx-evil: 1") == "gpt-4%0D%0Ax-evil: 1"
    assert header_value("modèle") == "mod%C3%A8le"
    assert header_value("openai/gpt-4") == "openai/gpt-4"


def test_a_full_ledger_refuses_new_calls_but_books_those_begun() -> None:
    ledger = FakeLedger()
    begun = hold(ledger)
    ledger.sink.full = True
    with pytest.raises(Overloaded):
        hold(ledger)
    begun.settle(USED)
    assert len(ledger.rows) == 1


def test_a_refused_call_is_booked_once_and_a_held_one_not_again() -> None:
    ledger = FakeLedger()
    refused = make_call("req-refused")
    ledger.refuse(refused, ModelNotFound("no such model"), model="nope\0")
    held = make_call("req-held")
    hold(ledger, call=held).fail(UpstreamUnreachable("down"))
    ledger.refuse(held, UpstreamUnreachable("down"), model="gpt-4")
    assert [(row.request_id, row.outcome, row.http_status) for row in ledger.rows] == [
        ("req-refused", Outcome.REFUSED, 404),
        ("req-held", Outcome.FAILED, 500),
    ]
    assert ledger.rows[0].model_group == "nope\ufffd"
    assert ledger.rows[0].error_class == "ModelNotFound"


def test_refusals_while_the_ledger_is_full_are_not_kept_in_memory() -> None:
    ledger = FakeLedger()
    ledger.sink.full = True
    ledger.refuse(make_call(), Overloaded("full"), model="gpt-4")
    assert ledger.rows == []


def test_error_messages_are_bounded_and_those_of_faults_are_left_out() -> None:
    ledger = FakeLedger()
    hold(ledger).fail(Conflict("x" * 10_000))
    hold(ledger).fail(ValueError("a secret"))
    assert [row.error_message for row in ledger.rows] == ["x" * 500, None]
    assert ledger.rows[1].error_class == "ValueError"


@given(st.integers(min_value=0, max_value=10**15))
def test_dollars_are_exact_text_without_an_exponent(nano: int) -> None:
    text = dollars_text(nano)
    assert set(text) <= set("0123456789.")
    assert msgspec.json.decode(f'"{text}"', type=type(usd(0))) == usd(nano)


def test_a_row_has_the_providers_words_once() -> None:
    call = make_call()
    hidden, shown = ProviderError("It failed.", status=500), ProviderError("no GPU is left", status=400)
    hidden.said = shown.said = "no GPU is left"
    for error, text in ((hidden, "It failed. The provider said: no GPU is left"), (shown, "no GPU is left")):
        assert said_of(error, call) == text
    hidden.said = "x" * 5_000
    assert len(said_of(hidden, call) or "") < 600


def test_a_row_of_a_call_that_stays_local_has_no_words_that_could_repeat_the_prompt() -> None:
    error = ProviderError("bad value: 'Jane Doe has HIV'", status=400)
    error.said = "bad value: 'Jane Doe has HIV'"
    local = msgspec.structs.replace(make_call(), stays_local="team")
    assert said_of(error, local) == "ProviderError, status 400; the words are not kept (local_only)"
    keeping = msgspec.structs.replace(local.caller, keeps_local_bodies=True)
    assert said_of(error, msgspec.structs.replace(local, caller=keeping)) == error.message
    assert said_of(Conflict("ours"), local) == "ours"
