"""Which deployments a call may go to, and which comes first."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.dialects import Dialect
from models_registry.drops import Reason
from models_registry.prices.price import Price
from models_registry.routing.choice import (
    LOADED_S,
    Affinity,
    CallTraits,
    Shape,
    Strategy,
    View,
    choose,
    in_region,
    order_of,
    sift,
)
from models_registry.routing.fleet import Fleet
from models_registry.target import Capacity, Target
from schema.errors.upstream import ProviderError
from tests.models_registry.routing.deployments import NOW, target, tokens, view

ROLLS = [number / 1_000 for number in range(1_000)]


def shares(targets: list[Target], seen: View) -> Counter[str]:
    places = range(len(targets))
    return Counter(targets[choose(targets, list(places), seen, roll)].model_id for roll in ROLLS)


def reasons(targets: list[Target], seen: View) -> dict[str, Reason]:
    return {targets[place].model_id: drop.reason for place, drop in sift("m", targets, seen).drops.items()}


def fleet_of(*busy: tuple[Target, int]) -> Fleet:
    """Deployments with so many calls under way."""
    fleet = Fleet()
    for each, calls in busy:
        for _ in range(calls):
            fleet.began(each, NOW)
    return fleet


def test_the_shuffle_shares_by_weight() -> None:
    assert shares([target("a", weight=3.0), target("b")], view()) == {"a": 750, "b": 250}


@pytest.mark.parametrize("strategy", Strategy)
def test_a_deployment_without_weight_is_never_first(strategy: Strategy) -> None:
    assert shares([target("a", weight=0.0), target("b")], view(strategy=strategy)) == {"b": 1_000}


@pytest.mark.parametrize("strategy", Strategy)
def test_the_lowest_order_comes_first(strategy: Strategy) -> None:
    targets = [target("a"), target("b", order=2), target("c", order=1)]
    seen = view(strategy=strategy)
    assert shares(targets, seen) == {"c": 1_000}
    assert order_of(targets, range(3), seen, 0.3) == [2, 1, 0]


def test_the_least_busy_has_the_fewest_calls_under_way() -> None:
    a, b, c = target("a"), target("b"), target("c")
    seen = view(fleet_of((a, 2), (b, 1), (c, 3)), strategy=Strategy.LEAST_BUSY)
    assert shares([a, b, c], seen) == {"b": 1_000}


def test_usage_is_the_share_of_tpm() -> None:
    a, b = target("a", tpm=1_000), target("b", tpm=100_000)
    fleet = Fleet()
    fleet.answered(a, NOW, tokens=500)
    fleet.answered(b, NOW, tokens=5_000)
    assert shares([a, b], view(fleet, strategy=Strategy.USAGE_2)) == {"b": 1_000}
    assert set(shares([a, b], view(fleet, strategy=Strategy.USAGE, now=NOW + 120))) == {"a", "b"}


def test_the_cheapest_is_chosen_and_what_has_no_price_is_dear() -> None:
    cheap, dear = Price(input=1, output=2, source="config"), Price(input=10, output=20, source="config")
    targets = [target("a", price=dear), target("b", price=cheap), target("c")]
    assert shares(targets, view(strategy=Strategy.COST)) == {"b": 1_000}
    assert order_of(targets, range(3), view(strategy=Strategy.COST), 0.5) == [1, 0, 2]


@pytest.mark.parametrize("streamed", [True, False])
def test_the_slow_one_gets_few_calls_by_latency(streamed: bool) -> None:
    a, b, c = target("a"), target("b"), target("c")
    fleet = Fleet()
    for each, ms in ((a, 900.0), (b, 100.0), (c, 110.0)):
        fleet.took(each, NOW, first_ms=ms if streamed else 5.0, token_ms=5.0 if streamed else ms)
    seen = view(fleet, strategy=Strategy.LATENCY, traits=CallTraits(shape=Shape(streamed=streamed)))
    found = shares([a, b, c], seen)
    assert found["a"] == 0
    assert min(found["b"], found["c"]) > 200


def test_calls_under_way_count_by_latency() -> None:
    a, b = target("a"), target("b")
    fleet = fleet_of((a, 9))
    fleet.took(a, NOW, token_ms=20.0)
    fleet.took(b, NOW, token_ms=100.0)
    assert shares([a, b], view(fleet, strategy=Strategy.LATENCY)) == {"b": 1_000}


def test_a_slow_one_is_asked_again_after_a_while() -> None:
    a, b = target("a"), target("b")
    fleet = Fleet()
    fleet.took(a, NOW, token_ms=5_000.0)
    fleet.took(b, NOW, token_ms=50.0)
    fleet.took(b, NOW + 60, token_ms=50.0)
    assert shares([a, b], view(fleet, strategy=Strategy.LATENCY, now=NOW + 60)) == {"a": 1_000}


def test_a_session_stays_where_it_is_while_others_spread() -> None:
    targets = [target(name, peers=5) for name in "abcde"]
    homes: Counter[str] = Counter()
    for number in range(200):
        seen = view(traits=CallTraits(session=f"s{number}"), affinities=(Affinity.SESSION,))
        found = {choose(targets, range(5), seen, roll) for roll in ROLLS[::100]}
        assert len(found) == 1
        homes[targets[found.pop()].model_id] += 1
    assert min(homes.values()) > 15


def test_only_the_sessions_of_a_deployment_that_is_gone_move() -> None:
    targets = [target(name, peers=5) for name in "abcde"]
    for number in range(100):
        seen = view(traits=CallTraits(session=f"s{number}"), affinities=(Affinity.SESSION,))
        before = choose(targets, range(5), seen, 0.0)
        after = choose(targets, range(4), seen, 0.0)
        assert before in (after, 4)


def test_affinity_follows_weights() -> None:
    targets = [target("a", weight=4.0), target("b")]
    found = Counter(
        choose(targets, (0, 1), view(traits=CallTraits(key=str(n)), affinities=(Affinity.KEY,)), 0.0)
        for n in range(1_000)
    )
    assert 700 < found[0] < 900


def test_without_the_setting_a_session_is_shared() -> None:
    assert len(shares([target("a"), target("b")], view(traits=CallTraits(session="s")))) == 2


def test_a_call_that_follows_a_response_goes_where_that_came_from() -> None:
    targets = [target("a", order=1), target("b", order=7), target("c", order=1)]
    seen = view(traits=CallTraits(shape=Shape(stays="b")))
    assert shares(targets, seen) == {"b": 1_000}
    gone = view(traits=CallTraits(shape=Shape(stays="z")))
    assert set(shares(targets, gone)) == {"a", "c"}


def test_one_tag_is_enough_or_all_are_needed() -> None:
    targets = [
        target("a", tags=frozenset({"paid", "eu"})),
        target("b", tags=frozenset({"free"})),
        target("c"),
    ]
    asked = CallTraits(tags=("paid", "gpu"))
    assert reasons(targets, view(traits=asked, checks_tags=True)) == dict.fromkeys("bc", Reason.OTHER_TAGS)
    strict = view(traits=asked, checks_tags=True, any_tag=False)
    assert reasons(targets, strict) == dict.fromkeys("abc", Reason.OTHER_TAGS)
    assert reasons(targets, view(traits=asked)) == {}


def test_the_tag_default_is_for_requests_that_nobody_is_for() -> None:
    targets = [target("a", tags=frozenset({"paid"})), target("b", tags=frozenset({"default"})), target("c")]
    for tags in ((), ("unknown",)):
        seen = view(traits=CallTraits(tags=tags), checks_tags=True)
        assert reasons(targets, seen) == dict.fromkeys("ac", Reason.OTHER_TAGS)
    assert reasons(targets[::2], view(checks_tags=True)) == {}


def test_a_deployment_of_an_unknown_region_is_in_none() -> None:
    targets = [target("a", region="eu-west-1"), target("b", region="us-east-1"), target("c")]
    seen = view(traits=CallTraits(region="eu"))
    assert reasons(targets, seen) == dict.fromkeys("bc", Reason.OTHER_REGION)


@pytest.mark.parametrize(
    ("region", "wanted", "found"),
    [
        ("eu-west-1", "eu", True),
        ("EU", "eu", True),
        ("europe-west4", "eu", True),
        ("swedencentral", "eu", True),
        ("eastus2", "us", True),
        ("us-east-1", "eu", False),
        ("eugene", "eu", False),
        ("", "eu", False),
    ],
)
def test_regions(region: str, wanted: str, found: bool) -> None:
    assert in_region(region, wanted) is found


def test_a_request_that_is_too_long_is_kept_from_a_model() -> None:
    targets = [target("a", context_window=1_000), target("b", context_window=100_000), target("c")]
    seen = view(traits=tokens(2_000), checks_context=True)
    assert reasons(targets, seen) == {"a": Reason.CONTEXT_TOO_SMALL}
    close = view(traits=tokens(1_100), checks_context=True)
    assert reasons(targets, close) == {}
    assert reasons(targets, view(traits=tokens(10**9))) == {}


def test_what_cools_down_is_a_last_resort() -> None:
    a, b = target("a"), target("b")
    fleet = Fleet()
    assert fleet.failed(a, ProviderError("no", status=429), NOW)
    found = sift("m", [a, b], view(fleet))
    assert (list(found.fit), list(found.last)) == ([1], [0])
    assert found.drops[0].reason is Reason.COOLING
    assert found.drops[0].detail == "rate limit, 5.0 s more"


def test_a_failed_health_check_counts_while_it_is_fresh() -> None:
    a, b = target("a"), target("b")
    fleet = Fleet()
    fleet.checked(("a", "a"), NOW, ok=False, error="HTTP 500")
    assert reasons([a, b], view(fleet, check_stale_s=60.0)) == {"a": Reason.UNHEALTHY}
    assert reasons([a, b], view(fleet, check_stale_s=60.0, now=NOW + 61)) == {}
    assert reasons([a, b], view(fleet)) == {}


@given(
    st.lists(st.tuples(st.floats(0, 9), st.integers(1, 3)), min_size=1, max_size=8),
    st.sampled_from(Strategy),
    st.floats(0, 0.999999),
)
def test_every_strategy_orders_all_deployments_once(
    given_facts: list[tuple[float, int]], strategy: Strategy, roll: float
) -> None:
    targets = [target(str(n), weight=weight, order=order) for n, (weight, order) in enumerate(given_facts)]
    found = order_of(targets, range(len(targets)), view(strategy=strategy), roll)
    assert sorted(found) == list(range(len(targets)))
    orders = [targets[place].order for place in found]
    assert orders == sorted(orders)


def ollama(name: str, **facts: Any) -> Target:
    return target(name, dialect=Dialect.OLLAMA, **facts)


@pytest.mark.parametrize("strategy", Strategy)
def test_a_local_host_that_has_the_model_loaded_comes_first(strategy: Strategy) -> None:
    hosts = [ollama("a"), ollama("b"), ollama("c")]
    fleet = Fleet()
    fleet.loaded(hosts[1], NOW)
    assert shares(hosts, view(fleet, strategy=strategy)) == {"b": 1_000}
    assert len(shares(hosts, view(fleet, now=NOW + LOADED_S))) == 3


def test_a_busy_host_is_not_preferred_for_what_it_has_loaded() -> None:
    hosts = [ollama("a", capacity=Capacity(parallel=2)), ollama("b", capacity=Capacity(parallel=2))]
    fleet = fleet_of((hosts[0], 2))
    fleet.loaded(hosts[0], NOW)
    assert len(shares(hosts, view(fleet))) == 2
    assert shares(hosts, view(fleet, strategy=Strategy.LEAST_BUSY)) == {"b": 1_000}
