"""What is counted, and under which labels."""

import msgspec
import pytest

from runtime.telemetry import tally as module
from runtime.telemetry.local_counts import OTHER
from runtime.telemetry.tally import AttemptCounts, Requests, Tally, TallyCounts
from runtime.telemetry.timing import BUCKETS_MS, Timing
from schema.ledger.rows import Outcome
from schema.usage import Usage
from tests.runtime.attempts import make_settled, make_target

USED = Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=4, reasoning_tokens=2)


def test_an_attempt_is_counted_by_model_provider_and_outcome() -> None:
    tally = Tally(["gpt-4"])
    for _ in range(2):
        tally.attempt(make_target(), make_settled(usage=USED, cost_nano=7, duration_ms=30), 12.0)
    tally.attempt(make_target(), make_settled(outcome=Outcome.FAILED), None)
    ok, failed = tally.counted().attempts
    assert (ok.model, ok.outcome, ok.number, ok.cost_nano) == ("gpt-4", Outcome.OK, 2, 14)
    assert (ok.input_tokens, ok.output_tokens, ok.cached_tokens, ok.reasoning_tokens) == (20, 10, 8, 4)
    assert ok.timing.sum_ms == 60
    assert sum(ok.first_token.counts) == 2
    assert (failed.outcome, failed.number, sum(failed.first_token.counts)) == (Outcome.FAILED, 1, 0)


def test_names_that_callers_chose_are_no_labels() -> None:
    tally = Tally(["gpt-4", "openai/*"])
    for number in range(20_000):
        name = f"openai/{number}" if number % 2 else f"made-up-{number}"
        tally.attempt(msgspec.structs.replace(make_target(), public_name=name), make_settled(), None)
    assert {each.model for each in tally.counted().attempts} == {"openai/*", OTHER}
    assert len(tally._names) == 10_000


def test_a_histogram_counts_what_is_at_most_its_bound() -> None:
    timing = Timing()
    for ms in (0.1, 5, 5.01, 300_001):
        timing.add(ms)
    assert timing.counts[:2] == [2, 1]
    assert timing.counts[len(BUCKETS_MS)] == 1


def test_a_sum_shares_nothing_with_what_it_is_the_sum_of() -> None:
    one = TallyCounts(
        requests=[Requests(function="chat", status=200, number=1)],
        attempts=[AttemptCounts(model="m", provider="p", outcome=Outcome.OK, number=2)],
        holds_exceeded=3,
    )
    both = one.merged([one])
    assert (both.requests[0].number, both.attempts[0].number, both.holds_exceeded) == (2, 4, 6)
    both.merged([both])
    assert (one.requests[0].number, one.attempts[0].number) == (1, 2)


def test_counts_of_a_version_with_other_buckets_are_added_up() -> None:
    older = Timing(counts=[1, 2], sum_ms=3.0)
    timing = Timing()
    timing.merge(older)
    assert timing.counts[:3] == [1, 2, 0]


def test_models_that_come_and_go_are_no_series_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SERIES", 5)
    tally = Tally([])
    for number in range(50):
        name = f"made-{number}"
        tally.know([name])
        target = msgspec.structs.replace(make_target(), public_name=name)
        tally.attempt(target, make_settled(), None)
        tally.cooled(target)
    counted = tally.counted()
    assert len(counted.attempts) == len(counted.cooldowns) == 6
    assert counted.attempts[-1].model == OTHER
    assert sum(each.number for each in counted.attempts) == 50
