"""What a worker knows of deployments, and the budget of retries."""

import pytest

from models_registry.routing import fleet as module
from models_registry.routing.fleet import DeploymentHealth, Fleet, Latency, id_of
from models_registry.routing.retry_budget import RetryBudget
from schema.errors.upstream import ProviderError
from tests.models_registry.routing.deployments import NOW, target

A, ALONE = target("a"), target("alone", peers=1)
BROKEN = ProviderError("no", status=500)


def health(fleet: Fleet, now: float = NOW) -> DeploymentHealth:
    found = fleet.find(A)
    assert found is not None
    return found.state(now)


def test_one_call_at_a_time_probes_a_deployment_whose_cooldown_is_over() -> None:
    fleet = Fleet()
    fleet.failed(A, ProviderError("no", status=429), NOW)
    assert health(fleet) is DeploymentHealth.COOLING
    later = NOW + 6
    assert not module.is_cooling(fleet.find(A), later)
    fleet.began(A, later)
    assert health(fleet, later) is DeploymentHealth.PROBING
    assert module.is_cooling(fleet.find(A), later)
    fleet.cancelled(A)  # its client left: another call may probe
    assert not module.is_cooling(fleet.find(A), later)
    fleet.began(A, later)
    assert fleet.answered(A, later, tokens=5)
    assert health(fleet, later) is DeploymentHealth.HEALTHY


def test_calls_under_way_are_counted_to_zero() -> None:
    fleet = Fleet()
    fleet.began(A, NOW)
    fleet.began(A, NOW)
    for _ in range(3):
        fleet.left(A)
    standing = fleet.find(A)
    assert standing is not None
    assert standing.in_flight == 0
    assert standing.used(NOW) == (0, 2)


def test_a_worker_is_quiet_again_when_nothing_is_wrong() -> None:
    fleet = Fleet()
    assert fleet.quiet
    fleet.failed(ALONE, BROKEN, NOW)
    fleet.settle(NOW)
    assert not fleet.quiet
    fleet.answered(ALONE, NOW, tokens=1)
    fleet.settle(NOW + 1)
    assert fleet.quiet


def test_a_row_of_failures_is_forgiven_after_a_while_without_calls() -> None:
    fleet = Fleet()
    for _ in range(3):
        fleet.failed(ALONE, BROKEN, NOW)
    fleet.settle(NOW + module.FORGIVEN_S + 60)
    assert fleet.quiet
    assert not fleet.failed(ALONE, BROKEN, NOW + module.FORGIVEN_S + 61)


def test_what_another_worker_says_counts_here() -> None:
    fleet = Fleet()
    fleet.heard(id_of(A), NOW, left_s=8.0, level=3, why="rate limit")
    assert health(fleet, NOW + 7.9) is DeploymentHealth.COOLING
    assert not fleet.quiet
    fleet.heard(id_of(A), NOW + 1, left_s=2.0, level=1, why="timeout")  # the longer one counts
    assert health(fleet, NOW + 7.9) is DeploymentHealth.COOLING
    fleet.heard(id_of(A), NOW + 2, left_s=0.0, level=0, why="")
    assert health(fleet, NOW + 2) is DeploymentHealth.HEALTHY


def test_a_slower_answer_counts_at_once_and_a_faster_one_bit_by_bit() -> None:
    latency = Latency()
    latency.add(100.0, 0.0)
    latency.add(900.0, 1.0)
    assert latency.ms == 900.0
    latency.add(100.0, 2.0)
    assert 700.0 < latency.ms < 900.0


def test_a_deployment_that_fails_at_once_is_not_the_fastest() -> None:
    fleet = Fleet()
    fleet.took(A, NOW, first_ms=50.0)
    fleet.failed(A, BROKEN, NOW)
    standing = fleet.find(A)
    assert standing is not None
    assert standing.first.now(NOW) >= module.FAILURE_MS


def test_what_is_remembered_is_bounded() -> None:
    fleet = Fleet()
    for number in range(module.MAX_KEPT + 10):
        fleet.began(target(str(number)), NOW)
        fleet.left(target(str(number)))
    assert len(list(fleet.items())) <= module.MAX_KEPT


def test_retries_are_a_share_of_the_calls_and_a_few_each_second() -> None:
    budget = RetryBudget(share=0.2, per_s=1.0, most=5.0, left=5.0)
    assert [budget.take(10.0) for _ in range(6)] == [True] * 5 + [False]
    for _ in range(5):
        budget.call(10.0)
    assert [budget.take(10.0), budget.take(10.0)] == [True, False]
    assert [budget.take(12.0), budget.take(12.0), budget.take(12.0)] == [True, True, False]
    assert not budget.full(13.0)
    assert budget.full(100.0)


def test_a_deployment_that_nobody_calls_any_more_keeps_nothing_busy_for_good() -> None:
    """It is gone from the config, or a caller made its name up under a wildcard."""
    fleet = Fleet()
    fleet.failed(A, ProviderError("no", status=404), NOW)
    fleet.settle(NOW + 30)
    assert not fleet.quiet
    fleet.settle(NOW + 5 + module.FORGOTTEN_S)
    assert fleet.quiet
    assert health(fleet, NOW + 5 + module.FORGOTTEN_S) is DeploymentHealth.HEALTHY


def test_a_failed_check_counts_while_it_keeps_calls_away_and_no_longer() -> None:
    fleet = Fleet()
    fleet.checked(id_of(A), NOW, ok=False)
    assert fleet.quiet, "checks decide about no call here"
    fleet.check_stale_s = 900.0
    fleet.checked(id_of(A), NOW, ok=False)
    fleet.settle(NOW + 800)
    assert not fleet.quiet
    fleet.settle(NOW + 1_000)
    assert fleet.quiet


def test_what_is_forgotten_first_is_what_nobody_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 20)
    fleet = Fleet()
    fleet.began(A, NOW)
    for number in range(100):  # all of them cool down
        fleet.failed(target(f"made-up-{number}"), ProviderError("no", status=404), NOW)
    assert len(list(fleet.items())) <= 20
    found = fleet.find(A)
    assert found is not None
    assert found.in_flight == 1


def test_a_deployment_with_a_cooldown_of_its_own_is_left_alone_for_as_long() -> None:
    fleet, patient = Fleet(), target("a", cooldown_s=120.0)
    limited = ProviderError("no", status=429)
    fleet.failed(patient, limited, NOW)
    assert module.is_cooling(fleet.find(patient), NOW + 119)
    assert not module.is_cooling(fleet.find(patient), NOW + 121)
    fleet.failed(patient, limited, NOW + 121)
    assert module.is_cooling(fleet.find(patient), NOW + 121 + 239), "the second one is twice as long"
    fleet.failed(target("b"), limited, NOW)
    assert not module.is_cooling(fleet.find(target("b")), NOW + 6), "the router's"
