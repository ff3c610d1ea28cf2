"""The simulated fleet: what cooldowns and strategies do. The seeds are fixed, and no real time counts."""

from tests.bench.fleet import SCENES, simulated

CALLS = 5_000


def test_a_deployment_that_is_down_loses_no_call_and_is_left_alone() -> None:
    for name in ("one is down", "one flaps: down 5 s of 20", "one fails every second call"):
        found = simulated("simple-shuffle", SCENES[name](), calls=CALLS)
        without = simulated("simple-shuffle", SCENES[name](), calls=CALLS, cooldowns=False)
        assert found.errors == 0.0
        assert found.attempts < 1.02
        assert without.attempts > found.attempts + 0.04


def test_the_latency_strategy_keeps_clear_of_a_slow_deployment() -> None:
    slow = SCENES["one five times slower"]
    by_latency = simulated("latency-based-routing", slow(), calls=CALLS)
    assert by_latency.p99_ms < 0.7 * simulated("simple-shuffle", slow(), calls=CALLS).p99_ms


def test_retries_do_not_storm_while_everything_is_down() -> None:
    found = simulated("simple-shuffle", SCENES["all are down for 20 s"](), calls=8_000)
    assert 0.1 < found.errors < 0.6
    assert found.attempts < 1.5
