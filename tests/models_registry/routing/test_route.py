"""Which deployment is attempted after which error."""

import gc
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.drops import Reason
from models_registry.routing.failures import POLICIES, FailureKind
from models_registry.routing.retries import LONGEST_WAIT_S
from models_registry.routing.route import MOST_ATTEMPTS, MOST_WAITING_S, Route
from models_registry.routing.settings import MAX_FALLBACKS, Routing
from runtime.blueprint import check
from schema.errors.base import GatewayError, Told
from schema.errors.callers import ModelNotAllowed
from schema.errors.forms import envelope
from schema.errors.limits import BudgetExceeded, RateLimited
from schema.errors.models import ModelNotFound
from schema.errors.overload import Overloaded
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.upstream import (
    ProviderError,
    UpstreamCut,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from schema.models import AllowedModels
from schema.route_options import AS_CONFIGURED, RouteOptions


def config(*names: str, **router: Any) -> dict[str, Any]:
    """A deployment for each name; those of one name are called `a`, `b`, `c` upstream."""
    seen: Counter[str] = Counter()
    entries = []
    for name in names:
        model = "abcdefgh"[seen[name]]
        seen[name] += 1
        params = {"model": f"openai/{model}", "api_base": "http://provider.test/v1", "api_key": "sk-x"}
        entries.append(
            {"model_name": name, "litellm_params": params, "model_info": {"id": f"{name}/{model}"}}
        )
    return {"model_list": entries, "router_settings": router}


def route(
    given: dict[str, Any],
    model: str = "m",
    options: RouteOptions = AS_CONFIGURED,
    *,
    allowed: tuple[AllowedModels, ...] = (),
    roll: float = 0.0,
) -> Route:
    checked = check(given, {})
    assert checked.errors == ()
    return Route(checked.registry, checked.routing, model, allowed=allowed, options=options, roll=roll)


def provider(status: int, *, code: str | None = None, retry_after_s: float | None = None) -> ProviderError:
    return ProviderError("no", status=status, code=code, retry_after_s=retry_after_s)


def walked(way: Route, *errors: GatewayError) -> list[str]:
    """The ids of the deployments attempted, each of which failed with the error of its place; the last
    error again and again."""
    attempted = [way.target.model_id]
    for number in range(500):
        if not failed(way, errors[min(number, len(errors) - 1)]):
            return attempted
        attempted.append(way.target.model_id)
    raise AssertionError("the way has no end")


def failed(way: Route, error: GatewayError) -> bool:
    """The attempt at hand ended so: is there another?"""
    return way.advance(error)


def tells(way: Route, error: GatewayError) -> bool:
    return way.told == Told.of(error)


@pytest.mark.parametrize(
    "error",
    [
        UpstreamUnreachable("x"),
        UpstreamTimeout("x"),
        UpstreamCut("x"),
        *map(provider, (408, 409, 429, 500, 502, 503, 504)),
    ],
    ids=lambda error: f"{type(error).__name__}-{error.http_status}",
)
def test_what_may_go_better_is_tried_twice_more(error: GatewayError) -> None:
    assert walked(route(config("m")), error) == ["m/a"] * 3


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
def test_what_a_provider_refuses_it_will_refuse_again(status: int) -> None:
    assert walked(route(config("m")), provider(status)) == ["m/a"]


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("x"),
        BudgetExceeded("x"),
        RateLimited("x"),
        Overloaded("x"),
        ModelNotFound("x"),
        GatewayError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_the_callers_or_our_own_ends_the_call(error: GatewayError) -> None:
    given = config("m", "m", "n", fallbacks=[{"m": ["n"]}])
    assert walked(route(given), error) == ["m/a"]


def test_a_retry_goes_at_once_to_a_deployment_that_was_not_tried() -> None:
    way = route(config("m", "m", "m", num_retries=4))
    waits, tried = [], [way.target.model_id]
    while failed(way, provider(500)):
        waits.append(way.wait_s)
        tried.append(way.target.model_id)
    assert set(tried[:3]) == {"m/a", "m/b", "m/c"}
    assert waits[:2] == [0.0, 0.0]
    assert len(tried) == 5
    assert all(wait_s > 0 for wait_s in waits[2:])


@pytest.mark.parametrize(
    "error",
    [*map(provider, (401, 402, 403, 404)), UpstreamMalformed("x"), UnsupportedParameter("x")],
    ids=lambda error: f"{type(error).__name__}-{error.http_status}",
)
def test_what_this_deployment_will_say_again_is_asked_of_others_alone(error: GatewayError) -> None:
    way = route(config("m", "m", num_retries=9))
    first = way.target.model_id
    assert failed(way, error)
    assert way.target.model_id != first
    assert way.wait_s == 0
    others = [way.target.model_id]
    while failed(way, provider(500)):
        others.append(way.target.model_id)
    assert set(others) == {way.target.model_id}, "the first one is not asked again"
    assert len(others) == 9


def test_a_wait_is_the_deployments_own() -> None:
    way = route(config("m", "m", num_retries=2))
    first = way.target.model_id
    assert failed(way, provider(429, retry_after_s=30))
    assert failed(way, provider(500))
    assert way.target.model_id != first, "it may be asked much sooner"
    assert way.wait_s < 2


def test_a_deployment_that_said_to_stay_away_is_not_asked_after_another_failed() -> None:
    way = route(config("m", "m", num_retries=5))
    first = way.target.model_id
    assert failed(way, provider(429, retry_after_s=3600))
    while failed(way, provider(500)):
        assert way.target.model_id != first


def test_deployments_that_differ_in_their_keys_alone_are_two() -> None:
    given = config("m", "m", num_retries=1)
    for place, entry in enumerate(given["model_list"]):
        del entry["model_info"]
        entry["litellm_params"] |= {"model": "openai/same", "api_key": f"sk-{place}"}
    way = route(given)
    first = way.target
    assert failed(way, provider(401))
    assert first.api_key != way.target.api_key
    assert first.model_id != way.target.model_id


def test_a_drained_deployment_is_tried_last() -> None:
    given = config("m", "m", "m", num_retries=2)
    given["model_list"][0]["litellm_params"]["weight"] = 0
    assert walked(route(given), provider(500))[-1] == "m/a"


def test_all_waits_of_a_call_together_are_bounded() -> None:
    way = route(config("m", "n", num_retries=20, fallbacks=[{"m": ["n"]}]))
    waited_s = 0.0
    while failed(way, provider(429, retry_after_s=50)):
        waited_s += way.wait_s
    assert 50 <= waited_s <= MOST_WAITING_S


def test_a_parameter_one_deployment_cannot_honour_may_suitanother() -> None:
    assert sorted(walked(route(config("m", "m")), UnsupportedParameter("x"))) == ["m/a", "m/b"]


def test_waits_grow_up_to_a_limit_and_are_spread() -> None:
    def waits(roll: float) -> list[float]:
        way = route(config("m", num_retries=8), roll=roll)
        found = []
        while failed(way, provider(500)):
            found.append(way.wait_s)
        return found

    first, second = waits(0.1), waits(0.9)
    for place, bound in enumerate([0.5, 1, 2, 4, 8, 8, 8, 8]):
        assert bound <= first[place] <= bound * 1.25
    assert first != second


@pytest.mark.parametrize(("asked_s", "least"), [(0.2, 0.2), (7.0, 7.0), (LONGEST_WAIT_S, LONGEST_WAIT_S)])
def test_a_provider_says_how_long_to_wait(asked_s: float, least: float) -> None:
    way = route(config("m"))
    assert failed(way, provider(429, retry_after_s=asked_s))
    assert least <= way.wait_s <= least * 1.25


def test_a_provider_that_says_to_stay_away_for_long_is_left_alone() -> None:
    assert walked(route(config("m")), provider(429, retry_after_s=61)) == ["m/a"]
    given = config("m", "n", fallbacks=[{"m": ["n"]}])
    assert walked(route(given), provider(429, retry_after_s=61))[:2] == ["m/a", "n/a"]


def test_the_config_says_how_long_a_wait_is_at_least() -> None:
    way = route(config("m", retry_after=3))
    assert failed(way, provider(500))
    assert 3 <= way.wait_s <= 3.75


@pytest.mark.parametrize(
    ("options", "deployment", "router", "retries"),
    [
        (AS_CONFIGURED, None, {}, 2),
        (AS_CONFIGURED, None, {"num_retries": 0}, 0),
        (AS_CONFIGURED, None, {"num_retries": 5}, 5),
        (AS_CONFIGURED, 1, {"num_retries": 5}, 1),
        (RouteOptions(retries=3), 1, {"num_retries": 5}, 3),
        (RouteOptions(retries=0), 1, {"num_retries": 5}, 0),
        (AS_CONFIGURED, 1, {"retry_policy": {"InternalServerErrorRetries": 4}}, 4),
        (RouteOptions(retries=1), None, {"retry_policy": {"InternalServerErrorRetries": 4}}, 4),
        (RouteOptions(retries=0), None, {"retry_policy": {"InternalServerErrorRetries": 4}}, 0),
        (AS_CONFIGURED, None, {"retry_policy": {"TimeoutErrorRetries": 4}}, 2),
        (AS_CONFIGURED, None, {"retry_policy": {"TimeoutErrorRetries": 4, "DefaultRetries": 1}}, 1),
        (
            AS_CONFIGURED,
            None,
            {
                "retry_policy": {"InternalServerErrorRetries": 4},
                "model_group_retry_policy": {"m": {"InternalServerErrorRetries": 1}},
            },
            1,
        ),
    ],
)
def test_who_says_how_often(
    options: RouteOptions, deployment: int | None, router: dict[str, Any], retries: int
) -> None:
    given = config("m", **router)
    if deployment is not None:
        given["model_list"][0]["litellm_params"]["num_retries"] = deployment
    way = route(given, options=options)
    assert len(walked(way, provider(500))) == retries + 1
    assert way.retries == retries


def test_a_policy_that_names_an_error_has_it_tried_again() -> None:
    given = config("m", retry_policy={"BadRequestErrorRetries": 2, "AuthenticationErrorRetries": 1})
    assert len(walked(route(given), provider(400))) == 3
    assert len(walked(route(given), provider(401))) == 2


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_model_falls_back_after_its_retries(status: int) -> None:
    given = config("m", "n", "o", num_retries=1, fallbacks=[{"m": ["n", "o"]}])
    again = 2 if status in (429, 500) else 1
    way = route(given)
    assert walked(way, provider(status)) == ["m/a"] * again + ["n/a"] * again + ["o/a"] * again
    assert way.fallbacks == 2


def test_what_is_told_in_the_end_is_the_error_of_the_model_asked_for() -> None:
    way = route(config("m", "n", num_retries=1, fallbacks=[{"m": ["n"]}]))
    errors = [provider(status) for status in (500, 503, 429, 401)]
    assert [failed(way, error) for error in errors] == [True, True, True, False]
    assert tells(way, errors[1])


def test_a_hold_that_does_not_fit_ends_the_walk_with_the_first_error() -> None:
    way = route(config("m"))
    first = provider(500)
    assert failed(way, first)
    assert not failed(way, BudgetExceeded("x"))
    assert tells(way, first)


def test_the_way_keeps_what_an_error_said_and_no_exception() -> None:
    way = route(config("m", "n", num_retries=0, fallbacks=[{"m": ["n"]}]))
    for error in (provider(429, code="slow_down", retry_after_s=7), UpstreamTimeout("late")):
        failed(way, error)
    assert [each for each in gc.get_referents(vars(way)) if isinstance(each, BaseException)] == []
    assert way.told is not None
    again = way.told.error()
    assert isinstance(again, ProviderError)
    assert envelope(again) == envelope(provider(429, code="slow_down", retry_after_s=7))
    assert (again.http_status, again.retry_after_s, str(again)) == (429, 7, "no")
    assert again.__traceback__ is None


def test_a_context_that_is_too_long_goes_to_the_models_for_it() -> None:
    lists = {"fallbacks": [{"m": ["n"]}], "context_window_fallbacks": [{"m": ["long"]}]}
    given = config("m", "n", "long", num_retries=0, **lists)
    assert walked(route(given), provider(400, code="context_length_exceeded")) == ["m/a", "long/a"]
    assert walked(route(given), provider(500)) == ["m/a", "n/a"]


def test_a_content_policy_goes_to_the_models_for_it() -> None:
    lists = {"fallbacks": [{"m": ["n"]}], "content_policy_fallbacks": [{"m": ["lax"]}]}
    given = config("m", "n", "lax", num_retries=0, **lists)
    assert walked(route(given), provider(400, code="content_policy_violation")) == ["m/a", "lax/a"]


@pytest.mark.parametrize("code", ["context_length_exceeded", "content_policy_violation"])
def test_without_a_list_for_it_the_general_one_counts(code: str) -> None:
    given = config("m", "n", "o", fallbacks=[{"m": ["n"]}], context_window_fallbacks=[{"o": ["n"]}])
    assert walked(route(given), provider(400, code=code)) == ["m/a", "n/a"]


@pytest.mark.parametrize(
    ("lists", "model", "found"),
    [
        ({"default_fallbacks": ["n"]}, "m", ["n/a"]),
        ({"fallbacks": [{"*": ["n"]}]}, "m", ["n/a"]),
        ({"fallbacks": [{"m": ["o"]}], "default_fallbacks": ["n"]}, "m", ["o/a", "n/a"]),
        ({"fallbacks": [{"m": ["n"]}]}, "openai/m", ["n/a"]),
        ({"fallbacks": [{"openai/m": ["o"]}, {"m": ["n"]}]}, "openai/m", ["o/a"]),
        ({"fallbacks": [{"m": ["nobody", "n"]}]}, "m", ["n/a"]),
    ],
)
def test_whose_fallbacks_count(lists: dict[str, Any], model: str, found: list[str]) -> None:
    given = config("m", "n", "o", "openai/m", num_retries=0, **lists)
    assert walked(route(given, model), provider(500))[1:] == found


def test_fallbacks_have_fallbacks_of_their_own_to_a_depth() -> None:
    names = "abcdefgh"
    chain = [{one: [other]} for one, other in pairwise(names)]
    given = config(*names, num_retries=0, fallbacks=chain)
    assert walked(route(given, "a"), provider(500)) == [f"{name}/a" for name in names[:6]]
    given["router_settings"]["max_fallbacks"] = 1
    assert walked(route(given, "a"), provider(500)) == ["a/a", "b/a"]


def test_no_model_is_come_to_twice() -> None:
    given = config("m", "n", num_retries=0, fallbacks=[{"m": ["n"]}, {"n": ["m", "n"]}])
    assert walked(route(given), provider(500)) == ["m/a", "n/a"]


def test_fallbacks_a_caller_may_not_use_are_passed_over() -> None:
    given = config("m", "secret", "n", num_retries=0, fallbacks=[{"m": ["secret", "n"]}])
    allowed = (AllowedModels("key", ("m", "n")),)
    assert walked(route(given, allowed=allowed), provider(500)) == ["m/a", "n/a"]


def test_a_request_names_its_own_fallbacks() -> None:
    given = config("m", "n", "o", num_retries=0, fallbacks=[{"m": ["n"]}])
    asked = RouteOptions(fallbacks=("o",))
    assert walked(route(given, options=asked), provider(500)) == ["m/a", "o/a"]
    assert walked(route(given, options=RouteOptions(falls_back=False)), provider(500)) == ["m/a"]
    by_model = RouteOptions(context_window_fallbacks={"m": ("o",)})
    error = provider(400, code="context_length_exceeded")
    assert walked(route(given, options=by_model), error) == ["m/a", "o/a"]


def test_fallbacks_a_request_names_are_checked_before_anything_is_sent() -> None:
    allowed = (AllowedModels("key", ("m",)),)
    with pytest.raises(ModelNotAllowed):
        route(config("m", "n"), options=RouteOptions(fallbacks=("n",)), allowed=allowed)
    with pytest.raises(ModelNotFound) as missing:
        route(config("m"), options=RouteOptions(fallbacks=("nobody",)))
    assert missing.value.param == "fallbacks"
    by_model = RouteOptions(context_window_fallbacks={"m": ("n",)})
    with pytest.raises(ModelNotAllowed):
        route(config("m", "n"), options=by_model, allowed=allowed)


@pytest.mark.parametrize("error", [provider(400), UnsupportedParameter("x")])
def test_a_bad_request_does_not_fall_back_where_the_config_says_so(error: GatewayError) -> None:
    given = config("m", "n", fallbacks=[{"m": ["n"]}], fallback_on_unsupported_params=False)
    assert walked(route(given), error) == ["m/a"]
    assert walked(route(given), provider(401)) == ["m/a", "n/a"]


def test_a_context_falls_back_also_where_bad_requests_do_not() -> None:
    lists = {"context_window_fallbacks": [{"m": ["n"]}], "fallback_on_unsupported_params": False}
    assert walked(route(config("m", "n", **lists)), provider(400, code="context_length_exceeded")) == [
        "m/a",
        "n/a",
    ]


def test_a_fallback_that_is_not_for_this_customer_is_passed_over() -> None:
    way = route(config("m", "n", "o", num_retries=0, fallbacks=[{"m": ["n", "o"]}]))
    first = provider(500)
    assert failed(way, first)
    assert failed(way, ModelNotAllowed("x", level="customer"))
    assert way.target.model_id == "o/a"
    assert not failed(way, ModelNotAllowed("x", level="customer"))
    assert tells(way, first)
    assert not route(config("m", "n", fallbacks=[{"m": ["n"]}])).advance(ModelNotAllowed("x"))


@pytest.mark.parametrize(
    "lists", [{"fallbacks": [{"*": ["cloud", "near"]}]}, {"default_fallbacks": ["cloud", "near"]}]
)
def test_what_was_asked_of_a_local_model_leaves_only_where_that_model_is_named(lists: dict[str, Any]) -> None:
    """A list for every model was not made with what must not leave in mind."""
    given = config("cloud", "other", num_retries=0, **lists)
    for name in ("home", "near"):
        params = {"model": f"ollama/{name}", "api_base": "http://ollama.test"}
        given["model_list"].append(
            {"model_name": name, "litellm_params": params, "model_info": {"id": f"{name}/a"}}
        )
    assert walked(route(given, "home"), provider(500)) == ["home/a", "near/a"]
    assert walked(route(given, "other"), provider(500)) == ["other/a", "cloud/a", "near/a"]
    given["router_settings"]["fallbacks"] = [{"home": ["cloud"]}]
    assert walked(route(given, "home"), provider(500))[:2] == ["home/a", "cloud/a"]


def test_kinds_are_told_apart() -> None:
    assert len({kind.value for kind in FailureKind}) == len(FailureKind.__members__) == 14


ERRORS = st.sampled_from(
    [
        provider(429),
        provider(500),
        provider(401),
        provider(400),
        provider(400, code="context_length_exceeded"),
        UpstreamCut("x"),
        UnsupportedParameter("x"),
    ]
)
NAMES = st.sampled_from("mnop")


@given(
    deployments=st.lists(NAMES, min_size=1, max_size=8),
    fallbacks=st.dictionaries(NAMES, st.lists(NAMES, max_size=4), max_size=4),
    errors=st.lists(ERRORS, min_size=1, max_size=6),
    retries=st.integers(0, 4),
    policy=st.dictionaries(st.sampled_from(sorted(POLICIES)), st.integers(0, 3), max_size=2),
    roll=st.floats(0, 1, exclude_max=True),
)
def test_every_way_ends(
    deployments: list[str],
    fallbacks: dict[str, list[str]],
    errors: list[GatewayError],
    retries: int,
    policy: dict[str, int],
    roll: float,
) -> None:
    lists = [{model: names} for model, names in fallbacks.items()]
    given = config("m", *deployments, num_retries=retries, retry_policy=policy, fallbacks=lists)
    way = route(given, roll=roll)
    attempted = walked(way, *errors)
    most = 1 + max([retries, *policy.values()])
    by_model = Counter(id.partition("/")[0] for id in attempted)
    assert max(by_model.values()) <= most
    assert len(by_model) <= 1 + MAX_FALLBACKS
    assert len(attempted) <= MOST_ATTEMPTS
    assert way.told is not None


def test_the_defaults_are_the_peers() -> None:
    routing = Routing()
    assert (routing.retries, routing.max_fallbacks, routing.on_bad_request) == (2, 5, True)


def ordered(*orders: int | None, **router: Any) -> dict[str, Any]:
    """Deployments of one model with these orders."""
    given = config(*["m"] * len(orders), **router)
    for entry, order in zip(given["model_list"], orders, strict=True):
        entry["litellm_params"] |= {} if order is None else {"order": order}
    return given


@pytest.mark.parametrize("options", [AS_CONFIGURED, RouteOptions(retries=0)])
def test_the_next_order_is_asked_also_where_no_retries_are_left(options: RouteOptions) -> None:
    given = ordered(1, 2, None, num_retries=0, fallbacks=[{"m": ["n"]}])
    given["model_list"].append({**given["model_list"][0], "model_name": "n", "model_info": {"id": "n/a"}})
    assert walked(route(given, options=options), provider(500)) == ["m/a", "m/b", "m/c", "n/a"]
    assert walked(route(given, options=options), provider(401)) == ["m/a", "m/b", "m/c", "n/a"]


def test_retries_come_before_the_next_order_and_it_is_no_retry() -> None:
    way = route(ordered(1, 1, 1, 2, num_retries=1))
    assert len(walked(way, provider(500))) == 3
    assert (way.target.model_id, way.retries) == ("m/d", 1)
    assert Reason.NO_RETRIES_LEFT in {drop.reason for drop in way.drops}


def test_the_next_order_is_not_asked_where_the_request_is_wrong_or_wants_no_fallback() -> None:
    assert walked(route(ordered(1, 2, num_retries=0)), provider(400)) == ["m/a"]
    alone = RouteOptions(falls_back=False)
    assert walked(route(ordered(1, 2, num_retries=0), options=alone), provider(500)) == ["m/a"]


def test_a_wildcards_next_order_is_asked() -> None:
    given = ordered(1, 2, num_retries=0)
    for entry in given["model_list"]:
        entry["model_name"] = "w/*"
    assert walked(route(given, "w/x"), provider(500)) == ["m/a", "m/b"]
