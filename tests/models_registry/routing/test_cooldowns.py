"""When a deployment cools down, for how long, and what ends it."""

import pytest

from models_registry.routing.cooldowns import (
    LONGEST_ASKED_S,
    LONGEST_S,
    WINDOW_S,
    CooldownRules,
    Record,
    cools,
    is_half_open,
    note_answer,
    note_failure,
)
from models_registry.routing.failures import FailureKind
from schema.errors.base import GatewayError
from schema.errors.limits import BudgetExceeded
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamTimeout, UpstreamUnreachable

RULES = CooldownRules()
BROKEN = ProviderError("no", status=500)


def failed(record: Record, error: GatewayError = BROKEN, now: float = 1.0, *, alone: bool = False) -> bool:
    return note_failure(record, error, now, RULES, alone=alone)


def cooled(now: float = 1.0) -> Record:
    record = Record()
    assert [failed(record, now=now) for _ in range(4)] == [False, False, False, True]
    return record


@pytest.mark.parametrize(
    "error", [BROKEN, UpstreamTimeout("x"), UpstreamCut("x"), UpstreamUnreachable("x")], ids=repr
)
def test_the_failure_after_the_allowed_ones_begins_a_cooldown(error: GatewayError) -> None:
    record = Record()
    assert [failed(record, error) for _ in range(4)] == [False, False, False, True]
    assert record.until == 1.0 + RULES.span_s


def test_failures_of_an_earlier_minute_do_not_count() -> None:
    record = Record()
    assert not any(failed(record, now=1.0) for _ in range(3))
    assert not any(failed(record, now=1.0 + WINDOW_S) for _ in range(3))


def test_a_deployment_of_which_most_calls_fail_cools_down() -> None:
    rules = CooldownRules(allowed_fails=1_000)
    record = Record()
    for _ in range(2):
        note_answer(record, 1.0)
    found = [note_failure(record, BROKEN, 1.0, rules, alone=False) for _ in range(3)]
    assert found == [False, False, True]  # 3 of 5


def test_a_busy_deployment_may_fail_now_and_then() -> None:
    rules = CooldownRules(allowed_fails=1_000)
    record = Record()
    for _ in range(100):
        assert not note_failure(record, BROKEN, 1.0, rules, alone=False) or record.calls < 5
        note_answer(record, 1.0)
        note_answer(record, 1.0)


@pytest.mark.parametrize("status", [429, 401, 402, 404])
def test_what_the_next_call_would_meet_too_begins_a_cooldown_at_once(status: int) -> None:
    assert failed(Record(), ProviderError("no", status=status))


@pytest.mark.parametrize("status", [400, 403, 413, 422])
def test_what_is_about_one_request_begins_none(status: int) -> None:
    record = Record()
    assert not any(failed(record, ProviderError("no", status=status)) for _ in range(50))


def test_an_error_of_this_gateway_begins_none() -> None:
    record = Record()
    assert not any(failed(record, BudgetExceeded("x")) for _ in range(50))


def test_a_deployment_without_another_one_is_judged_by_failures_in_a_row() -> None:
    record = Record()
    for _ in range(20):
        assert not any(failed(record, ProviderError("no", status=429), alone=True) for _ in range(3))
        note_answer(record, 1.0)
    assert [failed(record, alone=True) for _ in range(4)] == [False, False, False, True]


def test_a_policy_counts_before_everything_else() -> None:
    rules = CooldownRules(policy={FailureKind.RATE_LIMIT: 2, FailureKind.BAD_REQUEST: 0})
    record = Record()
    too_many = ProviderError("no", status=429)
    found = [note_failure(record, too_many, 1.0, rules, alone=False) for _ in range(3)]
    assert found == [False, False, True]
    assert note_failure(Record(), ProviderError("no", status=400), 1.0, rules, alone=False)


def test_without_cooldowns_there_is_none() -> None:
    record, rules = Record(), CooldownRules(enabled=False)
    assert not any(note_failure(record, BROKEN, 1.0, rules, alone=False) for _ in range(50))


def test_what_the_provider_asks_for_is_followed() -> None:
    record = Record()
    assert failed(record, ProviderError("no", status=429, retry_after_s=90))
    assert record.until == 91.0
    forever = Record()
    assert failed(forever, ProviderError("no", status=429, retry_after_s=10**9))
    assert forever.until == 1.0 + LONGEST_ASKED_S


def test_a_failure_within_a_cooldown_makes_it_last_longer() -> None:
    record = cooled()
    assert failed(record, now=4.0)
    assert record.until == 4.0 + RULES.span_s
    assert record.level == 1


def test_a_failed_probe_begins_a_longer_cooldown_up_to_a_limit() -> None:
    record, spans = cooled(), []
    for _ in range(12):
        now = record.until
        assert is_half_open(record, now)
        record.probe_until = now + 60
        assert cools(record, now)  # the others wait for the probe
        assert failed(record, now=now)
        spans.append(record.until - now)
    assert spans[:4] == [10, 20, 40, 80]
    assert max(spans) == LONGEST_S


def test_an_answered_probe_ends_the_cooldown() -> None:
    record = cooled()
    assert note_answer(record, record.until)
    assert not cools(record, record.until + 1)
    assert record == Record(since=record.since, calls=record.calls)


def test_an_answer_to_a_call_from_before_ends_nothing() -> None:
    record = cooled()
    assert not note_answer(record, record.until - 0.1)
    assert cools(record, record.until - 0.1)


def test_a_probe_that_the_provider_finds_wrong_was_answered() -> None:
    record = cooled()
    assert not failed(record, ProviderError("no", status=400), now=record.until)
    assert not cools(record, record.until + 1)
    assert record.level == 0
