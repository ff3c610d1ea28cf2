"""A plan says where a call would go, and the call goes there."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.drops import Drop, Reason
from models_registry.routing.choice import NO_TRAITS, CallTraits, View
from models_registry.routing.fleet import id_of
from models_registry.routing.plan import RoutePlan, plan_route
from models_registry.routing.record import MOST_LISTED, passed_over, recorded
from schema.errors.callers import ModelNotAllowed
from schema.errors.models import ModelNotFound
from schema.errors.upstream import ProviderError
from schema.models import AllowedModels
from schema.route_options import AS_CONFIGURED, RouteOptions
from tests.models_registry.routing.deployments import target
from tests.models_registry.routing.test_route import config
from tests.models_registry.routing.test_route_standing import NOW, Scene, tagged


def plan(
    scene: Scene,
    model: str = "m",
    traits: CallTraits = NO_TRAITS,
    options: RouteOptions = AS_CONFIGURED,
    allowed: tuple[AllowedModels, ...] = (),
) -> RoutePlan:
    return plan_route(
        scene.registry,
        scene.routing,
        model,
        allowed=allowed,
        options=options,
        view=View(scene.routing.choice, traits, scene.fleet, NOW),
        roll=0.3,
    )


def ids(found: RoutePlan) -> list[str]:
    return [each.target.model_id for each in found.candidates]


def test_a_plan_has_all_deployments_and_then_the_fallbacks() -> None:
    scene = Scene(config("m", "m", "n", "o", fallbacks=[{"m": ["n"]}, {"n": ["o"]}]))
    found = plan(scene)
    assert sorted(ids(found)[:2]) == ["m/a", "m/b"]
    assert ids(found)[2:] == ["n/a", "o/a"]
    assert [each.fallbacks for each in found.candidates] == [0, 0, 1, 2]
    assert (list(found.drops), found.refusal) == ([], None)


def test_a_plan_says_what_is_passed_over() -> None:
    scene = Scene(config("m", "m", "n", fallbacks=[{"m": ["nobody", "n"]}]))
    scene.cool("m/a")
    found = plan(scene)
    assert ids(found) == ["m/b", "n/a"]
    assert [str(drop) for drop in found.drops] == ["m/a: cooling", "nobody: unknown"]


def test_a_plan_of_a_refused_call_has_the_error() -> None:
    scene = Scene(config("m"))
    assert isinstance(plan(scene, "nobody").refusal, ModelNotFound)
    allowed = (AllowedModels(level="key", names=("n",)),)
    assert isinstance(plan(scene, allowed=allowed).refusal, ModelNotAllowed)
    refused = plan(Scene(tagged()), traits=CallTraits(tags=("gpu",))).refusal
    assert refused is not None
    assert refused.reason == "no_deployment_fits"


def test_a_plan_changes_nothing() -> None:
    scene = Scene(config("m", "m"))
    scene.fleet.failed(scene.registry.targets("m", allowed=())[0], ProviderError("no", status=500), NOW)
    before = scene.fleet.budget.left
    standings = [(key, repr(standing)) for key, standing in scene.fleet.items()]
    for _ in range(200):
        plan(scene)
    assert scene.fleet.budget.left == before
    assert [(key, repr(standing)) for key, standing in scene.fleet.items()] == standings


STRATEGIES = ["simple-shuffle", "least-busy", "latency-based-routing", "cost-based-routing"]


@given(
    st.integers(1, 5),
    st.sets(st.integers(0, 4)),
    st.sampled_from(STRATEGIES),
    st.booleans(),
    st.booleans(),
)
def test_the_first_candidate_is_where_the_call_goes(
    deployments: int, cooling: set[int], strategy: str, falls_back: bool, fallback_cools: bool
) -> None:
    router: dict[str, Any] = {"routing_strategy": strategy}
    if falls_back:
        router["fallbacks"] = [{"m": ["n"]}]
    scene = Scene(config(*["m"] * deployments, "n", **router))
    targets = scene.registry.targets("m", allowed=())
    for place in cooling & set(range(deployments)):
        scene.fleet.heard(id_of(targets[place]), NOW, left_s=60.0, level=1, why="timeout")
    if fallback_cools:
        scene.cool("n/a")
    planned = plan_route(
        scene.registry,
        scene.routing,
        "m",
        allowed=(),
        options=AS_CONFIGURED,
        view=View(scene.routing.choice, NO_TRAITS, scene.fleet, NOW),
        roll=0.0,
    )
    assert planned.candidates[0].target == scene.route().target
    assert len(set(ids(planned))) == len(planned.candidates)


def test_a_record_is_bounded_and_keeps_what_is_nobodys_business() -> None:
    drops = [
        Drop(model="m", model_id=str(number), reason=Reason.OTHER_TAGS, detail="tags of others")
        for number in range(MOST_LISTED + 5)
    ]
    record = recorded("least-busy", target("a"), retries=1, fallbacks=0, drops=drops)
    assert (len(record.passed_over), record.more) == (MOST_LISTED, 5)
    assert {each.detail for each in record.passed_over} == {""}
    cooling = Drop(model="m", model_id="a", reason=Reason.COOLING, detail="timeout, 3.0 s more")
    assert passed_over(cooling).detail == "timeout, 3.0 s more"
    assert passed_over(drops[0], whole=True).detail == "tags of others"


@pytest.mark.parametrize("number", [1, 3])
def test_a_call_without_anything_to_decide_has_no_record(number: int) -> None:
    scene = Scene(config(*["m"] * number))
    assert scene.route().notable is (number > 1)
