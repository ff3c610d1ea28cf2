"""The way of a call among deployments that cool down, are at a limit, or are for other requests."""

from typing import Any

import pytest

from models_registry.drops import Reason
from models_registry.routing.choice import NO_TRAITS, CallTraits, Shape, View
from models_registry.routing.fleet import Fleet, id_of
from models_registry.routing.retry_budget import RetryBudget
from models_registry.routing.route import Route
from models_registry.shown_models import ShownModels
from runtime.blueprint import check
from schema.errors.base import GatewayError
from schema.errors.callers import ModelNotAllowed
from schema.errors.limits import BudgetExceeded, DeploymentAtLimit
from schema.errors.models import NoDeploymentFits
from schema.errors.requests import ContextLengthExceeded
from schema.errors.upstream import ProviderError
from schema.models import AllowedModels
from schema.route_options import AS_CONFIGURED, RouteOptions
from tests.models_registry.routing.test_route import config, walked

NOW = 1_000.0
BROKEN = ProviderError("no", status=500)
FULL = DeploymentAtLimit("full", retry_after_s=30.0)
NO_SLOT = DeploymentAtLimit("full", waits=True)


class Scene:
    """A config, its fleet, and the ways of calls through them."""

    def __init__(self, given: dict[str, Any], budget: RetryBudget | None = None) -> None:
        checked = check(given, {})
        assert checked.errors == ()
        self.registry, self.routing = checked.registry, checked.routing
        self.fleet = Fleet(checked.routing.cooldowns, budget)

    def cool(self, *ids: str) -> None:
        for group in self.registry.groups.values():
            for target in group:
                if target.model_id in ids:
                    self.fleet.heard(id_of(target), NOW, left_s=60.0, level=1, why="timeout")

    def route(
        self,
        model: str = "m",
        options: RouteOptions = AS_CONFIGURED,
        traits: CallTraits = NO_TRAITS,
        allowed: tuple[AllowedModels, ...] = (),
    ) -> Route:
        def see() -> View:
            return View(self.routing.choice, traits, self.fleet, NOW)

        plain = self.fleet.quiet and self.routing.choice.simple and options is AS_CONFIGURED
        return Route(
            self.registry,
            self.routing,
            model,
            allowed=allowed,
            options=options,
            roll=0.0,
            see=see,
            plain=plain,
        )


def reasons(route: Route) -> list[tuple[str | None, Reason]]:
    return [(drop.model_id, drop.reason) for drop in route.drops]


def test_a_call_goes_around_what_cools_down() -> None:
    scene = Scene(config("m", "m", "m"))
    scene.cool("m/a", "m/b")
    route = scene.route()
    assert route.target.model_id == "m/c"
    assert reasons(route) == [("m/a", Reason.COOLING), ("m/b", Reason.COOLING)]
    assert route.drops[0].detail == "timeout, 60.0 s more"


def test_a_model_that_cools_down_whole_falls_back_at_once() -> None:
    scene = Scene(config("m", "m", "n", fallbacks=[{"m": ["n"]}]))
    scene.cool("m/a", "m/b")
    route = scene.route()
    assert (route.target.model_id, route.fallbacks) == ("n/a", 1)
    assert walked(scene.route(), BROKEN)[:3] == ["n/a"] * 3


def test_a_fallback_that_cools_down_is_passed_over_with_its_own_fallbacks_tried() -> None:
    scene = Scene(config("m", "n", "o", fallbacks=[{"m": ["n"]}, {"n": ["o"]}]))
    scene.cool("m/a", "n/a")
    assert scene.route().target.model_id == "o/a"


def test_where_everything_cools_down_the_model_asked_for_is_asked_all_the_same() -> None:
    scene = Scene(config("m", "m", "n", fallbacks=[{"m": ["n"]}]))
    scene.cool("m/a", "m/b", "n/a")
    route = scene.route()
    assert route.target.public_name == "m"
    assert route.fallbacks == 0


def test_a_model_without_fallback_is_asked_although_it_cools_down() -> None:
    scene = Scene(config("m"))
    scene.cool("m/a")
    assert walked(scene.route(), BROKEN) == ["m/a"] * 3
    no_fallback = RouteOptions(falls_back=False)
    with_one = Scene(config("m", "n", fallbacks=[{"m": ["n"]}]))
    with_one.cool("m/a")
    assert with_one.route(options=no_fallback).target.model_id == "m/a"


def test_a_call_is_made_once_where_all_of_several_deployments_cool_down() -> None:
    scene = Scene(config("m", "m"))
    scene.cool("m/a", "m/b")
    assert len(walked(scene.route(), BROKEN)) == 1


def test_a_retry_goes_around_what_began_to_cool_down_meanwhile() -> None:
    scene = Scene(config("m", "m", "m"))
    route = scene.route()
    assert route.target.model_id == "m/a"
    scene.cool("m/a", "m/b")
    assert route.advance(BROKEN)
    assert route.target.model_id == "m/c"
    assert route.advance(BROKEN)
    assert route.target.model_id == "m/c"  # the only one that does not cool down, after a wait
    assert route.wait_s > 0


def test_a_deployment_at_its_limit_is_no_retry() -> None:
    scene = Scene(config("m", "m", "m", num_retries=0))
    route = scene.route()
    assert [route.advance(FULL), route.advance(FULL), route.advance(FULL)] == [True, True, False]
    assert route.retries == 0
    assert [reason for _, reason in reasons(route)] == [Reason.AT_LIMIT] * 3


def test_a_model_at_its_limits_falls_back() -> None:
    scene = Scene(config("m", "n", num_retries=0, fallbacks=[{"m": ["n"]}]))
    assert walked(scene.route(), FULL, BROKEN) == ["m/a", "n/a"]


def test_a_call_waits_for_a_slot_within_bounds() -> None:
    scene = Scene(config("m", num_retries=0))
    route, waited_s, number = scene.route(), 0.0, 0
    while route.advance(NO_SLOT):
        waited_s += route.wait_s
        number += 1
    assert 5 < waited_s < 20
    assert number < 60


def test_retries_at_what_failed_already_need_a_budget_and_others_do_not() -> None:
    empty = RetryBudget(share=0.0, per_s=0.0, most=1.0, left=0.0)
    scene = Scene(config("m", "m", num_retries=5), empty)
    route = scene.route()
    assert walked(route, BROKEN) == ["m/a", "m/b"]
    assert {reason for _, reason in reasons(route)} == {Reason.NO_RETRY_BUDGET}


def long(number: int) -> CallTraits:
    return CallTraits(shape=Shape(input_tokens=lambda: number))


def sized(**router: Any) -> dict[str, Any]:
    given = config("m", "n", enable_pre_call_checks=True, **router)
    given["model_list"][0]["litellm_params"]["model"] = "openai/gpt-4"
    given["model_list"][1]["litellm_params"]["model"] = "openai/gpt-4.1"
    return given


def test_a_request_that_is_too_long_goes_to_the_fallback_for_it() -> None:
    scene = Scene(sized(context_window_fallbacks=[{"m": ["n"]}]))
    assert scene.route(traits=long(100)).target.model_id == "m/a"
    assert scene.route(traits=long(50_000)).target.model_id == "n/a"


def test_a_request_that_is_too_long_for_all_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ContextLengthExceeded, match="about 50000 tokens"):
        Scene(sized()).route(traits=long(50_000))


def tagged() -> dict[str, Any]:
    given = config("m", "m", enable_tag_filtering=True)
    for entry, tag in zip(given["model_list"], ("paid", "free"), strict=True):
        entry["litellm_params"]["tags"] = [tag]
    return given


def test_tags_decide_where_a_call_goes() -> None:
    scene = Scene(tagged())
    assert walked(scene.route(traits=CallTraits(tags=("free",))), BROKEN) == ["m/b"] * 3
    with pytest.raises(NoDeploymentFits, match="tags of this request: gpu"):
        scene.route(traits=CallTraits(tags=("gpu",)))


def test_a_region_decides_where_a_call_goes() -> None:
    given = config("m", "m")
    given["model_list"][1]["litellm_params"]["region_name"] = "eu-west-1"
    scene = Scene(given)
    eu = RouteOptions(region="eu")
    assert scene.route(options=eu, traits=CallTraits(region="eu")).target.model_id == "m/b"
    with pytest.raises(NoDeploymentFits, match="region `us`"):
        scene.route(options=eu, traits=CallTraits(region="us"))


def test_an_alias_has_the_deployments_and_fallbacks_of_its_model() -> None:
    scene = Scene(config("m", "n", num_retries=0, fallbacks=[{"m": ["n"]}], model_group_alias={"gpt": "m"}))
    assert walked(scene.route("gpt"), BROKEN) == ["m/a", "n/a"]


@pytest.mark.parametrize(("names", "found"), [(("gpt",), True), (("m",), True), (("n",), False)])
def test_a_key_may_use_an_alias_by_either_name(names: tuple[str, ...], found: bool) -> None:
    scene = Scene(config("m", "n", model_group_alias={"gpt": {"model": "m", "hidden": True}}))
    allowed = (AllowedModels(names=names, level="key"),)
    if found:
        assert scene.route("gpt", allowed=allowed).target.model_id == "m/a"
    else:
        with pytest.raises(ModelNotAllowed):
            scene.route("gpt", allowed=allowed)


def test_a_hidden_alias_is_not_listed() -> None:
    aliases = {"shown": "m", "secret": {"model": "m", "hidden": True}}
    scene = Scene(config("m", model_group_alias=aliases))
    assert [card.id for card in ShownModels(scene.registry).cards(allowed=())] == ["m", "shown"]


@pytest.mark.parametrize("status", [500, 429])
def test_deployments_that_fail_cool_down_and_calls_go_on(status: int) -> None:
    """The fleet and the route together: one deployment of two fails all the time."""
    scene = Scene(config("m", "m"))
    bad = scene.registry.targets("m", allowed=())[0]
    error: GatewayError = ProviderError("no", status=status)
    attempts_at_bad = 0
    for _ in range(50):
        route = scene.route()
        if route.target == bad:
            attempts_at_bad += 1
            scene.fleet.failed(bad, error, NOW)
            assert route.advance(error)
        assert route.target != bad
        scene.fleet.answered(route.target, NOW, tokens=1)
    assert attempts_at_bad == (1 if status == 429 else 4)


def short() -> DeploymentAtLimit:
    """The refusal of a deployment whose budget has room for a shorter answer."""
    error = DeploymentAtLimit("short")
    error.takes_less = True
    return error


def test_a_deployment_with_room_for_a_shorter_answer_is_asked_again_where_nothing_else_is_left() -> None:
    scene = Scene(config("m", "m", "n", fallbacks=[{"m": ["n"]}]))
    assert walked(scene.route(), short(), FULL, FULL, FULL) == ["m/a", "m/b", "n/a", "m/a"]
    assert walked(scene.route(), short(), short(), FULL, FULL, FULL) == ["m/a", "m/b", "n/a", "m/b", "m/a"]
    alone = RouteOptions(fallbacks=())
    assert walked(scene.route(options=alone), short(), FULL, FULL) == ["m/a", "m/b", "m/a"]


def test_a_refusal_of_the_caller_is_told_before_a_limit_that_was_waited_for() -> None:
    """A call waits for a slot, and its budget is used up meanwhile. An upstream's failure is told all the
    same: it was sent."""
    spent = BudgetExceeded("spent")
    scene = Scene(config("m", "m"))
    route = scene.route()
    assert route.advance(NO_SLOT)
    assert not route.advance(spent)
    assert route.tells_last
    assert route.told is not None
    assert route.told.error().http_status == spent.http_status
    route = scene.route()
    assert route.advance(BROKEN)
    assert not route.advance(spent)
    assert not route.tells_last
